"""Reading .tflite files: what gets through, and what is refused with which words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_graphs import random_graph
from tests.conftest import require_shared

from hilbench import models, workloads
from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models import Graph, Operator, Tensor, writer
from hilbench.models.flatbuffer_builder import TableNode
from hilbench.models.graph import (
    AddOptions,
    ConvOptions,
    FullyConnectedOptions,
    NoOptions,
    PoolOptions,
    ReshapeOptions,
    SoftmaxOptions,
    StridedSliceOptions,
)
from hilbench.models.tflite_options import CODES, OPERATORS


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("seed", range(25))
def test_a_graph_survives_the_file(dtype: str, seed: int) -> None:
    graph = random_graph(seed, dtype, operators=8)
    back = models.loads(writer.write(graph))
    assert back.operators == graph.operators
    assert back.input_indices == graph.input_indices
    assert back.output_indices == graph.output_indices
    for ours, theirs in zip(graph.tensors, back.tensors, strict=True):
        plain = [replace(tensor, data=None, initial=None).__dict__ for tensor in (ours, theirs)]
        assert plain[0] == plain[1]
        for kept, back_again in ((ours.data, theirs.data), (ours.initial, theirs.initial)):
            assert (kept is None) == (back_again is None)
            if kept is not None:
                np.testing.assert_array_equal(kept, back_again)


def test_shipped_models_say_what_they_are() -> None:
    workload = workloads.get("digits")
    int8, float32 = (models.load(workload.model_path(scheme)) for scheme in ("w8a8", "f32"))
    assert (int8.scheme, float32.scheme) == ("w8a8", "f32")
    assert int8.name == "digits_w8a8"
    assert int8.inputs[0].shape == (1, 8, 8, 1)
    assert (int8.inputs[0].dtype, int8.inputs[0].zero_point) == ("int8", -128)
    assert int8.inputs[0].scale == pytest.approx(1 / 255)
    assert (int8.vector_bytes, int8.output_bytes) == (64, 10)
    assert (float32.vector_bytes, float32.output_bytes) == (256, 40)


def test_a_missing_file_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.tflite: No such file"):
        models.load(tmp_path / "nothing.tflite")


def test_another_file_is_not_taken_for_a_model(tmp_path: Path) -> None:
    path = tmp_path / "picture.tflite"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(ModelError, match=r"picture\.tflite: not a TFL3 file"):
        models.load(path)


def test_a_dynamic_range_model_is_read_as_one() -> None:
    graph = models.load(require_shared("mlperf-tiny/kws_dynamic.tflite"))
    assert graph.scheme == "dynamic8"


# ---------------------------------------------------------------- graphs to spoil


def int8(name: str, shape: tuple[int, ...], data: Any = None, **changes: Any) -> Tensor:
    return replace(Tensor(name, shape, "int8", (0.1,), (0,), data=data), **changes)


def conv_graph(**changes: Any) -> Graph:
    """A 3x3 SAME convolution, 4x4x2 to 4x4x3; ``changes`` replace tensors or options by name."""
    options = ConvOptions(same_padding=True)
    tensors = {
        "x": int8("x", (1, 4, 4, 2)),
        "w": int8("w", (3, 3, 3, 2), np.ones((3, 3, 3, 2), np.int8)),
        "b": Tensor("b", (3,), "int32", (0.01,), (0,), data=np.zeros(3, np.int32)),
        "y": int8("y", (1, 4, 4, 3)),
    }
    tensors.update({name: tensor for name, tensor in changes.items() if name in tensors})
    operator = Operator("CONV_2D", (0, 1, 2), (3,), changes.get("options", options))
    return Graph(tuple(tensors.values()), (operator,), (0,), (3,))


def unary(opcode: str, x: Tensor, y: Tensor, options: Any) -> Graph:
    return Graph((x, y), (Operator(opcode, (0,), (1,), options),), (0,), (1,))


def reload(graph: Graph) -> Graph:
    return models.loads(writer.write(graph))


def test_the_unspoilt_graph_is_fine() -> None:
    assert reload(conv_graph()).scheme == "w8a8-tensor"


HALF = np.ones((3, 3, 3, 1), np.int8)


def indices(values: list[int]) -> Tensor:
    return Tensor("i", (len(values),), "int32", data=np.array(values, np.int32))


UNSUPPORTED = {
    "float16": (conv_graph(x=Tensor("x", (1, 4, 4, 2), "float16")), "'x' is float16"),
    "int16 activations": (conv_graph(x=int8("x", (1, 4, 4, 2), dtype="int16")), "'x' is int16"),
    "int16 weights": (
        conv_graph(w=int8("w", (3, 3, 3, 2), np.ones((3, 3, 3, 2), np.int16), dtype="int16")),
        "'w' are int16",
    ),
    "grouped": (conv_graph(w=int8("w", (3, 3, 3, 1), HALF)), "grouped convolution"),
    "batch": (
        conv_graph(x=int8("x", (2, 4, 4, 2)), y=int8("y", (2, 4, 4, 3))),
        "batch of 2",
    ),
    "computed weights": (
        replace(conv_graph(w=int8("w", (3, 3, 3, 2))), input_indices=(0, 1)),
        "'w' are not constant",
    ),
    "activation per channel": (
        conv_graph(y=int8("y", (1, 4, 4, 3), scales=(0.1, 0.2, 0.3), zero_points=(0, 0, 0))),
        "'y' is quantized per channel",
    ),
    "five dimensions": (
        unary("SOFTMAX", int8("x", (1, 1, 1, 1, 4)), int8("y", (1, 1, 1, 1, 4)), SoftmaxOptions()),
        "5 dimensions",
    ),
    "ellipsis": (
        Graph(
            (int8("x", (2, 4)), *(indices(v) for v in ([0, 0], [2, 4], [1, 1])), int8("y", (2, 4))),
            (Operator("STRIDED_SLICE", (0, 1, 2, 3), (4,), StridedSliceOptions(ellipsis_mask=1)),),
            (0,),
            (4,),
        ),
        "an ellipsis",
    ),
    "type of a quantization": (
        unary("QUANTIZE", int8("x", (1, 4)), Tensor("y", (1, 4), "int64"), NoOptions()),
        "'y' is int64",
    ),
    "long sums": (
        Graph(
            (
                int8("x", (1, 65537)),
                int8("w", (1, 65537), np.ones((1, 65537), np.int8)),
                int8("y", (1, 1)),
            ),
            (Operator("FULLY_CONNECTED", (0, 1), (2,), FullyConnectedOptions()),),
            (0,),
            (2,),
        ),
        "sums of 65537 products",
    ),
    "wide softmax": (
        unary(
            "SOFTMAX",
            int8("x", (1, 5000)),
            int8("y", (1, 5000), scales=(1 / 256,), zero_points=(-128,)),
            SoftmaxOptions(),
        ),
        "5000 classes",
    ),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_the_engine_lacks_is_refused_by_name(case: str) -> None:
    graph, words = UNSUPPORTED[case]
    with pytest.raises(UnsupportedOp, match=words) as caught:
        reload(graph)
    assert "operator 0" in caught.value.message


#: A NaN that signals: converting it would raise a warning.
SIGNALLING = np.array([[0x3F800000, 0x7FA00000]], np.uint32).view(np.float32)

CONTRADICTIONS = {
    "output shape": (conv_graph(y=int8("y", (1, 4, 3, 3))), r"expected \[1, 4, 4, 3\]"),
    "channels": (conv_graph(x=int8("x", (1, 4, 4, 3))), "3 input channels, weights for 2"),
    "bias length": (
        conv_graph(b=Tensor("b", (2,), "int32", data=np.zeros(2, np.int32))),
        r"expected \[3\]",
    ),
    "bias scale": (
        conv_graph(b=Tensor("b", (3,), "int32", (0.5,), (0,), data=np.zeros(3, np.int32))),
        "scale other than",
    ),
    "weights' zero point": (
        conv_graph(w=int8("w", (3, 3, 3, 2), np.ones((3, 3, 3, 2), np.int8), zero_points=(1,))),
        "zero point that is not 0",
    ),
    "scales along another dimension": (
        conv_graph(
            w=int8(
                "w",
                (3, 3, 3, 2),
                np.ones((3, 3, 3, 2), np.int8),
                scales=(0.1,) * 3,
                zero_points=(0,) * 3,
                quantized_dimension=3,
            )
        ),
        "3 scales along dimension 3",
    ),
    "no scale": (conv_graph(x=int8("x", (1, 4, 4, 2), scales=(), zero_points=())), "no quantiz"),
    "negative scale": (conv_graph(x=int8("x", (1, 4, 4, 2), scales=(-1.0,))), "not positive"),
    "zero point": (conv_graph(x=int8("x", (1, 4, 4, 2), zero_points=(200,))), "outside int8"),
    "stride 0": (
        conv_graph(options=ConvOptions(same_padding=True, stride_h=0)),
        "stride 0",
    ),
    "filter larger than the input": (
        conv_graph(options=ConvOptions(same_padding=False, dilation_h=3)),
        "spans 7 on 4",
    ),
    "far output scale": (conv_graph(y=int8("y", (1, 4, 4, 3), scales=(1e-12,))), "scale"),
    "pool that rescales": (
        unary(
            "MAX_POOL_2D",
            int8("x", (1, 2, 2, 1)),
            int8("y", (1, 1, 1, 1), scales=(0.2,)),
            PoolOptions(False, 2, 2),
        ),
        "quantized differently",
    ),
    "softmax output": (
        unary("SOFTMAX", int8("x", (1, 4)), int8("y", (1, 4)), SoftmaxOptions()),
        "otherwise than 1/256",
    ),
    "reshape of another size": (
        unary("RESHAPE", int8("x", (1, 4)), int8("y", (1, 5)), ReshapeOptions()),
        "4 elements into 5",
    ),
    "reshape to another shape": (
        unary("RESHAPE", int8("x", (1, 4)), int8("y", (2, 2)), ReshapeOptions((4, 1))),
        r"shape \[4, 1\] asked",
    ),
    "weights that are not finite": (
        Graph(
            (
                Tensor("x", (1, 2), "float32"),
                Tensor("w", (1, 2), "float32", data=SIGNALLING),
                Tensor("y", (1, 1), "float32"),
            ),
            (Operator("FULLY_CONNECTED", (0, 1), (2,), FullyConnectedOptions()),),
            (0,),
            (2,),
        ),
        "not finite",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_model_that_contradicts_itself_is_refused(case: str) -> None:
    graph, words = CONTRADICTIONS[case]
    with pytest.raises(ModelError, match=words) as caught:
        reload(graph)
    assert not isinstance(caught.value, UnsupportedOp)
    assert "operator 0" in caught.value.message


def chain(*operators: Operator, outputs: tuple[int, ...] = (1,)) -> Graph:
    tensors = tuple(int8(name, (1, 4)) for name in "abc")
    return Graph(tensors, operators, (0,), outputs)


ADD = AddOptions()
DISORDER = {
    "read before written": chain(Operator("ADD", (0, 2), (1,), ADD)),
    "written twice": chain(Operator("ADD", (0, 0), (1,), ADD), Operator("ADD", (0, 0), (1,), ADD)),
    "input overwritten": chain(Operator("ADD", (0, 0), (0,), ADD), outputs=(0,)),
    "output never written": chain(Operator("ADD", (0, 0), (1,), ADD), outputs=(2,)),
    "input as output": chain(Operator("ADD", (0, 0), (1,), ADD), outputs=(0,)),
    "index out of range": chain(Operator("ADD", (0, 9), (1,), ADD)),
    "no operators": chain(),
    "two outputs": chain(Operator("ADD", (0, 0), (1, 2), ADD)),
    "missing operand": chain(Operator("ADD", (0, -1), (1,), ADD)),
}


@pytest.mark.parametrize("case", DISORDER)
def test_a_graph_out_of_order_is_refused(case: str) -> None:
    with pytest.raises(ModelError):
        reload(DISORDER[case])


# ---------------------------------------------------------------- fields of the file


@pytest.mark.parametrize(
    ("code", "name", "hint"),
    [(42, "DIV", "CONV_2D"), (126, "BATCH_MATMUL", "LOGISTIC"), (99, "SQUARED", "ADD")],
)
def test_an_unknown_operator_is_named(
    code: int, name: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = unary("SOFTMAX", int8("x", (1, 4)), int8("y", (1, 4)), SoftmaxOptions())
    monkeypatch.setattr(writer, "CODES", {"SOFTMAX": code})
    monkeypatch.setattr(writer, "OPERATORS", {code: OPERATORS[25]})
    with pytest.raises(UnsupportedOp, match=f"operator 0 is {name}") as caught:
        reload(graph)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("slot", [0, 3])
def test_either_field_of_an_operator_code_counts(
    slot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_field(name: str, quantized: bool) -> TableNode:
        del quantized
        return TableNode(scalars={slot: ("b" if slot == 0 else "i", CODES[name])})

    monkeypatch.setattr(writer, "_operator_code", one_field)
    assert reload(conv_graph()).operators[0].opcode == "CONV_2D"


@pytest.mark.parametrize(("code", "name"), [(4, "TANH"), (5, "SIGN_BIT")])
def test_other_fused_activations_are_named(code: int, name: str) -> None:
    options = ConvOptions(same_padding=True, activation=code)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedOp, match=name):
        reload(conv_graph(options=options))


@pytest.mark.parametrize(
    ("shape", "signature", "fine"),
    [
        ((1, 4, 4, 2), (-1, 4, 4, 2), True),
        ((-1, 4, 4, 2), (), True),
        ((1, 4, 4, 2), (1, -1, 4, 2), False),
        ((1, -1, 4, 2), (), False),
    ],
)
def test_only_the_batch_may_be_dynamic(
    shape: tuple[int, ...],
    signature: tuple[int, ...],
    fine: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = writer._tensor

    def with_signature(tensor: Tensor, buffer: int) -> TableNode:
        node = original(tensor, buffer)
        if tensor.name == "x":
            node.children[0] = writer.integers(shape)
            node.children[7] = writer.integers(signature) if signature else None
        return node

    monkeypatch.setattr(writer, "_tensor", with_signature)
    if fine:
        assert reload(conv_graph()).inputs[0].shape == (1, 4, 4, 2)
    else:
        with pytest.raises(UnsupportedOp, match="dynamic shape"):
            reload(conv_graph())


def test_an_input_that_is_a_variable_is_refused() -> None:
    graph = conv_graph(x=replace(int8("x", (1, 4, 4, 2)), is_variable=True))
    with pytest.raises(UnsupportedOp, match="variable 'x' is an input"):
        reload(graph)
