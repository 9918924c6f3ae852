"""Runs a model of a server on the batches of a torch DataLoader: data_loader.py [ADDRESS [MODEL]]

Batches leave while the outputs of earlier ones are still on their way, on one stream and in order. gRPC does
not survive a fork, so a DataLoader with workers takes multiprocessing_context="spawn".
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import torch
from torch.utils.data import DataLoader, Dataset

import tensorferry


class Waves(Dataset[torch.Tensor]):
    """Rows of a sine wave, each of another frequency."""

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.sin(torch.linspace(0, 1 + index, 256))


def infer(client: tensorferry.Client, model: str, batches: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The model's first output for each batch, as a tensor over the memory that the answer came in."""
    for outputs in client.infer_many((model, {"x": batch}) for batch in batches):
        yield next(iter(outputs.as_torch().values()))


def main(address: str = "localhost:8001", model: str = "identity") -> None:
    loader = DataLoader(Waves(), batch_size=64)
    with tensorferry.Client(address) as client:
        outputs = list(infer(client, model, loader))
    rows = sum(len(output) for output in outputs)
    print(
        f"{rows} rows in {len(outputs)} batches, outputs of {tuple(outputs[0].shape[1:])} {outputs[0].dtype}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
