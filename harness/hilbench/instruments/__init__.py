"""Energy instruments: drivers, recorded traces, and their alignment with the device."""
