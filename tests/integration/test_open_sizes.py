"""Models that `tensorferry.export` wrote with `dynamic_shapes` take the sizes of a range, TorchScript others, too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

import tensorferry
from harness import Server, connect_stub
from served_models import FORMATS, cached_export, check_outputs, from_elements, infer, listed, run_in_python
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_stream, convert_unary

LONGEST = 24
MOST_ROWS = 4
TABLE = Dim("table", min=8, max=20)


class Encoder(nn.Module):
    """Encodes texts, as tokens and a mask of what is padding."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(100, 16)
        self.places = nn.Embedding(64, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1)

    def forward(self, token: Tensor, mask: Tensor) -> dict[str, Tensor]:
        places = self.places(torch.arange(token.size(1)))
        words = self.layers(self.words(token) + places, src_key_padding_mask=mask)
        return {"words": words, "text": words.mean(1)}


class Cropped(nn.Module):
    """One input is not longer than the other."""

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        return x + table[: x.size(0)]


def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder().eval()


def texts(rows: int, length: int) -> dict[str, Tensor]:
    token = torch.randint(0, 100, (rows, length), generator=torch.Generator().manual_seed(rows * 100 + length))
    return {"token": token, "mask": torch.zeros(rows, length, dtype=torch.bool)}


def cropped(rows: int, longest: int) -> dict[str, Tensor]:
    return {"x": torch.arange(2.0 * rows).reshape(rows, 2), "table": torch.full((longest, 2), 0.5)}


def export_encoder(folder: Path, format: str) -> None:
    length = Dim("length", min=1, max=LONGEST)
    tensorferry.export(
        encoder(),
        texts(2, 9),
        folder / "encoder",
        format=format,
        dynamic_shapes={"token": {1: length}, "mask": {1: length}},
        dynamic_batch=True,
        max_batch_size=MOST_ROWS,
    )


def export_cropped(folder: Path, format: str) -> None:
    shapes = {"x": {0: (4, 16)}, "table": {0: TABLE}}
    tensorferry.export(Cropped(), cropped(8, 16), folder / "cropped", format=format, dynamic_shapes=shapes)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model files of a repository."""
    root = tmp_path_factory.mktemp("repository")
    found = {}
    for name, export in (("encoder", export_encoder), ("cropped", export_cropped)):
        for format, file in FORMATS.items():
            key = f"{name} {format} {Path(__file__).read_text()}"
            folder = root / f"{name}-{format}"
            shutil.copytree(cached_export(key, partial(export, format=format)) / name, folder)
            found[folder.name] = folder / "1" / file
    return found


@pytest.fixture(scope="module")
def stub(files: dict[str, Path]) -> Iterator[TensorServiceStub]:
    root = files["encoder-torchscript"].parents[2]
    with Server("--model-dir", f"{root}") as server, connect_stub(server.address) as connected:
        yield connected
        assert server.alive(), server.log()


each_format = pytest.mark.parametrize("format", FORMATS)


@each_format
@pytest.mark.parametrize("length", [1, 2, 7, LONGEST])
@pytest.mark.parametrize("rows", [1, 2, MOST_ROWS])
def test_an_encoder_takes_texts_of_every_length(
    rows: int, length: int, format: str, stub: TensorServiceStub, files: dict[str, Path]
) -> None:
    inputs = texts(rows, length)
    outcome = convert_unary(stub, infer(f"encoder-{format}", inputs))
    check_outputs(outcome, run_in_python(files[f"encoder-{format}"], **inputs))
    with torch.no_grad():
        expected = encoder()(**inputs)
    for output in outcome.outputs:
        wanted = expected[output.metadata.name]
        torch.testing.assert_close(from_elements("float32", tuple(wanted.shape), output.data), wanted)


@each_format
def test_open_sizes_are_listed(format: str, stub: TensorServiceStub) -> None:
    info = listed(stub)[f"encoder-{format}"]["1"]
    shapes = {spec.name: list(spec.shape) for spec in (*info.inputs, *info.outputs)}
    assert shapes == {"token": [-1, -1], "mask": [-1, -1], "words": [-1, -1, 16], "text": [-1, 16]}


@each_format
@pytest.mark.parametrize(("rows", "longest"), [(4, 8), (4, 20), (8, 8), (16, 16), (16, 20)])
def test_sizes_at_both_ends_of_each_range_are_the_modules(
    rows: int, longest: int, format: str, stub: TensorServiceStub
) -> None:
    inputs = cropped(rows, longest)
    check_outputs(convert_stream(stub, infer(f"cropped-{format}", inputs)), {"OUTPUT__0": Cropped()(**inputs)})


# Each case has a package, inputs, and what the refusal says was expected, and what came.
BEYOND: dict[str, tuple[str, dict[str, Tensor], str, str]] = {
    "too-long": ("encoder", texts(2, LONGEST + 1), f"to {LONGEST}", f"[2, {LONGEST + 1}]"),
    "no-tokens": ("encoder", texts(2, 0), f"1 to {LONGEST}", "[2, 0]"),
    "unequal": ("encoder", {**texts(2, 5), "mask": texts(2, 6)["mask"]}, "5", "6"),
    "too-many-rows": ("encoder", texts(MOST_ROWS + 1, 5), f"{MOST_ROWS}", f"[{MOST_ROWS + 1}, 5]"),
    "below": ("cropped", cropped(3, 8), "4 to 16", "[3, 2]"),
    "above": ("cropped", cropped(17, 20), "4 to 16", "[17, 2]"),
    "below-of-two": ("cropped", cropped(4, 7), "8 to 20", "[7, 2]"),
    "above-of-two": ("cropped", cropped(4, 21), "8 to 20", "[21, 2]"),
}


# As in Python, a program takes 0 and 1 where 2 or less is the least size. Of sizes that must be equal it says which.
REFUSING = [(case, format) for case in BEYOND for format in ("aotinductor", "exported")]
REFUSING.remove(("no-tokens", "exported"))
EQUAL = "dimension 1 of 'mask' == dimension 1 of 'token'"


@pytest.mark.parametrize(("case", "format"), REFUSING)
def test_nothing_beyond_the_ranges_is_taken(case: str, format: str, stub: TensorServiceStub) -> None:
    name, inputs, expected, actual = BEYOND[case]
    refusal = convert_unary(stub, infer(f"{name}-{format}", inputs)).refusal
    assert refusal is not None
    assert refusal.reason == "INPUT_MISMATCH", refusal.message
    assert (EQUAL if (case, format) == ("unequal", "exported") else expected) in refusal.metadata["expected"]
    assert actual in refusal.metadata["actual"]


@each_format
def test_a_relation_between_sizes_is_checked(format: str, stub: TensorServiceStub) -> None:
    """Else the model would read what lies behind the shorter input."""
    reason = "MODEL_FAILED" if format == "torchscript" else "INPUT_MISMATCH"
    for _ in range(3):
        assert convert_unary(stub, infer(f"cropped-{format}", cropped(16, 9))).reason == reason
    inputs = cropped(9, 9)
    check_outputs(convert_unary(stub, infer(f"cropped-{format}", inputs)), {"OUTPUT__0": Cropped()(**inputs)})


def test_a_torchscript_file_has_no_ranges(stub: TensorServiceStub) -> None:
    inputs = cropped(3, 30)
    check_outputs(convert_unary(stub, infer("cropped-torchscript", inputs)), {"OUTPUT__0": Cropped()(**inputs)})
    outcome = convert_unary(stub, infer("cropped-torchscript", {**inputs, "x": torch.ones(3, 3)}))
    assert outcome.reason == "INPUT_MISMATCH"
