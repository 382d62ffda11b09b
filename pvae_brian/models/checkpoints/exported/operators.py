"""The operators that a graph from a file may call: inference on tensors, and nothing else.

This is a list of what is allowed. A list of what is forbidden would never end: among the operators
of ``torch.ops.aten`` are some that write files (``save``) or map them (``from_file``), some that
hand out memory that nobody filled (``empty``, ``resize_``), and some that believe the sizes and
indices that they are given and read past the end of a tensor (``_reshape_alias``, ``lstm``,
``repeat_interleave``). What is listed checks its arguments before it touches memory, as far as some
hundred thousand calls with random arguments could tell.
"""

from __future__ import annotations

import math
import operator
import re
import reprlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pvae_brian.models.checkpoints.errors import CheckpointError

# Each name stands for its in-place variant, such as relu_, as well.
_POINTWISE = """
    __and__ __or__ __xor__ abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh
    bitwise_and bitwise_not bitwise_or bitwise_xor ceil celu clamp clamp_max clamp_min clip copysign
    cos cosh deg2rad digamma div divide elu eq erf erfc erfinv exp exp2 expm1 fill floor
    floor_divide fmod frac ge gelu glu gt hardshrink hardsigmoid hardswish hardtanh hypot isclose
    isfinite isinf isnan le leaky_relu lerp lgamma log log10 log1p log2 log_sigmoid logaddexp
    logical_and logical_not logical_or logical_xor logit lt masked_fill maximum minimum mish mul
    multiply nan_to_num ne neg negative pow prelu rad2deg reciprocal relu relu6 remainder round
    rsqrt rsub selu sgn sigmoid sign silu sin sinc sinh softplus softshrink special_entr
    special_erf special_expit special_expm1 special_log1p sqrt square sub subtract tan tanh
    threshold true_divide trunc where xlogy zero
"""
_REDUCTIONS = """
    _log_softmax _softmax all amax amin aminmax any argmax argmin argsort count_nonzero cummax
    cummin cumprod cumsum frobenius_norm linalg_norm linalg_vector_norm log_softmax logcumsumexp
    logsumexp max mean median min nanmean nansum norm prod softmax sort std std_mean sum topk var
    var_mean
"""
_SHAPES = """
    _to_copy _unsafe_view alias broadcast_tensors broadcast_to cat channel_shuffle chunk clone
    concat concatenate constant_pad_nd contiguous copy detach diag_embed diagonal expand expand_as
    flatten flip gather hstack im2col index index_put index_select lift_fresh lift_fresh_copy
    masked_select meshgrid movedim narrow pad permute pixel_shuffle pixel_unshuffle ravel
    reflection_pad1d reflection_pad2d reflection_pad3d repeat replication_pad1d replication_pad2d
    replication_pad3d reshape reshape_as resolve_conj resolve_neg roll rot90 scatter scatter_add
    select select_scatter slice slice_scatter split split_with_sizes squeeze stack swapaxes swapdims
    t tensor_split tile to transpose tril triu type_as unbind unflatten unfold unsqueeze view
    view_as vstack
"""
_NEW = """
    arange eye full full_like linspace new_full new_ones new_zeros ones ones_like scalar_tensor
    zeros zeros_like
"""
_PRODUCTS = """
    addbmm addmm addmv baddbmm bilinear bmm cdist cosine_similarity dot einsum embedding inner
    linear matmul mm mv outer tensordot
"""
_CONVOLUTIONS = """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _upsample_bilinear2d_aa _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d avg_pool1d
    avg_pool2d avg_pool3d conv1d conv2d conv3d convolution max_pool1d max_pool2d
    max_pool2d_with_indices max_pool3d max_pool3d_with_indices upsample_bicubic2d
    upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d
    upsample_trilinear3d
"""
_LAYERS = """
    alpha_dropout batch_norm dropout feature_alpha_dropout feature_dropout group_norm instance_norm
    layer_norm native_group_norm native_layer_norm rms_norm rrelu
"""
_NUMBERS = """
    _assert_scalar _assert_tensor_metadata _local_scalar_dense item sym_constrain_range
    sym_constrain_range_for_size sym_numel sym_size
"""
_GIVE_NUMBERS = frozenset(_NUMBERS.split())
_GIVE_TENSORS = _POINTWISE + _REDUCTIONS + _SHAPES + _NEW + _PRODUCTS + _CONVOLUTIONS + _LAYERS
_ALLOWED = _GIVE_NUMBERS.union(_GIVE_TENSORS.split())
# Except for these. The first makes bools of any byte, so that what counts bools miscounts; the
# others are for Python code, and crash on a missing argument.
_NOT_ALLOWED = frozenset(
    f"torch.ops.aten.{name}"
    for name in ("view.dtype", "to.prim_Device", "to.prim_dtype", "to.prim_other")
)

