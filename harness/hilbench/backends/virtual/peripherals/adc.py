"""ADC1, as far as its two internal channels: reference voltage and die temperature (RM0385 15)."""

from __future__ import annotations

from collections.abc import Callable

from hilbench.backends.virtual.bus import Bus
from hilbench.backends.virtual.simtime import SimTime

EOC, STRT = 1 << 1, 1 << 4
ADON, SWSTART = 1 << 0, 1 << 30
TSVREFE = 1 << 23
VREFINT, SENSOR = 17, 18

#: DS10916 table 67: highest ADC clock at 2.4 to 3.6 V.
MAX_ADC_HZ = 36e6
#: DS10916 tables 67, 73, 75: converter, sensor and reference start-up; shortest sampling of both.
START_S, SOURCE_START_S, SAMPLING_S = 3e-6, 10e-6, 10e-6
SAMPLING_CYCLES = (3, 15, 28, 56, 84, 112, 144, 480)
RESOLUTION_CYCLES = 12

#: Factory words of this chip at 3.3 V: reference (1.21 V) and sensor (0.76 V + 2.5 mV/K at 25 degC,
#: DS10916 tables 73 and 75), of 4095.
CALIBRATION_VDD_V, FULL_SCALE = 3.3, 4095
VREFINT_CAL = round(1.21 / CALIBRATION_VDD_V * FULL_SCALE)


def sensor_value(temperature_c: float, vdd_v: float) -> int:
    """The sensor's 12-bit value."""
    return round((0.76 + 0.0025 * (temperature_c - 25)) / vdd_v * FULL_SCALE)


TS_CAL1, TS_CAL2 = (sensor_value(t, CALIBRATION_VDD_V) for t in (30.0, 110.0))


class Adc:
    """Single conversions started by software.

    Parameters
    ----------
    apb2_hz : callable
        PCLK2 in Hz.
    """

    def __init__(self, bus: Bus, time: SimTime, apb2_hz: Callable[[], float]) -> None:
        self._bus, self._time, self._apb2_hz = bus, time, apb2_hz
        self.temperature_c, self.vdd_v = 31.0, 3.28
        self.reset()
        bus.on_read("ADC1_SR", self._read_sr)
        bus.on_write("ADC1_SR", self._write_sr)
        bus.on_write("ADC1_CR2", self._write_cr2)
        bus.on_write("ADC_CCR", self._write_ccr)
        bus.on_read("ADC1_DR", self._read_dr)

    def reset(self) -> None:
        """State after reset: off."""
        self._on_since_s: float | None = None
        self._sources_since_s: float | None = None
        self._done_at_s: float | None = None
        self._value = 0

    def _write_ccr(self, value: int) -> None:
        self._bus.put("ADC_CCR", value)
        if not value & TSVREFE:
            self._sources_since_s = None
        elif self._sources_since_s is None:
            self._sources_since_s = self._time.now_s

    def _write_cr2(self, value: int) -> None:
        if not value & ADON:
            self._on_since_s = self._done_at_s = None
        elif self._on_since_s is None:
            self._on_since_s = self._time.now_s
        self._bus.put("ADC1_CR2", value & ~SWSTART)
        if value & SWSTART:
            self._start()

    def _start(self) -> None:
        now_s = self._time.now_s
        if self._on_since_s is None or now_s < self._on_since_s + START_S:
            self._bus.violate("ADC not ready", "conversion started before tSTAB had passed")
            return
        adc_hz = self._apb2_hz() / (2 + 2 * (self._bus.get("ADC_CCR") >> 16 & 3))
        if adc_hz > MAX_ADC_HZ:
            self._bus.violate("ADC clock", f"{adc_hz / 1e6:g} MHz, at most {MAX_ADC_HZ / 1e6:g}")
        channel = self._bus.get("ADC1_SQR3") & 0x1F
        sampling = SAMPLING_CYCLES[self._sampling_code(channel)]
        self._check_source(channel, sampling / adc_hz)
        self._value = self._convert(channel)
        self._done_at_s = now_s + (sampling + RESOLUTION_CYCLES) / adc_hz

    def _sampling_code(self, channel: int) -> int:
        return self._bus.get("ADC1_SMPR1") >> 3 * (channel - 10) & 7 if channel >= 10 else 0

    def _check_source(self, channel: int, sampling_s: float) -> None:
        since_s = self._sources_since_s
        if channel not in (VREFINT, SENSOR):
            self._bus.violate("ADC channel", f"channel {channel} is not modelled")
        elif since_s is None or self._time.now_s < since_s + SOURCE_START_S:
            self._bus.violate("ADC source", f"channel {channel} before its start-up time")
        elif sampling_s < SAMPLING_S:
            self._bus.violate("ADC sampling", f"channel {channel}: {sampling_s * 1e6:.1f} us")

    def _convert(self, channel: int) -> int:
        if channel == VREFINT:
            return round(VREFINT_CAL * CALIBRATION_VDD_V / self.vdd_v)
        return sensor_value(self.temperature_c, self.vdd_v)

    def _read_sr(self) -> int:
        if self._done_at_s is None:
            return self._bus.get("ADC1_SR")
        done = self._time.now_s >= self._done_at_s
        return self._bus.get("ADC1_SR") | STRT | (EOC if done else 0)

    def _write_sr(self, value: int) -> None:
        if not value & EOC:
            self._done_at_s = None
        self._bus.put("ADC1_SR", self._bus.get("ADC1_SR") & value)

    def _read_dr(self) -> int:
        if self._done_at_s is None or self._time.now_s < self._done_at_s:
            self._bus.violate("ADC data", "DR read before the end of conversion")
            return 0
        self._done_at_s = None
        return self._value
