"""Plots as data: what is drawn is what was given, and nothing is cut or unreadable."""

from __future__ import annotations

import io
import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hilbench.reports import plots

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ET.Element:
    """The drawing as a tree; it is XML, whatever was in the labels."""
    return ET.fromstring(svg)


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in parse(svg).iter("text")]


def marks(svg: str) -> list[dict[str, str]]:
    return [
        {k.removeprefix("data-"): v for k, v in element.attrib.items() if k.startswith("data-")}
        for element in parse(svg).iter()
        if "data-value" in element.attrib
    ]


points = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 9), st.integers(1, 2**40).map(float)),
    min_size=1,
    max_size=40,
)


@given(points)
def test_scatter_draws_every_point_in_its_place(given_points: list[tuple[int, int, float]]) -> None:
    svg = plots.scatter(given_points, "cycles", "windows", "label")
    shown = [(int(m["vector"]), int(m["repeat"]), float(m["value"])) for m in marks(svg)]
    assert shown == given_points
    circles = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in parse(svg).iter("circle")]
    for (x, y), (vector, _, value) in zip(circles, given_points, strict=True):
        assert 0 <= x <= plots.WIDTH
        assert 0 <= y <= 240
        for (other_x, other_y), (other_vector, _, other_value) in zip(
            circles, given_points, strict=True
        ):
            assert (vector < other_vector) <= (x <= other_x)
            assert (value < other_value) <= (y >= other_y)


def test_scatter_of_equal_values_has_one_label() -> None:
    svg = plots.scatter([(0, 0, 7.0), (1, 0, 7.0)], "instructions", "windows", "label")
    assert texts(svg) == ["7", "0", "1", "vector"]


def test_bars_are_proportional_and_carry_exact_values() -> None:
    entries = [plots.Bar("a", 1 / 3, "33.3 %", 0.1, 0.6), plots.Bar("b", 1.0, "100 %")]
    svg = plots.bars(entries, "classes", "label", 1.0)
    assert [float(m["value"]) for m in marks(svg)] == [1 / 3, 1.0]
    assert (marks(svg)[0]["low"], marks(svg)[0]["high"]) == ("0.1", "0.6")
    assert "low" not in marks(svg)[1]
    widths = [float(r.attrib["width"]) for r in parse(svg).iter("rect") if "data-value" in r.attrib]
    assert widths == pytest.approx([plots.WIDTH / 3, plots.WIDTH], abs=0.01)
    assert texts(svg) == ["a", "33.3 %", "b", "100 %"]


def test_bars_of_nothing_but_zeros() -> None:
    svg = plots.bars([plots.Bar("a", 0, "0")], "memory", "label")
    assert [m["value"] for m in marks(svg)] == ["0"]


@given(st.text(min_size=1), st.text(), st.floats(0, 1e12))
def test_hostile_labels_stay_text(label: str, text: str, value: float) -> None:
    """Class names come from a user's file: they cannot become markup."""
    printable = "".join(c for c in label + "<&\"'>" if c.isprintable())
    svg = plots.bars(
        [plots.Bar(printable, value, "".join(filter(str.isprintable, text)))], "n", "l"
    )
    (mark,) = marks(svg)
    assert mark["label"] == printable
    assert float(mark["value"]) == value


@given(st.integers(1, 32), st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_confusion_shows_the_matrix(count: int, seed: int, letters: int) -> None:
    matrix: NDArray[np.int64] = np.random.default_rng(seed).integers(0, 2000, (count, count))
    classes = [("c" * letters)[: letters - 1] + chr(ord("A") + i % 26) for i in range(count)]
    svg = plots.confusion(matrix, classes, "confusion", "label")
    shown = {(int(m["label"]), int(m["prediction"])): int(m["value"]) for m in marks(svg)}
    assert shown == {
        (row, column): matrix[row, column]
        for row, column in itertools.product(range(count), range(count))
    }
    for cell in parse(svg).iter("rect"):
        assert (cell.attrib["class"] == "cell right") == (
            cell.attrib["data-label"] == cell.attrib["data-prediction"]
        )
        opacity = float(cell.attrib["fill-opacity"])
        assert (opacity == 0) == (cell.attrib["data-value"] == "0")
        assert opacity <= plots.FULL_CELL
        assert float(cell.attrib["x"]) + float(cell.attrib["width"]) <= plots.WIDTH


def test_a_number_that_does_not_fit_its_cell_is_left_to_the_tooltip() -> None:
    matrix = np.full((32, 32), 1234, np.int64)
    svg = plots.confusion(matrix, [str(i) for i in range(32)], "confusion", "label")
    assert "1234" not in texts(svg)
    assert "taken for 3: 1234" in svg


def test_picture_is_a_png_of_the_pixels() -> None:
    """Decoded by another reader of the format than our writer."""
    import base64
    import struct
    import zlib

    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    element = ET.fromstring(plots.picture(pixels, "vector 7").replace(">", "/>", 1))
    assert element.attrib["alt"] == "vector 7"
    kind, _, data = element.attrib["src"].partition(",")
    assert kind == "data:image/png;base64"
    stream = io.BytesIO(base64.b64decode(data))
    assert stream.read(8) == b"\x89PNG\r\n\x1a\n"
    chunks = {}
    while head := stream.read(8):
        length, name = struct.unpack(">I4s", head)
        body = stream.read(length)
        assert struct.unpack(">I", stream.read(4)) == (zlib.crc32(name + body),)
        chunks[name] = body
    assert struct.unpack(">IIBB", chunks[b"IHDR"][:10]) == (3, 2, 8, 2)
    rows = zlib.decompress(chunks[b"IDAT"])
    assert rows == b"\0" + pixels[0].tobytes() + b"\0" + pixels[1].tobytes()