# An encoder answers alike every time; whatever draws numbers or learns is refused with the remedy.
_DRAWS = """
    bernoulli binomial cauchy exponential geometric log_normal multinomial native_dropout normal
    normal_functional poisson rand rand_like randint randint_like randn randn_like random randperm
    rrelu_with_noise uniform
"""
_RANDOM = frozenset(_DRAWS.split())
_TRAINING_FLAGS = {
    "alpha_dropout": "train",
    "batch_norm": "training",
    "dropout": "train",
    "feature_alpha_dropout": "train",
    "feature_dropout": "train",
    "rrelu": "training",
}

# Others of the same name work on Python's numbers, lists and strings.
_TENSORS = frozenset({"Tensor", "List[Tensor]"})
# The kinds of arguments that torch keeps as numbers, and where any other number ends in a crash.
_KINDS = {
    "Device": torch.device,
    "Layout": torch.layout,
    "MemoryFormat": torch.memory_format,
    "ScalarType": torch.dtype,
    "str": str,
}
_OPTIONAL = re.compile(r"Optional\[(.*)\]")
_ATEN = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)", re.ASCII)


def _on_numbers(function: Callable[..., float]) -> Callable[..., float]:
    def apply(**numbers: float) -> float:
        if not all(isinstance(number, int | float) for number in numbers.values()):
            raise TypeError("sizes are computed from numbers only")
        return function(*numbers.values())

    return apply


# Arithmetic on sizes. Powers and shifts are left out: one is enough to make an endless integer.
_ON_NUMBERS = {
    f"_operator.{function.__name__}": _on_numbers(function)
    for function in (
        *(operator.add, operator.sub, operator.mul, operator.floordiv, operator.truediv),
        *(operator.mod, operator.neg, operator.pos, operator.and_, operator.or_),
        *(operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge),
    )
} | {
    "math.ceil": _on_numbers(math.ceil),
    "math.floor": _on_numbers(math.floor),
    "math.trunc": _on_numbers(math.trunc),
    "torch.sym_float": _on_numbers(float),
    "torch.sym_int": _on_numbers(int),
    "torch.sym_max": _on_numbers(max),
    "torch.sym_min": _on_numbers(min),
    "torch.sym_not": _on_numbers(operator.not_),
}


def _batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    statistics = running_mean, running_var, False, momentum, eps, False
    output = torch.ops.aten.batch_norm.default(input, weight, bias, *statistics)
    return output, input.new_zeros(0), input.new_zeros(0)


def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **options: object
) -> Tensor:
    if not (query.shape[:-2] == key.shape[:-2] == value.shape[:-2]):
        raise ValueError("query, key and value must agree in batch and heads")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError("query must fit key, and key must fit value")
    if attn_mask is not None:
        attn_mask = attn_mask.expand(*query.shape[:-1], key.shape[-2])
    return torch.ops.aten.scaled_dot_product_attention.default(
        query, key, value, attn_mask, **options
    )


# The CPU kernels of these three believe the shapes or indices of their arguments.
_CHECKED: dict[str, Callable[..., Any]] = {
    "torch.ops.aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "torch.ops.aten._unsafe_index.Tensor": torch.ops.aten.index.Tensor,
    "torch.ops.aten.scaled_dot_product_attention.default": _attention,
}


def show(value: object) -> str:
    """Return a short, printable form of something from a file."""
    printer = reprlib.Repr()
    printer.maxstring = printer.maxother = 200
    return printer.repr(value)


@dataclass(frozen=True)
class Operator:
    """What a node of a graph may call.

    Attributes
    ----------
    target : str
        Its name in the file.
    function : callable
        Takes its arguments by name.
    kinds : dict of str to type or None
        The arguments that are neither tensors nor numbers. None for those that are.
    changes : frozenset of str
        The arguments that it changes in place.
    """

    target: str
    function: Callable[..., object]
    kinds: dict[str, type | None] = field(default_factory=dict)
    changes: frozenset[str] = frozenset()


