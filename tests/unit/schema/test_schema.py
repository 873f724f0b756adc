"""The generated codecs: fresh, and the inverse of themselves."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.errors import SchemaError
from hilbench.schema import generate, layout, protocol


def test_generated_files_are_fresh() -> None:
    stale = [str(path) for path, text in generate.render().items() if path.read_text() != text]
    assert stale == [], "run: python -m hilbench.schema.generate"


def test_hash_ignores_prose_and_nothing_else() -> None:
    raw = {"messages": [{"name": "a", "doc": "x", "fields": [{"name": "t", "unit": "s"}]}]}
    other_doc = {"messages": [{"name": "a", "doc": "y", "fields": [{"name": "t", "unit": "s"}]}]}
    other_unit = {"messages": [{"name": "a", "doc": "x", "fields": [{"name": "t", "unit": "us"}]}]}
    assert layout.schema_hash(raw) == layout.schema_hash(other_doc)
    assert layout.schema_hash(raw) != layout.schema_hash(other_unit)


def messages() -> st.SearchStrategy[protocol.Message]:
    ranges = {"B": 8, "H": 16, "I": 32, "Q": 64}

    def of(kind: type[protocol.Message]) -> st.SearchStrategy[protocol.Message]:
        schema = next(
            entry
            for entry in layout.load("protocol").layouts
            if layout.camel(entry.name) == kind.__name__
        )
        values: dict[str, st.SearchStrategy[object]] = {}
        for field in schema.fields:
            if field.base == "bytes":
                values[field.name] = st.binary(max_size=64)
            elif field.base == "char":
                values[field.name] = st.text("abc-0123", max_size=field.count)
            elif field.count:
                values[field.name] = st.binary(min_size=field.count, max_size=field.count)
            else:
                bits = ranges.get(field.struct_code.upper(), 32)
                signed = field.base.startswith("i")
                low = -(1 << (bits - 1)) if signed else 0
                values[field.name] = st.integers(low, low + (1 << bits) - 1)
        return st.builds(kind, **values)

    return st.one_of([of(kind) for kind in protocol.MESSAGES.values()])


@given(messages())
def test_round_trip(message: protocol.Message) -> None:
    assert type(message).unpack(message.pack()) == message


@pytest.mark.parametrize("kind", protocol.MESSAGES.values(), ids=lambda kind: kind.__name__)
def test_wrong_length_is_refused(kind: type[protocol.Message]) -> None:
    if kind.STRUCT.size == 0:
        with pytest.raises(SchemaError):
            kind.unpack(b"x")
    else:
        with pytest.raises(SchemaError):
            kind.unpack(bytes(kind.STRUCT.size - 1))


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(SchemaError):
        protocol.Ping(1 << 32).pack()
    reply = {f.name: 0 for f in dataclasses.fields(protocol.HelloReply)}
    texts = {"board": "x" * 25, "engine": "", "firmware_digest": bytes(16), "unique_id": bytes(12)}
    with pytest.raises(SchemaError, match="board"):
        protocol.HelloReply(**{**reply, **texts}).pack()  # type: ignore[arg-type]
