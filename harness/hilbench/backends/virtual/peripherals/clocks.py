"""RCC and PWR: oscillators, PLL, prescalers, over-drive, reset flags (RM0385 4 and 5)."""

from __future__ import annotations

from collections.abc import Callable

from hilbench.backends.virtual.bus import Bus
from hilbench.backends.virtual.simtime import SimTime

HSI_HZ = 16_000_000
#: NUCLEO-F746ZG: the ST-LINK's MCO feeds 8 MHz into OSC_IN (UM1974 6.7.1), so HSEBYP is needed.
HSE_HZ = 8_000_000
LSI_HZ = 32_000

#: Start-up times in seconds; DS10916 tables 37 (HSI), 41 (PLL), RM0385 4.1.4 (over-drive).
READY_S = {"HSI": 2e-6, "HSE": 20e-6, "PLL": 100e-6, "LSI": 40e-6, "OD": 20e-6, "ODSW": 5e-6}

#: Highest HCLK in Hz for 0, 1, ... wait states at 2.7 to 3.6 V (RM0385 3.3.2 table 5).
WAIT_STATE_STEP_HZ = 30_000_000
#: Highest HCLK in Hz: (VOS scale 1, with over-drive), (scale 1), (scale 2), (scale 3): 4.1.4.
MAX_HZ = {("1", True): 216e6, ("1", False): 180e6, ("2", True): 180e6, ("2", False): 168e6}
MAX_SCALE_3_HZ = 144e6

AHB_DIVIDERS = (1,) * 8 + (2, 4, 8, 16, 64, 128, 256, 512)
APB_DIVIDERS = (1,) * 4 + (2, 4, 8, 16)
#: VCO input 1-2 MHz, output 100-432 MHz (RM0385 5.3.2).
VCO_IN_HZ, VCO_OUT_HZ = (0.95e6, 2.1e6), (100e6, 432e6)


