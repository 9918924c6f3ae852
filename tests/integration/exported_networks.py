"""Programs of whole networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from exported_program import BATCH, LENGTH, ROWS, Program, floats, of, seeded, whole


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.LayerNorm(64), nn.Linear(64, 5), nn.Softmax(-1))


def images() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3, padding=1)),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(16, 5)),
    )


class Recurrent(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Any:
        steps, last = self.layer(x)
        return self.head(steps[:, -1]), last


class Encoder(nn.Module):
    """A text model: tokens, places, six layers, a mask of what is padding."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 32)
        self.places = nn.Embedding(64, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)

    def forward(self, token: Tensor, padding: Tensor) -> Tensor:
        x = self.words(token) + self.places(torch.arange(token.size(1)))
        x = self.layers(x, src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1)
        return (x * kept).sum(1) / kept.sum(1).clamp(min=1)


def text(rows: int, length: int) -> tuple[Tensor, Tensor]:
    padding = torch.zeros(rows, length, dtype=torch.bool)
    padding[:, length - 1] = True
    return whole(rows, length), padding


NETWORKS = {
    "perceptron": Program(seeded(perceptron), (floats(3, 16),), (ROWS,), [(floats(2, 16),), (floats(64, 16),)]),
    "perceptron-bfloat16": Program(
        seeded(lambda: perceptron().bfloat16()), (floats(3, 16).bfloat16(),), (ROWS,), [(floats(7, 16).bfloat16(),)]
    ),
    "perceptron-float64": Program(seeded(lambda: perceptron().double()), (floats(3, 16).double(),)),
    "images": Program(seeded(images), (floats(2, 3, 12, 12),)),
    "images-of-any-number": Program(
        seeded(images), (floats(2, 3, 12, 12),), (ROWS,), [(floats(n, 3, 12, 12),) for n in (5, 64)]
    ),
    "lstm": Program(
        seeded(lambda: Recurrent(nn.LSTM(8, 16, 2, batch_first=True))),
        (floats(3, 7, 8),),
        (ROWS,),
        [(floats(n, 7, 8),) for n in (2, 9)],
    ),
    "lstm-both-ways": Program(seeded(lambda: nn.LSTM(8, 5, bidirectional=True)), (floats(7, 3, 8),)),
    "gru": Program(
        seeded(lambda: Recurrent(nn.GRU(8, 16, batch_first=True))), (floats(3, 7, 8),), (ROWS,), [(floats(9, 7, 8),)]
    ),
    "encoder": Program(
        seeded(Encoder),
        text(3, 9),
        ({0: BATCH, 1: LENGTH}, {0: BATCH, 1: LENGTH}),
        [text(rows, length) for rows, length in ((2, 2), (2, 40), (5, 17))],
    ),
    "causal-attention": of(
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        *(floats(2, 4, 6, 8) for _ in range(3)),
        shapes=[{2: LENGTH}] * 3,
        others=[tuple(floats(2, 4, n, 8) for _ in range(3)) for n in (2, 33)],
    ),
}