def find_operator(target: str) -> Operator:
    """Find the operator that a node of a graph calls, if it is an allowed one.

    Parameters
    ----------
    target : str
        Its name in the file, such as ``torch.ops.aten.relu.default``.

    Returns
    -------
    Operator

    Raises
    ------
    CheckpointError
        If the operator is unknown, or not on the list of this module.

    Examples
    --------
    >>> find_operator("torch.ops.aten.gelu.default").kinds
    {'self': None, 'approximate': <class 'str'>}
    """
    if target in _ON_NUMBERS:
        return Operator(target, _ON_NUMBERS[target])
    if target.startswith("torch.ops.higher_order."):
        raise CheckpointError(
            f"its graph calls the higher-order operator {show(target)}, which holds a graph of its "
            "own; export it again without control flow, autocast or no_grad blocks in forward"
        )
    name, overload = match.groups() if (match := _ATEN.fullmatch(target)) else ("", "")
    if name.removesuffix("_") in _RANDOM:
        raise CheckpointError(
            f"its graph draws random numbers ({show(target)}), but an encoder must answer alike "
            "every time; call module.eval() and export it again"
        )
    listed = name in _ALLOWED or name.removesuffix("_") in _ALLOWED or target in _CHECKED
    # Only names of the lists above ever reach getattr.
    allowed = listed and target not in _NOT_ALLOWED
    packet = getattr(torch.ops.aten, name, None) if allowed else None
    if packet is not None and overload in packet.overloads():
        found = getattr(packet, overload)
        arguments, returns = found._schema.arguments, found._schema.returns
        on_tensors = name in _GIVE_NUMBERS or _TENSORS.issuperset(str(one.type) for one in returns)
        if on_tensors and not any(argument.is_out for argument in arguments):
            kinds = {
                argument.name: _KINDS.get(_OPTIONAL.sub(r"\1", str(argument.real_type)))
                for argument in arguments
            }
            changes = frozenset(argument.name for argument in arguments if argument.is_write)
            return Operator(target, _CHECKED.get(target, found), kinds, changes)
    raise CheckpointError(
        f"its graph calls {show(target)}, which is not among the operators that pvae_brian runs "
        "from a file; replace that layer and export it again, or pass the live module"
    )


def check_arguments(operator: Operator, arguments: dict[str, object]) -> None:
    """Raise CheckpointError if arguments ask for training, or cannot be trusted.

    Parameters
    ----------
    operator : Operator
        What will be called.
    arguments : dict of str to object
        What with, by name. Those that are only known as the graph runs may be any other object.
    """
    for argument, value in arguments.items():
        kind = operator.kinds.get(argument)
        special = isinstance(value, tuple(_KINDS.values()))
        if value is not None and not (isinstance(value, kind) if kind else not special):
            raise CheckpointError(
                f"its graph calls {show(operator.target)} with the {show(argument)} {show(value)}, "
                "which is of a wrong kind; export it again"
            )
    name, overload = operator.target.split(".")[-2:]
    name = name.removesuffix("_")
    flag = _TRAINING_FLAGS.get(name)
    trains = flag is not None and arguments.get(flag, False) is not False
    trains |= arguments.get("dropout_p", 0.0) != 0.0
    if name == "instance_norm" and arguments.get("running_mean") is not None:
        trains |= arguments.get("use_input_stats") is not False
    if trains:
        raise CheckpointError(
            f"its graph is in training mode ({show(operator.target)}), so that an answer would "
            "depend on chance or on the rest of its batch; call module.eval() and export it again"
        )
    # Some strides crash a transposed convolution, which an encoder has no use for.
    if arguments.get("transposed", False) is not False:
        raise CheckpointError(
            f"its graph calls {show(operator.target)} with transposed=True, which pvae_brian does "
            "not run from a file; replace that layer and export it again, or pass the live module"
        )
    # Beside a size, a scale is a second and possibly contradictory word on the same thing.
    scales = [value for argument, value in arguments.items() if argument.startswith("scales")]
    if "upsample" in name and overload != "vec" and any(scale is not None for scale in scales):
        raise CheckpointError(
            f"its graph calls {show(operator.target)} with a size and a scale; export it again "
            "with one of them"
        )
