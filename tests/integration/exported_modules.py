"""One program for each module of torch.nn that has a program, made of torch.nn's own list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Example(NamedTuple):
    arguments: tuple[Any, ...]  # Of the constructor.
    inputs: tuple[Tensor, ...]


def _floats(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _classes(*shape: int, below: int) -> Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(below))


def _signs(*shape: int) -> Tensor:
    return _floats(*shape).sign()


X1, X2, X3 = _floats(2, 6, 8), _floats(2, 6, 8, 8), _floats(2, 6, 4, 4, 4)
ROWS, PROBABILITIES = _floats(3, 5), _floats(3, 5).sigmoid()
WORDS, MEMORY = _floats(5, 2, 8), _floats(7, 2, 8)


def _in_dimensions(*arguments: Any, **pattern: str) -> dict[str, Example]:
    """The modules called {name}1d, 2d and 3d, with the same arguments; `pattern`: which of them there are."""
    inputs = {"1d": X1, "2d": X2, "3d": X3}
    return {f"{name}{n}": Example(arguments, (inputs[n],)) for name, ns in pattern.items() for n in ns.split()}


_ALL = "1d 2d 3d"
# The modules that take one tensor of any shape, and no arguments.
_PLAIN = (
    "CELU Dropout ELU FeatureAlphaDropout AlphaDropout Flatten GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh "
    "Identity LeakyReLU LogSigmoid Mish PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign Tanh "
    "Tanhshrink Dropout1d Dropout2d Dropout3d"
)
_LOSSES = "L1Loss MSELoss SmoothL1Loss HuberLoss KLDivLoss PoissonNLLLoss"

EXAMPLES: dict[str, Example] = {
    **{name: Example((), (X1,)) for name in _PLAIN.split()},
    **{name: Example((), (ROWS, PROBABILITIES)) for name in _LOSSES.split()},
    **{name: Example((1,), (ROWS,)) for name in ("Softmax", "Softmin", "LogSoftmax")},
    **_in_dimensions(3, AvgPool=_ALL, MaxPool=_ALL, AdaptiveAvgPool=_ALL, AdaptiveMaxPool=_ALL, CircularPad=_ALL),
    **_in_dimensions(2, ReflectionPad=_ALL, ReplicationPad=_ALL, ZeroPad=_ALL),
    **_in_dimensions(2, 3, LPPool=_ALL),
    **_in_dimensions(1, 0.5, ConstantPad=_ALL),
    **_in_dimensions(6, BatchNorm=_ALL, InstanceNorm=_ALL),
    **_in_dimensions(6, 4, 3, Conv=_ALL, ConvTranspose=_ALL),
    "BCELoss": Example((), (PROBABILITIES, PROBABILITIES.round())),
    "BCEWithLogitsLoss": Example((), (ROWS, PROBABILITIES)),
    "Bilinear": Example((5, 4, 3), (ROWS, _floats(3, 4))),
    "ChannelShuffle": Example((3,), (X2,)),
    "CosineEmbeddingLoss": Example((), (ROWS, PROBABILITIES, _signs(3))),
    "CosineSimilarity": Example((), (ROWS, PROBABILITIES)),
    "CrossEntropyLoss": Example((), (ROWS, _classes(3, below=5))),
    "Embedding": Example((20, 4), (_classes(2, 5, below=20),)),
    "EmbeddingBag": Example((20, 4), (_classes(2, 5, below=20),)),
    "Fold": Example(((4, 5), (2, 2)), (_floats(2, 12, 12),)),
    "GRU": Example((6, 4), (_floats(5, 2, 6),)),
    "GRUCell": Example((5, 4), (ROWS,)),
    "GroupNorm": Example((3, 6), (X2,)),
    "HingeEmbeddingLoss": Example((), (ROWS, _signs(3, 5))),
    "LSTM": Example((6, 4, 2), (_floats(5, 2, 6),)),
    "LSTMCell": Example((5, 4), (ROWS,)),
    "LayerNorm": Example((8,), (X1,)),
    "Linear": Example((5, 4), (ROWS,)),
    "LinearCrossEntropyLoss": Example((5, 7), (ROWS, _classes(3, below=7))),
    "LocalResponseNorm": Example((2,), (X2,)),
    "MarginRankingLoss": Example((), (ROWS, PROBABILITIES, _signs(3, 5))),
    "MaxUnpool1d": Example((2,), nn.MaxPool1d(2, return_indices=True)(X1)),
    "MaxUnpool2d": Example((2,), nn.MaxPool2d(2, return_indices=True)(X2)),
    "MaxUnpool3d": Example((2,), nn.MaxPool3d(2, return_indices=True)(X3)),
    "MultiLabelMarginLoss": Example((), (ROWS, torch.tensor([[3, 0, -1, 1, 2]]).repeat(3, 1))),
    "MultiLabelSoftMarginLoss": Example((), (ROWS, PROBABILITIES.round())),
    "MultiMarginLoss": Example((), (ROWS, _classes(3, below=5))),
    "MultiheadAttention": Example((8, 2), (WORDS, MEMORY, MEMORY)),
    "NLLLoss": Example((), (ROWS.log_softmax(1), _classes(3, below=5))),
    "PairwiseDistance": Example((), (ROWS, PROBABILITIES)),
    "PixelShuffle": Example((2,), (_floats(2, 8, 3, 3),)),
    "PixelUnshuffle": Example((2,), (X2,)),
    "RMSNorm": Example((8,), (X1,)),
    "RNN": Example((6, 4), (_floats(5, 2, 6),)),
    "RNNCell": Example((5, 4), (ROWS,)),
    "SoftMarginLoss": Example((), (ROWS, _signs(3, 5))),
    "Softmax2d": Example((), (X2,)),
    "SyncBatchNorm": Example((6,), (X2,)),
    "Threshold": Example((0.1, 20.0), (ROWS,)),
    "Transformer": Example((8, 2, 1, 1, 16), (MEMORY, WORDS)),
    "TransformerDecoder": Example((nn.TransformerDecoderLayer(8, 2, 16), 2), (WORDS, MEMORY)),
    "TransformerDecoderLayer": Example((8, 2, 16), (WORDS, MEMORY)),
    "TransformerEncoder": Example((nn.TransformerEncoderLayer(8, 2, 16), 2), (WORDS,)),
    "TransformerEncoderLayer": Example((8, 2, 16), (WORDS,)),
    "TripletMarginLoss": Example((), (ROWS, PROBABILITIES, _floats(3, 5).abs())),
    "TripletMarginWithDistanceLoss": Example((), (ROWS, PROBABILITIES, _floats(3, 5).abs())),
    "Unflatten": Example((1, (2, 3)), (X1,)),
    "Unfold": Example(((2, 3),), (X2,)),
    "Upsample": Example((None, 1.5), (X2,)),
    "UpsamplingBilinear2d": Example((None, 2), (X2,)),
    "UpsamplingNearest2d": Example((None, 2), (X2,)),
}

# Why there is no program of these.
LEFT_OUT = {
    "AdaptiveLogSoftmaxWithLoss": "its Python code decides by values",
    "CTCLoss": "the size of a result within it depends on values",
    "Container": "a former name of Module",
    "CrossMapLRN2d": "torch.export does not take its autograd function",
    "DataParallel": "it is for several devices",
    "FractionalMaxPool2d": "its regions are random",
    "FractionalMaxPool3d": "its regions are random",
    "GaussianNLLLoss": "its Python code decides by values",
    "Module": "it computes nothing",
    "ModuleDict": "it computes nothing",
    "ModuleList": "it computes nothing",
    "NLLLoss2d": "a former name of NLLLoss",
    "ParameterDict": "it computes nothing",
    "ParameterList": "it computes nothing",
    "RNNBase": "RNN, LSTM and GRU are made of it",
    "RNNCellBase": "the cells are made of it",
    "Sequential": "most programs are of it",
}


def all_modules() -> set[str]:
    """The names of torch.nn's modules; those that find their sizes with the first run are others afterwards."""
    found = {name for name, kind in vars(nn).items() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    return {name for name in found if not name.startswith("Lazy")}


def makes(name: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        torch.manual_seed(0)
        module: nn.Module = getattr(nn, name)(*EXAMPLES[name].arguments)
        return module.eval()

    return make
