"""Turn protocol.toml and image.toml into the Python and C codecs of both sides.

Run as ``python -m hilbench.schema.generate`` to write, with ``--check`` to only compare (exit 1
when a generated file is stale).  All generated files are committed: firmware builds without Python,
and the wheel works without a compiler.  C decoders read byte by byte, so that neither alignment
(a Cortex-M0 faults on an unaligned word) nor padding nor byte order reach the wire.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]

SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "f32": 4}
STRUCT = dict(zip(SIZES, "BHIQbhiqf", strict=True))
C_TYPES = {name: f"{'u' if name[0] == 'u' else ''}int{name[1:]}_t" for name in SIZES} | {
    "f32": "float"
}
OUTPUTS = {
    "protocol": (HERE / "protocol.py", ROOT / "firmware/agent/hb_protocol.h"),
    "image": (HERE / "image.py", ROOT / "firmware/engine/hb_image.h"),
}


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


# ---------------------------------------------------------------- Python


def python_module(schema: Schema) -> str:
    lines = [
        f'"""Codec of {schema.name}.toml.  Generated by generate.py: do not edit."""',
        "",
        "from __future__ import annotations",
        "",
        "import struct",
        "from dataclasses import dataclass",
        "from enum import IntEnum",
        "from typing import ClassVar",
        "",
        "from hilbench.errors import SchemaError",
        "",
        "#: A field may be called bytes; the type needs another name inside its class.",
        "Bytes = bytes",
        "",
        f"VERSION = {schema.version}",
        f"SCHEMA_HASH = 0x{schema.hash32:08X}",
    ]
    for name, entry in schema.constants.items():
        lines.append(f"{name.upper()} = {entry['value']}")
    for name, enum in schema.enums.items():
        lines += ["", "", f"class {camel(name)}(IntEnum):", f'    """{enum["doc"]}"""', ""]
        lines += [f"    {item['name'].upper()} = {item['value']}" for item in enum["values"]]
    for layout in schema.layouts:
        lines += ["", "", *python_class(layout)]
    if any(layout.ident is not None for layout in schema.layouts):
        lines += python_registry(schema)
    return "\n".join(lines) + "\n"


def python_class(layout: Layout) -> Iterator[str]:
    codes = "".join(field.struct_code for field in layout.fields)
    yield "@dataclass(frozen=True)"
    yield f"class {camel(layout.name)}:"
    yield f'    """{layout.doc}"""'
    yield ""
    if layout.ident is not None:
        yield f"    ID: ClassVar[int] = 0x{layout.ident:02X}"
    yield f'    STRUCT: ClassVar[struct.Struct] = struct.Struct("<{codes}")'
    if layout.fields:
        yield ""
    for field in layout.fields:
        yield f"    {field.name}: {field.python_type}"
    yield ""
    yield "    def pack(self) -> Bytes:"
    yield '        """Bytes on the wire; raises SchemaError when a value does not fit its field."""'
    fixed = [field for field in layout.fields if field.base != "bytes"]
    yield "        try:"
    yield f"            head = self.STRUCT.pack({', '.join(pack_argument(f) for f in fixed)})"
    yield "        except (struct.error, UnicodeEncodeError) as error:"
    yield f'            raise SchemaError(f"{layout.name}: {{error}}") from error'
    tail = f" + self.{layout.fields[-1].name}" if layout.open_ended else ""
    yield f"        return head{tail}"
    yield ""
    yield "    @classmethod"
    yield f"    def unpack(cls, payload: Bytes) -> {camel(layout.name)}:"
    yield '        """Read the wire; raises SchemaError when the length is wrong."""'
    relation = "<" if layout.open_ended else "!="
    if not (layout.open_ended and not layout.fixed_bytes):
        yield f"        if len(payload) {relation} cls.STRUCT.size:"
        yield (
            f'            raise SchemaError(f"{layout.name}: {{len(payload)}} bytes, '
            f'expected {{cls.STRUCT.size}}")'
        )
    if not layout.fields:
        yield "        return cls()"
        return
    yield "        values = cls.STRUCT.unpack_from(payload)"
    position, arguments = 0, []
    for field in layout.fields:
        text, used = unpack_argument(field, position)
        arguments.append(f"{field.name}={text}")
        position += used
    yield "        return cls("
    yield from (f"            {argument}," for argument in arguments)
    yield "        )"


def pack_argument(field: Field) -> str:
    if field.base == "char":
        return f'fixed_text(self.{field.name}, {field.count}, "{field.name}")'
    if field.base == "u8" and field.count:
        return f'fixed_bytes(self.{field.name}, {field.count}, "{field.name}")'
    return f"{'*' if field.count else ''}self.{field.name}"


def unpack_argument(field: Field, position: int) -> tuple[str, int]:
    if field.base == "bytes":
        return "payload[cls.STRUCT.size :]", 0
    if field.base == "char":
        return f'values[{position}].split(b"\\0")[0].decode("ascii", "replace")', 1
    if field.base == "u8" and field.count:
        return f"values[{position}]", 1
    if field.count:
        return f"tuple(values[{position} : {position + field.count}])", field.count
    return f"values[{position}]", 1


PYTHON_HELPERS = '''

def fixed_text(text: str, size: int, name: str) -> bytes:
    """ASCII, padded with NUL to ``size`` bytes."""
    raw = text.encode("ascii")
    if len(raw) > size:
        raise SchemaError(f"{name}: {len(raw)} characters, at most {size}")
    return raw.ljust(size, b"\\0")


def fixed_bytes(raw: bytes, size: int, name: str) -> bytes:
    """Exactly ``size`` bytes."""
    if len(raw) != size:
        raise SchemaError(f"{name}: {len(raw)} bytes, expected {size}")
    return raw
'''


def python_registry(schema: Schema) -> list[str]:
    messages = [layout for layout in schema.layouts if layout.ident is not None]
    union = " | ".join(camel(layout.name) for layout in messages)
    lines = ["", "", f"Message = {union}", "", "MESSAGES: dict[int, type[Message]] = {"]
    lines += [f"    {camel(layout.name)}.ID: {camel(layout.name)}," for layout in messages]
    return [*lines, "}"]


# ---------------------------------------------------------------- C


def c_header(schema: Schema) -> str:
    guard = f"HB_{schema.name.upper()}_H"
    prefix = "HB" if schema.name == "protocol" else "HB_IMAGE"
    own = "HB_PROTOCOL" if schema.name == "protocol" else "HB_IMAGE"
    lines = [
        f"/* Codec of {schema.name}.toml.  Generated by generate.py: do not edit. */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "#include <string.h>",
        "",
        f"#define {own}_VERSION {schema.version}u",
        f"#define {own}_SCHEMA_HASH 0x{schema.hash32:08X}u",
    ]
    for name, entry in schema.constants.items():
        lines.append(f"#define {prefix}_{name.upper()} {entry['value']}u /* {entry['doc']} */")
    for name, enum in schema.enums.items():
        lines += ["", f"/* {enum['doc']} */", f"enum hb_{name} {{"]
        for item in enum["values"]:
            doc = f" /* {item['doc']} */" if item["doc"] else ""
            lines.append(f"    HB_{name.upper()}_{item['name'].upper()} = {item['value']},{doc}")
        lines.append("};")
    lines += ["", *C_ACCESSORS.format(name=schema.name).splitlines()]
    for layout in schema.layouts:
        lines += ["", *c_layout(layout, schema.name)]
    return "\n".join([*lines, "", f"#endif /* {guard} */"]) + "\n"


C_ACCESSORS = """\
#ifndef HB_WIRE_ACCESS
#define HB_WIRE_ACCESS
#define HB_MUST_USE __attribute__((warn_unused_result, unused))
#define HB_MAY_IGNORE __attribute__((unused))
HB_MAY_IGNORE static inline void hb_put_u8(uint8_t *p, uint8_t v) {{ p[0] = v; }}
HB_MAY_IGNORE static inline void hb_put_u16(uint8_t *p, uint16_t v) {{
    p[0] = (uint8_t)(v & 0xFFu);
    p[1] = (uint8_t)(v >> 8);
}}
HB_MAY_IGNORE static inline void hb_put_u32(uint8_t *p, uint32_t v) {{
    hb_put_u16(p, (uint16_t)(v & 0xFFFFu));
    hb_put_u16(p + 2, (uint16_t)(v >> 16));
}}
HB_MAY_IGNORE static inline void hb_put_u64(uint8_t *p, uint64_t v) {{
    hb_put_u32(p, (uint32_t)(v & 0xFFFFFFFFu));
    hb_put_u32(p + 4, (uint32_t)(v >> 32));
}}
HB_MAY_IGNORE static inline void hb_put_f32(uint8_t *p, float v) {{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    hb_put_u32(p, bits);
}}
HB_MAY_IGNORE static inline uint8_t hb_get_u8(const uint8_t *p) {{ return p[0]; }}
HB_MAY_IGNORE static inline uint16_t hb_get_u16(const uint8_t *p) {{
    return (uint16_t)(p[0] | ((unsigned)p[1] << 8));
}}
HB_MAY_IGNORE static inline uint32_t hb_get_u32(const uint8_t *p) {{
    return (uint32_t)hb_get_u16(p) | ((uint32_t)hb_get_u16(p + 2) << 16);
}}
HB_MAY_IGNORE static inline uint64_t hb_get_u64(const uint8_t *p) {{
    return (uint64_t)hb_get_u32(p) | ((uint64_t)hb_get_u32(p + 4) << 32);
}}
HB_MAY_IGNORE static inline float hb_get_f32(const uint8_t *p) {{
    uint32_t bits = hb_get_u32(p);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}}
