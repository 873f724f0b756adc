"""Which kernels of the engine an image runs, by the names of ``firmware/engine/hb_ops.h``."""

from __future__ import annotations

from hilbench.models.image_reader import ImageRecords
from hilbench.schema import image
from hilbench.schema.image import Dtype, Kernel, Opcode

_TYPES = {Dtype.INT8: "s8", Dtype.INT16: "s16", Dtype.FLOAT32: "f32"}
_SUFFIX = {
    Kernel.CANONICAL: "ref",
    Kernel.REFERENCE: "ref",
    Kernel.DSP: "dsp",
    Kernel.DSP_WINOGRAD: "winograd_dsp",
    Kernel.MVE: "mve",
    Kernel.THUMB1: "thumb1",
    Kernel.RV32: "thumb1",
}
_WEIGHTED = (Opcode.CONV_2D, Opcode.DEPTHWISE_CONV_2D, Opcode.FULLY_CONNECTED)
_OF_ONE_TYPE = (Opcode.AVERAGE_POOL_2D, Opcode.MAX_POOL_2D, Opcode.SOFTMAX)
_ELEMENTWISE = (
    Opcode.SUB,
    Opcode.MUL,
    Opcode.LOOKUP,
    Opcode.UNARY,
    Opcode.QUANTIZE,
    Opcode.DEQUANTIZE,
    Opcode.MEAN,
)


def kernel_names(records: ImageRecords) -> tuple[str, ...]:
    """Names, sorted, each once: as ``hb_dispatch.c`` chooses them."""
    return tuple(sorted({_name(records, op) for op in records.ops}))


def _name(records: ImageRecords, op: image.Op) -> str:
    opcode, suffix = Opcode(op.opcode), _SUFFIX[Kernel(op.variant)]
    if opcode in _WEIGHTED:
        return _weighted(records, op, opcode.name.lower(), suffix)
    if opcode in _OF_ONE_TYPE:
        data = _TYPES[Dtype(records.tensors[op.inputs[0]].dtype)]
        return f"{opcode.name.lower()}_{data}_{suffix}"
    if opcode is Opcode.RESHAPE:
        return "reshape_ref"
    if opcode is Opcode.ADD:
        tensors = [records.tensors[i] for i in (*op.inputs[:2], op.output)]
        data = _TYPES[Dtype(tensors[2].dtype)]
        plain = data != "s16" and len({tensor.dims for tensor in tensors}) == 1
        return f"add_{data}_{suffix}" if suffix != "ref" or plain else "elementwise"
    if opcode is Opcode.TRANSPOSE_CONV:
        return "transpose_conv"
    if opcode in (Opcode.SVDF, Opcode.LSTM):
        return "recurrent"
    return "elementwise" if opcode in _ELEMENTWISE else "movement"


def _weighted(records: ImageRecords, op: image.Op, name: str, suffix: str) -> str:
    data, weights = (Dtype(records.tensors[i].dtype) for i in op.inputs[:2])
    if suffix == "ref":
        if data != weights:
            return "rows"
        return f"{name}_{_TYPES[data]}x{_TYPES[data]}_ref"
    if data == Dtype.INT16:
        return f"{name if suffix == 'thumb1' else 'conv_2d'}_s16xs8_{suffix}"
    if name == "depthwise_conv_2d" and suffix in ("dsp", "thumb1"):
        by_lines = records.tensors[op.inputs[1]].dims[2] == records.tensors[op.output].dims[3]
        return f"depthwise_conv_2d_{'' if by_lines else 'taps_'}s8xs8_{suffix}"
    if weights == Dtype.INT8:
        return f"conv_2d_s8xs4_{suffix}" if suffix == "mve" else f"{name}_s8xs4_{suffix}"
    return f"{name}_s8xs8_{suffix}"
