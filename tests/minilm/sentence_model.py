"""all-MiniLM-L6-v2 in torch's own modules, with the names that its published weights have."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, HEADS, LAYERS, INNER, WORDS, LONGEST = 384, 12, 6, 1536, 30522, 512


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self = nn.ModuleDict({name: nn.Linear(WIDTH, WIDTH) for name in ("query", "key", "value")})
        self.output = _Output(WIDTH)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (
            self.self[name](x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for name in ("query", "key", "value")
        )
        seen = functional.scaled_dot_product_attention(query, key, value, mask)
        return self.output(seen.transpose(1, 2).flatten(2), x)


class _Output(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, 1e-12)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(x) + before)


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = _Attention()
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, INNER)})
        self.output = _Output(INNER)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention(x, mask)
        return self.output(functional.gelu(self.intermediate["dense"](x)), x)


class SentenceModel(nn.Module):
    """One vector of length 1 for each text: the mean over its words."""

    def __init__(self) -> None:
        super().__init__()
        sizes = {"word_embeddings": WORDS, "position_embeddings": LONGEST, "token_type_embeddings": 2}
        self.embeddings = nn.ModuleDict({name: nn.Embedding(size, WIDTH) for name, size in sizes.items()})
        self.embeddings["LayerNorm"] = nn.LayerNorm(WIDTH, 1e-12)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_Layer() for _ in range(LAYERS))})

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        words, positions = self.embeddings["word_embeddings"](ids), self.embeddings["position_embeddings"](places)
        x = self.embeddings["LayerNorm"](words + positions + self.embeddings["token_type_embeddings"].weight[0])
        for layer in self.encoder["layer"]:
            x = layer(x, mask[:, None, None, :])
        kept = mask[:, :, None].to(x.dtype)
        return functional.normalize((x * kept).sum(1) / kept.sum(1))


def read_weights(file: Path) -> dict[str, Tensor]:
    """A file of safetensors with weights of float32: the length of its JSON, the JSON, and the elements."""
    content = bytearray(file.read_bytes())
    begin = 8 + int.from_bytes(content[:8], "little")
    weights = {}
    for name, entry in json.loads(content[8:begin]).items():
        if entry.get("dtype") == "F32":
            first, last = entry["data_offsets"]
            data = content[begin + first : begin + last]
            weights[name] = torch.frombuffer(data, dtype=torch.float32).reshape(entry["shape"])
    return weights


def load(file: Path) -> SentenceModel:
    """The model with the weights of `file`; what it lacks or has beyond the pooler is an error."""
    model = SentenceModel()
    weights = {name: value for name, value in read_weights(file).items() if not name.startswith("pooler.")}
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)
