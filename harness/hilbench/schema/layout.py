"""What protocol.toml and image.toml say: constants, enumerations, layouts of fields."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "f32": 4}
STRUCT = dict(zip(SIZES, "BHIQbhiqf", strict=True))


@dataclass(frozen=True)
class Field:
    """One field: scalar (count 0), array (count n) or the open tail (base 'bytes')."""

    name: str
    base: str
    count: int
    doc: str

    @property
    def size(self) -> int:
        return 0 if self.base == "bytes" else self._unit * max(1, self.count)

    @property
    def _unit(self) -> int:
        return 1 if self.base == "char" else SIZES[self.base]

    @property
    def struct_code(self) -> str:
        if self.base == "bytes":
            return ""
        if self.base == "char" or (self.base == "u8" and self.count):
            return f"{self.count}s"
        return f"{self.count or ''}{STRUCT[self.base]}"

    @property
    def python_type(self) -> str:
        if self.base == "char":
            return "str"
        if self.base == "bytes" or (self.base == "u8" and self.count):
            return "bytes"
        scalar = "float" if self.base == "f32" else "int"
        return f"tuple[{', '.join([scalar] * self.count)}]" if self.count else scalar


def parse_field(entry: dict[str, Any], where: str) -> Field:
    """Read one field of the schema; raises ValueError with its place."""
    match = re.fullmatch(
        r"(u8|u16|u32|u64|i8|i16|i32|i64|f32|char|bytes)(?:\[(\d+)\])?", entry["type"]
    )
    if match is None:
        raise ValueError(f"{where}.{entry['name']}: unknown type {entry['type']!r}")
    base, count = match[1], int(match[2] or 0)
    if base == "char" and not count:
        raise ValueError(f"{where}.{entry['name']}: char needs a length")
    return Field(entry["name"], base, count, entry.get("doc", ""))


@dataclass(frozen=True)
class Layout:
    """A message or record: its fields in wire order."""

    name: str
    ident: int | None
    doc: str
    fields: tuple[Field, ...]

    @property
    def fixed_bytes(self) -> int:
        return sum(field.size for field in self.fields)

    @property
    def open_ended(self) -> bool:
        return bool(self.fields) and self.fields[-1].base == "bytes"


@dataclass(frozen=True)
class Schema:
    """One parsed .toml file."""

    name: str
    version: int
    hash32: int
    constants: dict[str, dict[str, Any]]
    enums: dict[str, dict[str, Any]]
    layouts: tuple[Layout, ...]


def load(name: str) -> Schema:
    """Parse and check ``name``.toml; raises ValueError where it is inconsistent."""
    raw = tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))
    layouts = []
    for entry in [*raw.get("messages", []), *raw.get("records", [])]:
        fields = tuple(parse_field(field, entry["name"]) for field in entry["fields"])
        if any(field.base == "bytes" for field in fields[:-1]):
            raise ValueError(f"{entry['name']}: only the last field may be bytes")
        layouts.append(Layout(entry["name"], entry.get("id"), entry["doc"], fields))
    idents = [layout.ident for layout in layouts if layout.ident is not None]
    if len(idents) != len(set(idents)):
        raise ValueError(f"{name}.toml: two messages share an id")
    return Schema(
        name=raw["name"],
        version=raw["version"],
        hash32=schema_hash(raw),
        constants=raw.get("constants", {}),
        enums=raw.get("enums", {}),
        layouts=tuple(layouts),
    )


def schema_hash(raw: dict[str, Any]) -> int:
    """32-bit hash of everything but prose (`doc`); units count, since changing one is a break."""

    def strip(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: strip(value) for key, value in node.items() if key != "doc"}
        return [strip(item) for item in node] if isinstance(node, list) else node

    canonical = json.dumps(strip(raw), sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(canonical.encode()).digest()[:4], "little")


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