class Clocks:
    """The clock tree and the regulator.

    Parameters
    ----------
    on_change : callable
        Called after the system clock changed.
    """

    def __init__(self, bus: Bus, time: SimTime, on_change: Callable[[], None]) -> None:
        self._bus, self._time, self._on_change = bus, time, on_change
        self._on_since: dict[str, float] = {"HSI": -1.0}
        self.hclk_hz = float(HSI_HZ)
        self._reset_flags = 0
        self.hse_absent = False
        bus.on_read("RCC_CR", self._read_cr)
        bus.on_write("RCC_CR", self._write_cr)
        bus.on_read("RCC_CFGR", self._read_cfgr)
        bus.on_write("RCC_CFGR", self._write_cfgr)
        bus.on_write("RCC_PLLCFGR", self._write_pllcfgr)
        bus.on_read("RCC_CSR", self._read_csr)
        bus.on_write("RCC_CSR", self._write_csr)
        bus.on_write("PWR_CR1", self._write_pwr_cr1)
        bus.on_read("PWR_CSR1", self._read_pwr_csr1)
        bus.on_write("FLASH_ACR", self._write_acr)
        for label in ("RCC_DCKCFGR2", "RCC_DCKCFGR1"):
            bus.on_write(label, self._plain_write(label))

    def reset(self, flags: int) -> None:
        """Reset values; ``flags`` are the cause's bits in RCC_CSR."""
        self._on_since = {"HSI": -1.0}
        self._reset_flags |= flags
        self.hclk_hz = float(HSI_HZ)

    def _plain_write(self, label: str) -> Callable[[int], None]:
        def write(value: int) -> None:
            self._bus.put(label, value)
            self._on_change()

        return write

    def _mask(self, label: str, *names: str) -> int:
        return self._bus.table.mask(label, *names)

    def _field(self, label: str, name: str) -> int:
        field = self._bus.table.by_label[label].bits[name]
        return (self._bus.get(label) & field.mask) >> field.lsb

    def _ready(self, name: str) -> bool:
        since = self._on_since.get(name)
        if name == "HSE" and self.hse_absent:
            return False
        return since is not None and self._time.now_s >= since + READY_S[name]

    # ------------------------------------------------------------ oscillators and PLL

    def _read_cr(self) -> int:
        value = self._bus.get("RCC_CR")
        for name in ("HSI", "HSE", "PLL"):
            if self._ready(name):
                value |= self._mask("RCC_CR", f"{name}RDY")
        return value

    def _write_cr(self, value: int) -> None:
        ready = self._mask("RCC_CR", "HSIRDY", "HSERDY", "PLLRDY", "PLLI2SRDY", "PLLSAIRDY")
        for name in ("HSI", "HSE", "PLL"):
            on = value & self._mask("RCC_CR", f"{name}ON")
            if not on:
                self._stop(name)
            elif name not in self._on_since and self._may_start(name, value):
                self._on_since[name] = self._time.now_s
        for name in ("PLLI2SON", "PLLSAION"):
            if value & self._mask("RCC_CR", name):
                self._bus.violate("not modelled", f"RCC_CR.{name}")
        self._bus.put("RCC_CR", value & ~ready)

    def _may_start(self, name: str, cr: int) -> bool:
        if name == "HSE" and not cr & self._mask("RCC_CR", "HSEBYP"):
            # no crystal is fitted: without bypass the oscillator never gets ready
            return False
        if name == "PLL":
            source = "HSE" if self._field("RCC_PLLCFGR", "PLLSRC") else "HSI"
            if not self._ready(source):
                self._bus.violate("PLL source not ready", f"PLLON while {source} is not ready")
            self._check_pll()
        return True

    def _stop(self, name: str) -> None:
        if name not in self._on_since:
            return
        if name == self.source():
            self._bus.violate("clock in use", f"{name} switched off while it drives SYSCLK")
            return
        del self._on_since[name]

    def _write_pllcfgr(self, value: int) -> None:
        if "PLL" in self._on_since:
            self._bus.violate(
                "PLL running", "RCC_PLLCFGR written while PLLON is set (RM0385 5.3.2)"
            )
            return
        self._bus.put("RCC_PLLCFGR", value)

    def _pll_input_hz(self) -> float:
        source_hz = HSE_HZ if self._field("RCC_PLLCFGR", "PLLSRC") else HSI_HZ
        return source_hz / max(self._field("RCC_PLLCFGR", "PLLM"), 1)

    def pll_hz(self) -> float:
        """PLL output P in Hz: input / M x N / P (RM0385 5.3.2)."""
        vco_hz = self._pll_input_hz() * self._field("RCC_PLLCFGR", "PLLN")
        return vco_hz / (2 * self._field("RCC_PLLCFGR", "PLLP") + 2)

    def _check_pll(self) -> None:
        input_hz = self._pll_input_hz()
        vco_hz = input_hz * self._field("RCC_PLLCFGR", "PLLN")
        if not VCO_IN_HZ[0] <= input_hz <= VCO_IN_HZ[1]:
            self._bus.violate("PLL input", f"{input_hz:.0f} Hz is outside 1 to 2 MHz")
        if not VCO_OUT_HZ[0] <= vco_hz <= VCO_OUT_HZ[1]:
            self._bus.violate("PLL VCO", f"{vco_hz:.0f} Hz is outside 100 to 432 MHz")

    # ------------------------------------------------------------ system clock

    def source(self) -> str:
        """What drives SYSCLK."""
        return ("HSI", "HSE", "PLL", "none")[self._field("RCC_CFGR", "SWS")]

    def _sysclk_hz(self) -> float:
        return {"HSI": HSI_HZ, "HSE": HSE_HZ, "PLL": self.pll_hz()}[self.source()]

    def _read_cfgr(self) -> int:
        return self._bus.get("RCC_CFGR")

    def _write_cfgr(self, value: int) -> None:
        sws = self._mask("RCC_CFGR", "SWS")
        wanted = value & 3
        name = ("HSI", "HSE", "PLL", "none")[wanted]
        stored = (value & ~sws) | (self._bus.get("RCC_CFGR") & sws)
        if name == "none" or not self._ready(name):
            self._bus.violate("clock not ready", f"SYSCLK switched to {name}, which is not ready")
        else:
            stored = (value & ~sws) | (wanted << 2)
        self._bus.put("RCC_CFGR", stored)
        self._changed()

    def _changed(self) -> None:
        self.hclk_hz = self._sysclk_hz() / AHB_DIVIDERS[self._field("RCC_CFGR", "HPRE")]
        self._check_speed()
        self._on_change()

    def _check_speed(self) -> None:
        needed = max(0, -(-int(self.hclk_hz) // WAIT_STATE_STEP_HZ) - 1)
        latency = self._field("FLASH_ACR", "LATENCY")
        if latency < needed:
            text = f"{self.hclk_hz:.0f} Hz with {latency} wait states, {needed} needed"
            self._bus.violate("flash wait states", text)
        if self.hclk_hz > self._max_hz():
            text = f"{self.hclk_hz:.0f} Hz, {self._max_hz():.0f} Hz allowed as PWR is programmed"
            self._bus.violate("regulator", text)
        for name, limit_hz in (("PPRE1", 54e6), ("PPRE2", 108e6)):
            bus_hz = self.hclk_hz / APB_DIVIDERS[self._field("RCC_CFGR", name)]
            if bus_hz > limit_hz:
                self._bus.violate("APB clock", f"{name}: {bus_hz:.0f} Hz over {limit_hz:.0f} Hz")

    def _max_hz(self) -> float:
        scale = {3: "1", 2: "2"}.get(self._field("PWR_CR1", "VOS"), "3")
        over_drive = self._ready("OD") and self._ready("ODSW")
        return MAX_HZ.get((scale, over_drive), MAX_SCALE_3_HZ)

    def apb1_hz(self) -> float:
        """PCLK1 in Hz."""
        return self.hclk_hz / APB_DIVIDERS[self._field("RCC_CFGR", "PPRE1")]

    def apb2_hz(self) -> float:
        """PCLK2 in Hz."""
        return self.hclk_hz / APB_DIVIDERS[self._field("RCC_CFGR", "PPRE2")]

    def usart3_hz(self) -> float:
        """Kernel clock of USART3 in Hz (RM0385 5.3.26: PCLK1, SYSCLK, HSI, LSE)."""
        select = self._field("RCC_DCKCFGR2", "USART3SEL")
        return (self.apb1_hz(), self._sysclk_hz(), float(HSI_HZ), 32768.0)[select]

    # ------------------------------------------------------------ reset flags

    def _read_csr(self) -> int:
        value = self._bus.get("RCC_CSR") & self._mask("RCC_CSR", "LSION")
        if value and self._ready("LSI"):
            value |= self._mask("RCC_CSR", "LSIRDY")
        return value | self._reset_flags

    def _write_csr(self, value: int) -> None:
        if value & self._mask("RCC_CSR", "RMVF"):
            self._reset_flags = 0
        if value & self._mask("RCC_CSR", "LSION"):
            self._on_since.setdefault("LSI", self._time.now_s)
        self._bus.put("RCC_CSR", value & self._mask("RCC_CSR", "LSION"))

    # ------------------------------------------------------------ regulator, wait states

    def _write_pwr_cr1(self, value: int) -> None:
        old = self._bus.get("PWR_CR1")
        vos = self._mask("PWR_CR1", "VOS")
        if (value ^ old) & vos and self.source() == "PLL":
            self._bus.violate("VOS", "VOS changed while the PLL drives SYSCLK (RM0385 4.4.1)")
        for bit, name in (("ODEN", "OD"), ("ODSWEN", "ODSW")):
            if not value & self._mask("PWR_CR1", bit):
                self._on_since.pop(name, None)
            elif name == "ODSW" and not self._ready("OD"):
                self._bus.violate("over-drive", "ODSWEN before ODRDY (RM0385 4.1.4)")
            elif name == "OD" and not self._over_drive_source():
                self._bus.violate("over-drive", "ODEN needs HSI or HSE as clock (RM0385 4.1.4)")
            else:
                self._on_since.setdefault(name, self._time.now_s)
        self._bus.put("PWR_CR1", value)

    def _over_drive_source(self) -> bool:
        return self.source() in ("HSI", "HSE")

    def _read_pwr_csr1(self) -> int:
        value = self._mask("PWR_CSR1", "VOSRDY")
        if self._ready("OD"):
            value |= self._mask("PWR_CSR1", "ODRDY")
        if self._ready("ODSW"):
            value |= self._mask("PWR_CSR1", "ODSWRDY")
        return value

    def _write_acr(self, value: int) -> None:
        self._bus.put("FLASH_ACR", value)
        self._check_speed()
