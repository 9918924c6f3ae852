"""Archives of torch.export's, which nothing compiles."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from computed_modules import Computes
from test_export import FORMS, NAMED, ROWS, Formed
from test_export_dims import LONGER, Cropped, Encoder, Recurrent, X, dims
from test_export_dims import tokens as texts
from test_export_packages import MOST_ROWS, Layers, Outputs, tokens
from torch import Tensor, nn
from torch.export import Dim

import tensorferry

LONGEST = 12


def write(module: nn.Module, inputs: Any, folder: Path, **options: Any) -> Path:
    return tensorferry.export(module, inputs, folder / "model", format="exported", **options)


def run(file: Path, **inputs: Tensor) -> Any:
    with torch.no_grad():
        return torch.export.load(str(file)).module()(**inputs)


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    module = Layers().eval()
    folder = tmp_path_factory.mktemp("repository")
    return module, write(module, tokens(1), folder, dynamic_batch=True, max_batch_size=MOST_ROWS)


@pytest.mark.parametrize("rows", [1, 2, 17, MOST_ROWS])
def test_layers_that_look_at_the_batch_take_any(rows: int, layers: tuple[nn.Module, Path]) -> None:
    module, file = layers
    inputs = tokens(rows)
    with torch.no_grad():
        torch.testing.assert_close(run(file, **inputs), module(**inputs)._asdict())


def test_more_rows_than_that_are_beyond_the_range(layers: tuple[nn.Module, Path]) -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        run(layers[1], **tokens(MOST_ROWS + 1))


def test_an_archive_says_what_it_takes_and_gives(layers: tuple[nn.Module, Path]) -> None:
    _, file = layers
    assert file.name == "model.pt2"
    with zipfile.ZipFile(file) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/extra/tensorferry.json")]
        said = json.loads(archive.read(name))
    assert [(each["name"], each["dtype"], each["shape"]) for each in said["inputs"]] == [
        ("token", "int64", [-1, 3]),
        ("mask", "bool", [-1, 3]),
    ]
    assert [each["name"] for each in said["outputs"]] == list(Outputs._fields)
    assert said["torch"] == torch.__version__
    config = (file.parents[1] / "config.pbtxt").read_text()
    assert config.startswith(f'backend: "pytorch"\nmax_batch_size: {MOST_ROWS}\ndynamic_batching {{}}\n')
    assert re.findall(r'(?:input|output) {\n  name: "(\w+)"', config) == ["token", "mask", *Outputs._fields]


@pytest.mark.parametrize("dynamic_batch", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_outputs_have_their_names_in_every_form(name: str, dynamic_batch: bool, tmp_path: Path) -> None:
    form, names = FORMS[name]
    module = Formed(form).eval()
    file = write(module, [ROWS], tmp_path, dynamic_batch=dynamic_batch)
    config = (file.parents[1] / "config.pbtxt").read_text()
    assert re.findall(r'output {\n  name: "(\w+)"', config) == names
    outputs = run(file, x=ROWS)
    if names == NAMED:
        assert list(outputs) == names
    first = outputs["zeta"] if names == NAMED else outputs if name == "tensor" else outputs[0]
    assert torch.equal(first, module.layer(ROWS))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoder, Path]:
    torch.manual_seed(0)
    module = Encoder().eval()
    length = Dim("length", min=1, max=LONGEST)
    shapes = {"token": {1: length}, "mask": {1: length}}
    options: dict[str, Any] = {"dynamic_batch": True, "max_batch_size": MOST_ROWS, "dynamic_shapes": shapes}
    return module, write(module, texts(1, 5), tmp_path_factory.mktemp("repository"), **options)


@pytest.mark.parametrize("length", [1, 2, 5, LONGEST])
@pytest.mark.parametrize("rows", [1, 2, MOST_ROWS])
def test_texts_of_every_length_are_taken(rows: int, length: int, encoder: tuple[Encoder, Path]) -> None:
    module, file = encoder
    inputs = texts(rows, length)
    with torch.no_grad():
        torch.testing.assert_close(run(file, **inputs), module(**inputs))


def test_open_sizes_are_in_the_configuration(encoder: tuple[Encoder, Path]) -> None:
    assert dims(encoder[1]) == ["-1", "-1", "-1, 8", "8", "5", "5"]


@pytest.mark.parametrize("size", [0, LONGEST + 1])
def test_lengths_beyond_the_range_are_refused(size: int, encoder: tuple[Encoder, Path]) -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        run(encoder[1], **texts(2, size))


def test_what_sizes_must_be_to_each_other_is_a_part_of_the_program(tmp_path: Path) -> None:
    shapes = {"x": {0: Dim.DYNAMIC(min=4, max=16)}, "table": {0: Dim("table", min=8, max=20)}}
    file = write(Cropped(), [X, LONGER], tmp_path, dynamic_shapes=shapes)
    program = torch.export.load(str(file)).module(check_guards=False)
    x, table = torch.rand(7, 4), torch.rand(13, 4)
    assert torch.equal(program(x=x, table=table), x + table[:7])
    with pytest.raises(RuntimeError):
        program(x=torch.rand(9, 4), table=torch.rand(8, 4))


def test_a_size_that_torch_fixes_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leaves steps open"):
        write(Recurrent(), [torch.rand(2, 5, 4)], tmp_path, dynamic_shapes={"x": {1: Dim("steps", max=9)}})


# Each case is what a module's Python code does with values, which no program can hold.
DECIDES: dict[str, Callable[[Tensor], Tensor]] = {
    "branch": lambda x: x + 1 if x.sum() > 0 else x - 1,
    "number": lambda x: x * float(x.sum()) if x.sum().item() > 0 else x,
    "list": lambda x: x[[i for i, row in enumerate(x.tolist()) if row[0] > 0]],
}


@pytest.mark.parametrize("name", DECIDES)
def test_code_that_looks_at_values_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises((RuntimeError, ValueError)) as raised:
        write(Computes(DECIDES[name]), [torch.rand(2, 3) + 0.1], tmp_path)
    assert not (tmp_path / "model").exists()
    assert re.search("by values|depends on the inputs' values", str(raised.value))


def test_no_row_may_depend_on_another(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of a row depends on the rows beside it"):
        write(Computes(lambda x: x - x.mean(0)), [torch.rand(4, 8)], tmp_path, dynamic_batch=True)


def test_a_branch_that_is_an_operator_is_kept(tmp_path: Path) -> None:
    class Branch(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))

    file = write(Branch(), [torch.ones(3)], tmp_path)
    for x in (torch.ones(3), -torch.ones(3)):
        assert torch.equal(run(file, x=x), x + x.sign())


# Each case is weights that torch keeps as others and a mark, which an archive does not have.
MARKED: dict[str, Tensor] = {
    "conjugated": torch.complex(torch.ones(3), torch.arange(3.0)).conj(),
    "negated": torch.complex(torch.ones(3), torch.arange(3.0)).conj().imag,
}


@pytest.mark.parametrize("kind", ["parameter", "buffer", "constant"])
@pytest.mark.parametrize("name", MARKED)
def test_weights_are_the_numbers_that_they_stand_for(name: str, kind: str, tmp_path: Path) -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            weight: Any = MARKED[name]
            if kind == "buffer":
                self.register_buffer("weight", weight)
            else:
                self.weight = nn.Parameter(weight) if kind == "parameter" else weight

        def forward(self, x: Tensor) -> Any:
            return x * self.weight

    file = write(Weighted(), [torch.ones(3)], tmp_path)
    assert torch.equal(run(file, x=torch.ones(3)), MARKED[name])


# Each case is a module that does something else for sizes which torch.export takes for impossible.
SMALL: dict[str, Callable[[Tensor], Tensor]] = {
    "one": lambda x: x if x.size(0) == 1 else x - 1,
    "none": lambda x: x.new_ones(0, 2) if x.size(0) == 0 else x - 1,
}


@pytest.mark.parametrize("size", [Dim.DYNAMIC, Dim("rows", min=2, max=9), (2, None)])
@pytest.mark.parametrize("name", SMALL)
def test_what_a_program_answers_for_no_row_and_one_is_compared(name: str, size: Any, tmp_path: Path) -> None:
    """A program checks no least size of 2 or less. What it then answers must be the module's."""
    module = Computes(SMALL[name])
    with pytest.raises((ValueError, RuntimeError), match=r"for (x.shape\[0\]|rows) = [01][:.]"):
        write(module, [torch.rand(5, 3)], tmp_path, dynamic_shapes={"x": {0: size}})
    write(module, [torch.rand(5, 3)], tmp_path, dynamic_shapes={"x": {0: (3, None)}})
