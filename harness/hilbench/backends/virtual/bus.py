"""The peripheral bus: strict dispatch of register accesses.

What a permissive simulator would let pass is a *violation* here: a register or a bit that the table
lacks, a peripheral without its clock, a store to a read-only register.  Violations are kept,
reported to the log, and (by configuration) stop the board.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from hilbench.backends.virtual.registers import Register, RegisterTable

OnRead = Callable[[], int]
OnWrite = Callable[[int], None]
PERIPHERALS = 0x4000_0000


@dataclass(frozen=True)
class Violation:
    """Something that working silicon would not forgive, or that the model does not know."""

    rule: str
    detail: str
    pc: int

    def as_dict(self) -> dict[str, object]:
        """For the control socket."""
        return asdict(self)


class Bus:
    """Registers by address, with hooks of the peripherals that own them.

    Parameters
    ----------
    table : RegisterTable
        Every register that exists here.
    on_violation : callable
        Called once per violation with the rule and a text.
    """

    def __init__(self, table: RegisterTable, on_violation: Callable[[str, str], None]) -> None:
        self.table = table
        self.values: dict[int, int] = {}
        self.violate = on_violation
        self._readers: dict[int, OnRead] = {}
        self._writers: dict[int, OnWrite] = {}
        self._addresses = {label: row.address for label, row in table.by_label.items()}
        self._known = {address: row.known for address, row in table.by_address.items()}
        self._gates = {
            row.address: (self._gate_address(row), self._gate_mask(row))
            for row in table.by_address.values()
            if row.gate
        }
        #: called before any access to a page: lazily simulated peripherals catch up
        self.before: dict[int, Callable[[], None]] = {}
        self.debugger = False

    def _gate_address(self, row: Register) -> int:
        return self.table.address("RCC_" + str(row.gate).partition(".")[0])

    def _gate_mask(self, row: Register) -> int:
        register, _, bit = str(row.gate).partition(".")
        return self.table.mask(f"RCC_{register}", bit)

    def pages(self) -> list[int]:
        """Start addresses of the 4 KiB pages that hold peripheral registers."""
        return sorted({a & ~0xFFF for a in self.table.by_address if a >= PERIPHERALS})

    def reset(self, keep: tuple[str, ...] = ()) -> None:
        """Give every register its reset value, but those of the peripherals in ``keep``."""
        for address, row in self.table.by_address.items():
            if row.peripheral not in keep or address not in self.values:
                self.values[address] = row.reset

    # ------------------------------------------------------------ for peripherals

    def on_read(self, label: str, function: OnRead) -> None:
        """Let ``function()`` give the value of a register."""
        self._readers[self.table.address(label)] = function

    def on_write(self, label: str, function: OnWrite) -> None:
        """Let ``function(value)`` take the stores to a register."""
        self._writers[self.table.address(label)] = function

    def get(self, label: str) -> int:
        """Stored value of a register."""
        return self.values[self._addresses[label]]

    def put(self, label: str, value: int) -> None:
        """Set the stored value of a register."""
        self.values[self._addresses[label]] = value & 0xFFFF_FFFF

    def clocked(self, label: str) -> bool:
        """Whether the peripheral that holds a register has its clock."""
        gate = self._gates.get(self.table.address(label))
        return gate is None or bool(self.values[gate[0]] & gate[1])

    # ------------------------------------------------------------ accesses

    def read(self, address: int, size: int, debugger: bool = False) -> int:
        """Value of ``size`` bytes at ``address``."""
        word = address & ~3
        if not self._allowed(word, "read", debugger):
            return 0
        row = self.table.by_address[word]
        if row.access == "w":
            value = 0
        elif word in self._readers:
            self.debugger = debugger
            value = self._readers[word]()
        else:
            value = self.values[word]
        return (value >> 8 * (address & 3)) & ((1 << 8 * size) - 1)

    def write(self, address: int, size: int, value: int, debugger: bool = False) -> None:
        """Store ``size`` bytes at ``address``."""
        word = address & ~3
        if not self._allowed(word, "write", debugger):
            return
        row = self.table.by_address[word]
        if size < 4:
            shift = 8 * (address & 3)
            mask = ((1 << 8 * size) - 1) << shift
            below = 0 if row.access in ("w", "w1c") else self.values[word]
            value = (below & ~mask) | ((value << shift) & mask)
        if row.access == "r":
            self.violate("read-only register", f"{row.label} written with {value:#x}")
            return
        if value & ~self._known[word] and not debugger:
            unknown = value & ~self._known[word] & ~self.values[word]
            if unknown:
                self.violate("unknown bit", f"{row.label} written with bits {unknown:#010x}")
        if word in self._writers:
            self.debugger = debugger
            self._writers[word](value)
        elif row.access == "w1c":
            self.values[word] &= ~value
        else:
            self.values[word] = value

    def _allowed(self, word: int, verb: str, debugger: bool) -> bool:
        catch_up = self.before.get(word & ~0xFFF)
        if catch_up is not None:
            catch_up()
        if word not in self.table.by_address:
            if not debugger:
                self.violate("unknown register", f"{verb} of {word:#010x}")
            return False
        gate = self._gates.get(word)
        if gate is None or self.values[gate[0]] & gate[1]:
            return True
        if not debugger:
            row = self.table.by_address[word]
            self.violate("peripheral not clocked", f"{verb} of {row.label} without {row.gate}")
        return False
