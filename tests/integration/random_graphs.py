"""Random programs of a few operators out of two hundred, the same ones for the same seed."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

_STEPS = 12
_TRIES = 100
_MOST_ELEMENTS = 4096


class _Operand:
    """Stands for a tensor in the arguments of an operator."""


T = _Operand()

# Of one tensor alone.
_UNARY = """
abs acos acosh angle asin asinh atan atanh ceil cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 floor frac
isfinite isinf isnan isneginf isposinf lgamma log log10 log1p log2 logical_not logit mish nan_to_num neg
positive rad2deg reciprocal relu round rsqrt sgn sigmoid sign signbit silu sin sinc sinh sqrt square tan tanh trunc
special_bessel_j0 special_entr special_erfcx special_i0 special_i0e special_i1 special_i1e special_log_ndtr
special_ndtri all any argmax argmin clone contiguous count_nonzero elu gelu hardsigmoid hardswish hardtanh leaky_relu
log_sigmoid max mean min nonzero_numpy numpy_T prod selu softplus softshrink std sum var bitwise_not
amax amin t diag_embed ravel argsort fliplr flipud
"""
# Of two tensors that are broadcast.
_BINARY = """
add sub mul div atan2 fmax fmin maximum minimum hypot copysign logaddexp logaddexp2 fmod remainder floor_divide
nextafter xlogy special_xlog1py eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor
heaviside dist gcd lcm
"""
# With arguments of other kinds: the operator's name with its overload, and its arguments.
_OTHERS: Sequence[tuple[Any, ...]] = (
    ("add.Scalar", T, 2.5), ("sub.Scalar", T, 3), ("mul.Scalar", T, -0.5), ("div.Scalar", T, 3),
    ("rsub.Scalar", T, 1),     ("pow.Tensor_Scalar", T, 2), ("pow.Scalar", 2, T), ("pow.Tensor_Tensor", T, T),
    ("flatten.using_ints", T), ("view_as.default", T, T), ("eq.Scalar", T, 0), ("lt.Scalar", T, 0.5),
    ("ge.Scalar", T, -1),     ("clamp.default", T, -1, 1), ("clamp_min.default", T, 0), ("clamp_max.default", T, 0.5),
    ("clamp.Tensor", T, T),     ("sum.dim_IntList", T, [0]), ("sum.dim_IntList", T, [-1], True),
    ("mean.dim", T, [0], True), ("mean.dim", T, [-1]),     ("amax.default", T, [0]), ("amin.default", T, [-1], True),
    ("var.correction", T, [0]), ("std.correction", T, [-1]),     ("logsumexp.default", T, [0]),
    ("prod.dim_int", T, 0), ("all.dim", T, 0), ("any.dim", T, -1),     ("argmax.default", T, 0),
    ("argmin.default", T, -1, True), ("cumsum.default", T, 0), ("cumprod.default", T, -1),     ("softmax.int", T, -1),
    ("log_softmax.int", T, 0), ("norm.ScalarOpt_dim", T, 2, [0]),
    ("nansum.default", T),     ("linalg_vector_norm.default", T, 1), ("median.default", T),
    ("kthvalue.default", T, 1), ("mode.default", T),     ("sort.default", T, 0), ("topk.default", T, 2),
    ("max.dim", T, 0), ("min.dim", T, -1), ("cummax.default", T, 0),     ("aminmax.default", T), ("unbind.int", T),
    ("split.Tensor", T, 2), ("chunk.default", T, 2, 0),     ("transpose.int", T, 0, 1),
    ("permute.default", T, [1, 0]), ("unsqueeze.default", T, 0), ("squeeze.default", T),     ("squeeze.dim", T, 0),
    ("select.int", T, 0, -1), ("slice.Tensor", T, 0, 1, 9223372036854775807),     ("slice.Tensor", T, -1, 0, 4, 2),
    ("narrow.default", T, 0, 0, 2), ("reshape.default", T, [-1]),     ("view.default", T, [-1, 2]),
    ("expand.default", T, [3, -1, -1]), ("repeat.default", T, [2, 1]),     ("flip.default", T, [0]),
    ("roll.default", T, [1], [0]), ("rot90.default", T), ("movedim.int", T, 0, 1),     ("diagonal.default", T),
    ("tril.default", T), ("triu.default", T, 1),
    ("unfold.default", T, 0, 2, 1),     ("as_strided.default", T, [2, 2], [1, 2]),
    ("constant_pad_nd.default", T, [1, 2], 0.5), ("pad.default", T, [1, 1]),     ("cat.default", [T, T]),
    ("cat.default", [T, T, T], -1), ("stack.default", [T, T]),
    ("broadcast_tensors.default", [T, T]),     ("meshgrid.default", [T, T]), ("where.self", T, T, T),
    ("where.ScalarOther", T, T, -1.5), ("masked_fill.Scalar", T, T, 2),     ("lerp.Scalar", T, T, 0.3),
    ("addcmul.default", T, T, T), ("addcdiv.default", T, T, T), ("isclose.default", T, T),     ("mm.default", T, T),
    ("bmm.default", T, T), ("matmul.default", T, T), ("addmm.default", T, T, T),
    ("mv.default", T, T),     ("dot.default", T, T), ("outer.default", T, T), ("linear.default", T, T),
    ("einsum.default", "ij,ik->jk", [T, T]),     ("gather.default", T, 0, T), ("index_select.default", T, 0, T),
    ("embedding.default", T, T), ("take.default", T, T),     ("index.Tensor", T, [T]), ("scatter.src", T, 0, T, T),
    ("scatter_add.default", T, 0, T, T), ("index_add.default", T, 0, T, T),     ("take_along_dim.default", T, T, 0),
    ("bucketize.Tensor", T, T), ("bincount.default", T, None, 4),     ("one_hot.default", T, 8),
    ("to.dtype", T, torch.float64), ("to.dtype", T, torch.int32),
    ("to.dtype", T, torch.bool),     ("to.dtype", T, torch.bfloat16), ("to.dtype", T, torch.float16),
    ("_to_copy.default", T), ("type_as.default", T, T),     ("zeros_like.default", T), ("ones_like.default", T),
    ("full_like.default", T, 1.5), ("new_zeros.default", T, [2]),     ("arange.start_step", 0, 6, 2),
    ("full.default", [2, 3], 0.5), ("linspace.default", -1, 1, 6),
    ("eye.default", 4),     ("layer_norm.default", T, [6]), ("rms_norm.default", T, [6]), ("glu.default", T),
    ("hardshrink.default", T),     ("threshold.default", T, 0.1, 2), ("celu.default", T), ("prelu.default", T, T),
    ("cosine_similarity.default", T, T, 0),     ("mse_loss.default", T, T), ("l1_loss.default", T, T),
    ("smooth_l1_loss.default", T, T), ("cdist.default", T, T),     ("avg_pool1d.default", T, [2]),
    ("max_pool1d.default", T, [2]), ("adaptive_avg_pool1d.default", T, [3]),     ("conv1d.default", T, T),
    ("upsample_nearest1d.vec", T, None, [2.0]), ("complex.default", T, T),
    ("real.default", T),     ("view_as_real.default", T), ("fft_rfft.default", T), ("polar.default", T, T),
)  # fmt: skip


class _Step(NamedTuple):
    operator: str
    arguments: tuple[Any, ...]  # A _Place for each tensor.


class _Place(NamedTuple):
    number: int  # Among the values so far.


def _table() -> list[tuple[Any, ...]]:
    return [
        *((f"{name}.default", T) for name in _UNARY.split()),
        *((f"{name}.Tensor" if _has(name, "Tensor") else f"{name}.default", T, T) for name in _BINARY.split()),
        *_OTHERS,
    ]


def _has(packet: str, overload: str) -> bool:
    return overload in getattr(torch.ops.aten, packet).overloads()


def _overload(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload)


def operators() -> list[str]:
    return sorted({f"aten.{row[0]}" for row in _table()})


class RandomGraph(nn.Module):
    def __init__(self, steps: Sequence[_Step], results: Sequence[int]) -> None:
        super().__init__()
        self.steps, self.results = steps, results

    def forward(self, *inputs: Tensor) -> Any:
        values = [*inputs]
        for step in self.steps:
            values += _run(step, values)
        return tuple(values[number] for number in self.results)


def _run(step: _Step, values: Sequence[Tensor]) -> list[Tensor]:
    def filled(argument: Any) -> Any:
        if isinstance(argument, _Place):
            return values[argument.number]
        return [filled(each) for each in argument] if isinstance(argument, list) else argument

    result = _overload(step.operator)(*(filled(each) for each in step.arguments))
    return [result] if isinstance(result, Tensor) else [*result]


def _inputs(chance: random.Random) -> list[Tensor]:
    generator = torch.Generator().manual_seed(chance.randrange(1 << 30))
    return [
        torch.randn(4, 6, generator=generator),
        torch.rand(6, 4, generator=generator),
        torch.randn(6, generator=generator),
        torch.randint(4, (4, 6), generator=generator),
        torch.rand(4, 6, generator=generator) > 0.5,
    ]


def random_graph(seed: int) -> tuple[RandomGraph, list[Tensor]]:
    """A module of operators that take what they are given, and its inputs."""
    chance = random.Random(seed)
    table = _table()
    inputs = _inputs(chance)
    values, steps, used = [*inputs], [], set()
    while len(steps) < _STEPS:
        # Each operator has its turn, as far as it takes what there is.
        row = table[(seed * _STEPS + len(steps)) % len(table)]
        tries = itertools.chain(itertools.repeat(row, _TRIES), iter(lambda: chance.choice(table), None))
        step, results, places = next(filter(None, (_tried(each, values, chance) for each in tries)))
        steps.append(step)
        values += results
        used.update(places)
    unused = [number for number in range(len(inputs), len(values)) if number not in used]
    return RandomGraph(steps, unused), inputs


def _tried(
    row: tuple[Any, ...], values: Sequence[Tensor], chance: random.Random
) -> tuple[_Step, list[Tensor], list[int]] | None:
    places: list[int] = []
    step = _Step(row[0], tuple(_placed(each, len(values), chance, places) for each in row[1:]))
    try:
        results = _run(step, [value.clone() for value in values])
    except (RuntimeError, IndexError, ValueError):  # It does not take these tensors.
        return None
    return (step, results, places) if all(_is_plain(result) for result in results) else None


def _placed(argument: Any, number: int, chance: random.Random, places: list[int]) -> Any:
    if isinstance(argument, list):
        return [_placed(each, number, chance, places) for each in argument]
    if argument is not T:
        return argument
    # Later values are taken more often, so that graphs become deep.
    places.append(min(int(number * math.sqrt(chance.random())), number - 1))
    return _Place(places[-1])


def _is_plain(result: Tensor) -> bool:
    return isinstance(result, Tensor) and 0 < result.numel() <= _MOST_ELEMENTS
