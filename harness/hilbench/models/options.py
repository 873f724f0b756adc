"""Options of operators, as the model file gives them."""

from __future__ import annotations

from dataclasses import dataclass

from hilbench.quantization import Activation


@dataclass(frozen=True)
class ConvOptions:
    """Options of CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV (strides and padding only)."""

    same_padding: bool
    stride_h: int = 1
    stride_w: int = 1
    dilation_h: int = 1
    dilation_w: int = 1
    depth_multiplier: int = 1
    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class FullyConnectedOptions:
    """Options of FULLY_CONNECTED."""

    activation: Activation = Activation.NONE
    keep_num_dims: bool = False
    asymmetric_quantize_inputs: bool = False


@dataclass(frozen=True)
class PoolOptions:
    """Options of AVERAGE_POOL_2D and MAX_POOL_2D."""

    same_padding: bool
    filter_h: int
    filter_w: int
    stride_h: int = 1
    stride_w: int = 1
    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class SoftmaxOptions:
    """Options of SOFTMAX."""

    beta: float = 1.0


@dataclass(frozen=True)
class AddOptions:
    """Options of ADD, SUB and MUL."""

    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class ReshapeOptions:
    """Options of RESHAPE: the new shape, empty when a tensor gives it."""

    new_shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class NoOptions:
    """An operator that has no options, or none that matter."""


@dataclass(frozen=True)
class ConcatenationOptions:
    """Options of CONCATENATION; ``axis`` may be negative."""

    axis: int
    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class LeakyReluOptions:
    """Options of LEAKY_RELU: the slope of negative values."""

    alpha: float


@dataclass(frozen=True)
class MeanOptions:
    """Options of MEAN."""

    keep_dims: bool = False


@dataclass(frozen=True)
class SqueezeOptions:
    """Options of SQUEEZE: dimensions to remove, empty = all of extent 1."""

    dimensions: tuple[int, ...] = ()


@dataclass(frozen=True)
class SplitOptions:
    """Options of SPLIT and SPLIT_V."""

    count: int


@dataclass(frozen=True)
class StridedSliceOptions:
    """Options of STRIDED_SLICE: one bit per dimension."""

    begin_mask: int = 0
    end_mask: int = 0
    ellipsis_mask: int = 0
    new_axis_mask: int = 0
    shrink_axis_mask: int = 0
    offset: bool = False


@dataclass(frozen=True)
class ResizeOptions:
    """Options of RESIZE_NEAREST_NEIGHBOR."""

    align_corners: bool = False
    half_pixel_centers: bool = False


@dataclass(frozen=True)
class CallOnceOptions:
    """Options of CALL_ONCE: the subgraph that sets the variables' first values."""

    subgraph: int


@dataclass(frozen=True)
class VariableOptions:
    """Options of VAR_HANDLE: equal names are one variable."""

    container: str = ""
    name: str = ""


@dataclass(frozen=True)
class SvdfOptions:
    """Options of SVDF."""

    rank: int
    activation: Activation = Activation.NONE


@dataclass(frozen=True)
class LstmOptions:
    """Options of UNIDIRECTIONAL_SEQUENCE_LSTM; the fused activation is always TANH."""

    cell_clip: float = 0.0
    projection_clip: float = 0.0
    time_major: bool = False


Options = (
    ConvOptions
    | FullyConnectedOptions
    | PoolOptions
    | SoftmaxOptions
    | AddOptions
    | ReshapeOptions
    | NoOptions
    | ConcatenationOptions
    | LeakyReluOptions
    | MeanOptions
    | SqueezeOptions
    | SplitOptions
    | StridedSliceOptions
    | ResizeOptions
    | CallOnceOptions
    | VariableOptions
    | SvdfOptions
    | LstmOptions
)
