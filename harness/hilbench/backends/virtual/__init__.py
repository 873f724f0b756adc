"""A virtual NUCLEO-F746ZG: a simulated board behind a simulated ST-LINK and a real serial port.

The host's side:

- ``board.py`` starts the board, a process of its own, and holds it;
- ``usb.py`` makes it visible to pyOCD and pyserial; ``usb_device.py`` is the USB device;
- ``backend.py`` is what ``--backend virtual`` means.

The board's process (``python -m hilbench.backends.virtual``; Unicorn is imported only there):

- ``server.py`` is its loop, ``machine.py`` the board, ``simtime.py`` its time;
- ``core.py`` is the Cortex-M7, ``counter.py`` and ``counter.c`` count its instructions exactly,
  ``exceptions.py`` takes interrupts and faults;
- ``bus.py`` dispatches register accesses, strictly by ``registers.toml``; ``peripherals/`` are the
  parts of the chip;
- ``debug.py`` and ``stlink.py`` are what the debugger sees; ``line.py`` is the serial line;
- ``faults.py`` lists what can be wrong with it all.
"""