#define hb_put_i8(p, v) hb_put_u8((p), (uint8_t)(v))
#define hb_put_i16(p, v) hb_put_u16((p), (uint16_t)(v))
#define hb_put_i32(p, v) hb_put_u32((p), (uint32_t)(v))
#define hb_put_i64(p, v) hb_put_u64((p), (uint64_t)(v))
#define hb_get_i8(p) ((int8_t)hb_get_u8(p))
#define hb_get_i16(p) ((int16_t)hb_get_u16(p))
#define hb_get_i32(p) ((int32_t)hb_get_u32(p))
#define hb_get_i64(p) ((int64_t)hb_get_u64(p))
#endif"""


def c_layout(layout: Layout, schema_name: str) -> Iterator[str]:
    base = f"hb_{'image_' if schema_name == 'image' else ''}{layout.name}"
    upper = base.upper()
    yield f"/* {layout.doc} */"
    if layout.ident is not None:
        yield f"#define {upper}_ID 0x{layout.ident:02X}u"
    yield f"#define {upper}_BYTES {layout.fixed_bytes}u"
    if not layout.fields:
        return
    yield f"struct {base} {{"
    for field in layout.fields:
        doc = f" /* {field.doc} */" if field.doc else ""
        yield f"    {c_declaration(field)}{doc}"
    yield "};"
    offset, encode, decode = 0, [], []
    for field in layout.fields:
        encode.append(c_encode(field, offset))
        decode.append(c_decode(field, offset))
        offset += field.size
    tail = " (the data follows)" if layout.open_ended else ""
    yield f"/* Encodes into {upper}_BYTES bytes{tail}. */"
    yield (
        f"HB_MAY_IGNORE static inline size_t {base}_encode("
        f"uint8_t *out, const struct {base} *m) {{"
    )
    yield from (f"    {line}" for line in encode if line)
    yield f"    return {upper}_BYTES;"
    yield "}"
    relation = "<" if layout.open_ended else "!="
    yield "/* Returns 0, or -1 when the length is wrong (m is then untouched). */"
    yield (
        f"HB_MUST_USE static inline int {base}_decode(const uint8_t *in, size_t bytes, "
        f"struct {base} *m) {{"
    )
    yield f"    if (bytes {relation} {upper}_BYTES) return -1;"
    yield from (f"    {line}" for line in decode)
    yield "    return 0;"
    yield "}"


