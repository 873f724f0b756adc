"""The generated C codec against the generated Python codec, field by field, both directions."""

from __future__ import annotations

import ctypes
import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hilbench.errors import SchemaError
from hilbench.schema import image, protocol
from hilbench.schema.layout import Field, Layout, camel, load
from tests.conftest import ROOT, require_tool

MODULES = {"protocol": protocol, "image": image}
Roundtrip = Callable[[str, bytes], tuple[list[int] | None, bytes]]
CASES = [(name, layout) for name in MODULES for layout in load(name).layouts if layout.fields]


def prefix(name: str, layout: Layout) -> str:
    return f"hb_{'image_' if name == 'image' else ''}{layout.name}"


def push(field: Field) -> str:
    """C that appends a field's value, or all of an array's, to `values` as 64-bit integers."""
    if field.base == "bytes":
        return f"for (size_t i = 0; i < m.{field.name}_bytes; i++) values[n++] = m.{field.name}[i];"
    value = f"m.{field.name}{'[i]' if field.count else ''}"
    if field.base == "f32":
        value = f"bits({value})"
    if field.base == "char":
        value = f"(uint8_t){value}"
    if field.count:
        return f"for (size_t i = 0; i < {field.count}u; i++) values[n++] = (int64_t){value};"
    return f"values[n++] = (int64_t){value};"


def c_function(name: str, layout: Layout) -> str:
    base = prefix(name, layout)
    tail = ""
    if layout.fields[-1].base == "bytes":
        last = layout.fields[-1].name
        tail = f"memcpy(out + size, m.{last}, m.{last}_bytes); size += m.{last}_bytes;"
    pushes = "\n    ".join(push(field) for field in layout.fields)
    return f"""
int roundtrip_{base}(const uint8_t *in, size_t bytes, int64_t *values, uint8_t *out) {{
    struct {base} m;
    size_t n = 0, size;
    if ({base}_decode(in, bytes, &m) != 0) return -1;
    {pushes}
    size = {base}_encode(out, &m);
    {tail}
    values[4095] = (int64_t)size;
    return (int)n;
}}"""


@pytest.fixture(scope="session")
def roundtrip(tmp_path_factory: pytest.TempPathFactory) -> Roundtrip:
    """Decode in C: (every field as integers, or None; the bytes encoded again from them)."""
    compiler = require_tool("cc", "gcc")
    folder: Path = tmp_path_factory.mktemp("codec")
    source = folder / "codec.c"
    body = "\n".join(c_function(name, layout) for name, layout in CASES)
    source.write_text(
        '#include "hb_protocol.h"\n#include "hb_image.h"\n'
        "static uint32_t bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }\n" + body
    )
    includes = [f"-I{ROOT}/firmware/agent", f"-I{ROOT}/firmware/engine"]
    library = folder / "codec.so"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared"]
    subprocess.run([compiler, *flags, *includes, str(source), "-o", str(library)], check=True)
    codec = ctypes.CDLL(str(library))

    def call(base: str, data: bytes) -> tuple[list[int] | None, bytes]:
        values = (ctypes.c_int64 * 4096)()
        out = ctypes.create_string_buffer(4096)
        count = codec[f"roundtrip_{base}"](data, ctypes.c_size_t(len(data)), values, out)
        return (None, b"") if count < 0 else (list(values[:count]), out.raw[: values[4095]])

    return call


def python_values(message: Any, layout: Layout) -> list[int]:
    """The same list from the Python object."""
    values: list[int] = []
    for field in layout.fields:
        value = getattr(message, field.name)
        if field.base == "char":
            values += value.encode().ljust(field.count, b"\0")
        elif field.base == "f32":
            values.append(struct.unpack("<I", struct.pack("<f", value))[0])
        elif isinstance(value, int):
            values.append(value if value < 1 << 63 else value - (1 << 64))
        else:
            values += list(value)
    return values


def random_bytes(layout: Layout, chance: random.Random) -> bytes:
    """A payload of the right length whose text is ASCII and whose floats are not NaN."""
    out = b""
    for field in layout.fields:
        if field.base == "char":
            length = chance.randrange(field.count + 1)
            text = bytes(chance.randrange(33, 127) for _ in range(length))
            out += text.ljust(field.count, b"\0")
        elif field.base == "f32":
            out += struct.pack("<f", chance.choice([0.0, -1.5, 3e38, chance.uniform(-9, 9)]))
        elif field.base == "bytes":
            out += chance.randbytes(chance.randrange(1, 200))
        else:
            out += chance.choice([chance.randbytes, lambda n: b"\xff" * n, bytes])(field.size)
    return out


@pytest.mark.parametrize(("name", "layout"), CASES, ids=lambda v: getattr(v, "name", v))
def test_every_field_is_the_same_on_both_sides(
    roundtrip: Roundtrip, name: str, layout: Layout
) -> None:
    chance = random.Random(layout.name)
    kind = getattr(MODULES[name], camel(layout.name))
    for _ in range(40):
        payload = random_bytes(layout, chance)
        message = kind.unpack(payload)
        assert message.pack() == payload
        values, again = roundtrip(prefix(name, layout), payload)
        assert values == python_values(message, layout)
        assert again == payload


@pytest.mark.parametrize(("name", "layout"), CASES, ids=lambda v: getattr(v, "name", v))
def test_both_sides_refuse_the_same_lengths(
    roundtrip: Roundtrip, name: str, layout: Layout
) -> None:
    kind = getattr(MODULES[name], camel(layout.name))
    for length in range(layout.fixed_bytes + 6):
        payload = bytes(length)
        try:
            kind.unpack(payload)
            accepted = True
        except SchemaError:
            accepted = False
        assert (roundtrip(prefix(name, layout), payload)[0] is not None) == accepted, length
