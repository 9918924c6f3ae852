"""Programs with every dtype, and with operators of many kinds."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

import oracle
from exported_program import floats, of, whole
from served_models import random_bits

DTYPES = {
    f"dtype-{name}": of(
        lambda x: (x.reshape(3, 2), x[1:], torch.stack([x, x], 1), x.t().contiguous(), x), random_bits(name, 2, 3)
    )
    for name in oracle.ALL
}


def _number_of(dtype: torch.dtype) -> Tensor:
    return torch.tensor([0.0, 1.0, 2.0, 0.5]).to(dtype)


CONVERSIONS = {
    f"to-and-from-{name}": of(
        lambda x, y: (x.to(y.dtype), y.to(torch.float32)), _number_of(torch.float32), _number_of(getattr(torch, name))
    )
    for name in oracle.ALL
    if name != "complex32"
}

OPERATORS = {
    "integers": of(
        lambda x, y: (x // (y + 1), x % (y + 1), x & y, x | y, x ^ y, x << 2, ~x, x / (y + 1), x == y),
        whole(9),
        whole(3, 9),
    ),
    "whole-numbers-of-8-bits": of(
        lambda x, y: (x + y, x * y, x.sum(), x.float() / 3), *(random_bits("int8", 9) for _ in "ab")
    ),
    "bools": of(
        lambda x, y: (x & y, x | ~y, x.any(), x.all(), x.sum(), x.logical_xor(y)),
        *(random_bits("bool", 9) for _ in "ab"),
    ),
    "complex": of(
        lambda x: (x * x.conj(), x.abs(), x.angle(), torch.view_as_real(x), x.exp(), x @ x),
        torch.complex(floats(3, 3), floats(3, 3).t()),
    ),
    "fourier": of(
        lambda x: (
            torch.fft.rfft(x),
            torch.fft.irfft(torch.fft.rfft(x)),
            torch.stft(x[0], 8, return_complex=True, window=torch.ones(8)),
        ),
        floats(2, 16),
    ),
    "not-finite": of(
        lambda x: (x.log(), x / 0, x.isnan(), x.nan_to_num(), x.sqrt().max()),
        torch.tensor([-1.0, 0.0, math.inf, math.nan]),
    ),
    "sorted": of(
        lambda x: (*x.sort(1), *x.topk(2), x.argmax(1), x.cummax(1).values, *torch.unique(x, return_counts=True)),
        whole(3, 7).float(),
    ),
    "gathered": of(
        lambda x, n: (
            x.gather(1, n),
            x.index_select(0, n[0]),
            x[n],
            x[:, n[:, 0]],
            x.scatter(1, n, -1.0),
            x.scatter_add(1, n, x),
        ),
        floats(3, 3),
        whole(3, 3, below=3),
    ),
    "reduced": of(
        lambda x: (
            x.sum(),
            x.mean((0, 2)),
            x.var(1),
            x.norm(),
            x.logsumexp(0),
            x.prod(2, keepdim=True),
            x.amax((0, 1)),
        ),
        floats(2, 3, 4),
    ),
    "accumulated": of(lambda x: (x.cumsum(1), x.cumprod(0), x.diff(dim=1), x.logcumsumexp(1)), floats(3, 5)),
    "linear-algebra": of(
        lambda x: (
            torch.linalg.inv(x),
            torch.linalg.det(x),
            torch.linalg.cholesky(x @ x.mT + torch.eye(3)),
            torch.einsum("bij,bkj->bik", x, x),
        ),
        floats(2, 3, 3) + 3 * torch.eye(3),
    ),
    "split": of(
        lambda x: (*x.split(2, 1), *x.chunk(2, 0), *x.unbind(0)[:1], *torch.meshgrid(x[0], x[1], indexing="ij")),
        floats(4, 5),
    ),
    "resized": of(
        lambda x: (
            functional.interpolate(x, scale_factor=2.0, mode="bicubic"),
            functional.grid_sample(x, x.permute(0, 2, 3, 1), align_corners=False),
        ),
        floats(1, 2, 4, 4),
    ),
    "quarters": of(
        lambda x, y: (x.half() @ y.half(), (x.half() + 1).bfloat16(), x.to(torch.float8_e5m2).float()),
        floats(3, 4),
        floats(4, 5),
    ),
    "clamped": of(
        lambda x: (
            x.clamp(-0.5, 0.5),
            x.where(x > 0, 0.0),
            x.lerp(x * 2, 0.3),
            torch.addcmul(x, x, x, value=2),
            x.round(decimals=1),
        ),
        floats(9),
    ),
    "bucketed": of(
        lambda x: (
            torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0])),
            torch.histc(x, 4),
            torch.searchsorted(x.sort().values, x),
        ),
        floats(9),
    ),
    "weighted": of(
        lambda n: (torch.bincount(n, minlength=9), functional.one_hot(n, 9), torch.tril_indices(3, 3)),
        whole(12, below=9),
    ),
}