def c_declaration(field: Field) -> str:
    if field.base == "bytes":
        return f"const uint8_t *{field.name}; size_t {field.name}_bytes;"
    if field.base == "char":
        return f"char {field.name}[{field.count}];"
    array = f"[{field.count}]" if field.count else ""
    return f"{C_TYPES[field.base]} {field.name}{array};"


def c_encode(field: Field, offset: int) -> str:
    at = f"out + {offset}"
    if field.base == "bytes":
        return ""
    if field.base == "char" or (field.base == "u8" and field.count):
        return f"memcpy({at}, m->{field.name}, {field.count}u);"
    if field.count:
        step = SIZES[field.base]
        return (
            f"for (size_t i = 0; i < {field.count}u; i++) "
            f"hb_put_{field.base}({at} + {step}u * i, m->{field.name}[i]);"
        )
    return f"hb_put_{field.base}({at}, m->{field.name});"


def c_decode(field: Field, offset: int) -> str:
    at = f"in + {offset}"
    if field.base == "bytes":
        return f"m->{field.name} = {at}; m->{field.name}_bytes = bytes - {offset}u;"
    if field.base == "char" or (field.base == "u8" and field.count):
        return f"memcpy(m->{field.name}, {at}, {field.count}u);"
    if field.count:
        step = SIZES[field.base]
        return (
            f"for (size_t i = 0; i < {field.count}u; i++) "
            f"m->{field.name}[i] = hb_get_{field.base}({at} + {step}u * i);"
        )
    return f"m->{field.name} = hb_get_{field.base}({at});"


# ---------------------------------------------------------------- main


def render() -> dict[Path, str]:
    """Every generated file with the text that it should have."""
    files = {}
    for name, (python_path, c_path) in OUTPUTS.items():
        schema = load(name)
        text = python_module(schema)
        helpers = [h for h in ("fixed_text", "fixed_bytes") if f"{h}(" in text]
        if helpers:
            blocks = PYTHON_HELPERS.split("\n\n\n")
            kept = [b.strip("\n") for b in blocks if any(f"def {h}(" in b for h in helpers)]
            head, tail = text.split("\n\n\n", 1)
            text = "\n\n\n".join([head, *kept, tail])
        files[python_path] = text
        files[c_path] = c_header(schema)
    return files


def main(arguments: list[str]) -> int:
    """Write the generated files, or with ``--check`` compare them."""
    stale = []
    for path, text in render().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        verb = "stale" if "--check" in arguments else "written"
        sys.stdout.write(f"{verb}: {path.relative_to(ROOT)}\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
