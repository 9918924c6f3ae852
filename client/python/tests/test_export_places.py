"""Where a model may be written to, and what is said of modules that torch does not take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._inductor.config as inductor
from torch import Tensor, nn
from torch.jit import is_tracing  # type: ignore[attr-defined]

import tensorferry

X = torch.rand(2, 3)

# server/base/file_name.h says which names a server takes; hidden ones are refused besides.
GOOD_NAMES = ["a", "Z9", "a.b-c_d", "-", "_", "7", "1.5", "x.pt", "x.pt2", "identity", "a" * 128]
BAD_NAMES = [
    "my model",
    "a" * 129,
    "é",
    "a+b",
    "a:b",
    "a@b",
    "a\nb",
    "٣",
    ".hidden",
    "...",
    "a,b",
    "a%20b",
    "a\tb",
]


def export(folder: Path | str, module: nn.Module | None = None) -> Path:
    return tensorferry.export(module or nn.ReLU(), [X], folder, format="torchscript")


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_models_names_are_taken(name: str, tmp_path: Path) -> None:
    assert export(tmp_path / name) == tmp_path / name / "1/model.pt"


class MustNotRun(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise AssertionError("the module was run")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_a_server_leaves_out_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no model's name: it may have letters of ASCII, digits"):
        export(tmp_path / name, MustNotRun())
    assert not list(tmp_path.iterdir())


def test_the_name_is_the_folders_wherever_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "my model").mkdir()
    monkeypatch.chdir(tmp_path / "model")
    assert export(".").resolve() == tmp_path / "model/1/model.pt"
    assert export("../model/").resolve() == tmp_path / "model/2/model.pt"
    monkeypatch.chdir(tmp_path / "my model")
    with pytest.raises(ValueError, match="no model's name"):
        export(".", MustNotRun())


def _file(root: Path) -> None:
    (root / "model").touch()


def _file_beside(root: Path) -> None:
    (root / "model.pt").touch()


def _package_beside(root: Path) -> None:
    (root / "model.pt2").touch()


def _file_inside(root: Path) -> None:
    (root / "model").mkdir()
    (root / "model/model.pt").touch()


def _other_model(root: Path) -> None:
    (root / "config.pbtxt").touch()


def _link(root: Path) -> None:
    (root.parent / "elsewhere").mkdir()
    (root / "model").symlink_to(root.parent / "elsewhere")


def _last_version(root: Path) -> None:
    (root / "model" / str(2**63 - 1)).mkdir(parents=True)


PLACES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a file": (_file, "is no folder"),
    "beside a file": (_file_beside, "two models of one name"),
    "beside a package": (_package_beside, "two models of one name"),
    "around a file": (_file_inside, "holds a model.pt of no version"),
    "in another model": (_other_model, "lies in the folder of another model"),
    "out of the repository": (_link, "leads out of the repository"),
    "last version": (_last_version, "there is no higher one"),
}


@pytest.mark.parametrize("name", PLACES)
def test_places_that_a_server_takes_for_something_else_are_refused(name: str, tmp_path: Path) -> None:
    make, said = PLACES[name]
    root = tmp_path / "models"
    root.mkdir()
    make(root)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=said):
        export(root / "model", MustNotRun())
    assert sorted(tmp_path.rglob("*")) == before


def test_numbers_that_are_no_versions_are_passed_over(tmp_path: Path) -> None:
    for name in ("3", str(2**63), "٩"):
        (tmp_path / "model" / name).mkdir(parents=True)
    assert export(tmp_path / "model") == tmp_path / "model/4/model.pt"


class Decides(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x - 1


class FixesRows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if len(x) > 4 else x + x


class Fails(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("no such thing")


class NeitherWay(nn.Module):
    def forward(self, x: Tensor, **others: Tensor) -> Any:
        if is_tracing():  # type: ignore[no-untyped-call]
            raise OSError("not here")
        return x


UNFIT: dict[str, tuple[nn.Module, dict[str, Any], list[str]]] = {
    "branch": (
        Decides(),
        {},
        ["decides by values at ", "torch.where", "format='torchscript'", "torch says: "],
    ),
    "rows": (
        FixesRows(),
        {"dynamic_batch": True},
        ["number of rows open", "Leave dynamic_batch out", "torch says"],
    ),
    "scripted": (
        torch.jit.script(nn.ReLU()),
        {},
        ["torch.export does not take the module; format='torchscript'"],
    ),
    "itself": (Fails(), {}, ["the module fails on the example: ", "no such thing"]),
    "neither": (
        NeitherWay(),
        {"format": "torchscript"},
        ["can be neither scripted (", "nor traced (not here)", "format='exported'"],
    ),
}


@pytest.mark.parametrize("format", ["aotinductor", "exported"])
@pytest.mark.parametrize("name", UNFIT)
def test_our_words_come_before_torchs(name: str, format: str, tmp_path: Path) -> None:
    module, options, said = UNFIT[name]
    with pytest.raises(RuntimeError) as raised:
        tensorferry.export(module, [X], tmp_path / "model", **{"format": format, **options})
    text = str(raised.value)
    assert all(words in text for words in said), text
    assert text.startswith(("the module", "torch.export does not take the module"))
    assert not (tmp_path / "model").exists()


def test_without_a_compiler_it_is_said_what_needs_none(tmp_path: Path) -> None:
    with (
        inductor.patch({"cpp.cxx": ("/there/is/none",)}),
        pytest.raises(RuntimeError, match=r"needs a C\+\+ compiler, .* format='exported' needs none"),
    ):
        tensorferry.export(nn.ReLU(), [X], tmp_path / "model", format="aotinductor")
    assert not list(tmp_path.iterdir())
