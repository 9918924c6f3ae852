"""What becomes of `config.pbtxt`, and what a person has changed in it, with the next export."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from computed_modules import Computes
from torch import Tensor, nn

import tensorferry

ROWS = torch.arange(12.0).reshape(4, 3)


class Scaled(nn.Module):
    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.layer(x)
        return {"y": y, "doubled": 2 * y}


class Renamed(Scaled):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"y": self.layer(x)}


class Two(nn.Module):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first - second


class Exchanged(nn.Module):
    def forward(self, second: Tensor, first: Tensor) -> Tensor:
        return first - second


def write(folder: Path, module: nn.Module | None = None, inputs: Any = None, **options: Any) -> str:
    """Exports, and returns the text of the configuration."""
    options = {"format": "torchscript", "dynamic_batch": True, "quiet": True, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensorferry.export(module or Scaled(), [ROWS] if inputs is None else inputs, folder, **options)
    return (folder / "config.pbtxt").read_text()


def edited(folder: Path, *edits: tuple[str, str]) -> str:
    """Replaces parts of the configuration, and returns what it is then."""
    file = folder / "config.pbtxt"
    text = file.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)
    return text


# Each case is an edit of what export wrote: the text, and what stands in its place.
EDITS: dict[str, tuple[str, str]] = {
    "a field more": (
        "dynamic_batching {}",
        "dynamic_batching {}\ninstance_group { count: 2 kind: KIND_CPU }",
    ),
    "a field more, in brackets": (
        "dynamic_batching {}",
        "instance_group [ { count: 2 } ]\ndynamic_batching {}",
    ),
    "within a field": ("dynamic_batching {}", "dynamic_batching { max_queue_delay_microseconds: 100 }"),
    "without a field": ("dynamic_batching {}\n", ""),
    "another value": ("max_batch_size: 64", "max_batch_size: 8"),
    "labels": ('name: "y"\n', 'name: "y"\n  label_filename: "labels.txt"\n'),
    "comments": ("max_batch_size: 64\n", "# Measured on Monday.\nmax_batch_size: 64  # Not more.\n"),
    "a parameter": (
        "model_warmup",
        'parameters { key: "FREEZE" value { string_value: "true" } }\nmodel_warmup',
    ),
    "another warm-up": ("model_warmup", 'model_warmup { name: "mine" }\nmodel_warmup'),
    "texts in pieces": ("model_warmup", 'metric_tags { key: "a" value: "b" \'c\' }\nmodel_warmup'),
    "angle brackets": ("dynamic_batching {}", "dynamic_batching < preferred_batch_size: [ 2, 4 ] >"),
}


@pytest.mark.parametrize("name", EDITS)
def test_edits_are_kept(name: str, tmp_path: Path) -> None:
    write(tmp_path / "model")
    text = edited(tmp_path / "model", EDITS[name])
    for _ in range(2):  # Nor does the export after the next forget them.
        assert re.sub(r"\s+", " ", write(tmp_path / "model")) == re.sub(
            r"\s+", " ", text.replace("[ { count: 2 } ]", "{ count: 2 }")
        )


def test_what_changes_with_the_model_changes_beside_edits(tmp_path: Path) -> None:
    write(tmp_path / "model")
    edited(
        tmp_path / "model",
        ('name: "y"\n', 'name: "y"\n  label_filename: "labels.txt"\n'),
        ("dynamic_batching {}", "dynamic_batching {}\ninstance_group { count: 2 }"),
    )
    wider = torch.rand(4, 5)
    text = write(tmp_path / "model", Scaled(5), [wider], format="exported")
    expected = write(tmp_path / "fresh", Scaled(5), [wider], format="exported")
    kept = {'  label_filename: "labels.txt"', "instance_group { count: 2 }"}
    assert kept < set(text.splitlines())
    assert sorted(set(text.splitlines()) - kept) == sorted(set(expected.splitlines()))


def test_without_edits_the_configuration_is_the_models(tmp_path: Path) -> None:
    write(tmp_path / "model", max_batch_size=8)
    expected = write(tmp_path / "fresh", Two(), [ROWS[0], ROWS[1]], dynamic_batch=False)
    text = write(tmp_path / "model", Two(), [ROWS[0], ROWS[1]], dynamic_batch=False)
    assert sorted(text.split("\n")) == sorted(expected.split("\n"))


def test_inputs_are_in_the_order_of_the_new_model(tmp_path: Path) -> None:
    write(tmp_path / "model", Two(), [ROWS, ROWS])
    edited(tmp_path / "model", ("dynamic_batching {}", "instance_group { count: 2 }\ndynamic_batching {}"))
    text = write(tmp_path / "model", Exchanged(), [ROWS, ROWS])
    assert re.findall(r'\ninput {\n  name: "(\w+)"', text) == ["second", "first"]


def test_an_edit_of_what_is_no_more_is_told(tmp_path: Path) -> None:
    write(tmp_path / "model")
    edited(tmp_path / "model", ('name: "doubled"\n', 'name: "doubled"\n  label_filename: "labels.txt"\n'))
    with pytest.warns(UserWarning, match='output "doubled" has been changed, but the model has it no more'):
        tensorferry.export(Renamed(), [ROWS], tmp_path / "model", format="torchscript", dynamic_batch=True)
    assert "doubled" not in (tmp_path / "model/config.pbtxt").read_text()


def test_an_edit_that_contradicts_the_model_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "model")
    text = edited(tmp_path / "model", ("max_batch_size: 64", "max_batch_size: 8"))
    with pytest.raises(
        ValueError, match=r"has max_batch_size: 8 where .* wrote max_batch_size: 64, and this model needs"
    ):
        write(tmp_path / "model", max_batch_size=4)
    assert (tmp_path / "model/config.pbtxt").read_text() == text
    assert not (tmp_path / "model/2").exists()
    assert "max_batch_size: 4\n" in edited(tmp_path / "model", ("max_batch_size: 8", "max_batch_size: 4"))
    assert "max_batch_size: 4\n" in write(tmp_path / "model", max_batch_size=4)


def test_of_a_foreign_configuration_all_is_kept_that_export_does_not_write(tmp_path: Path) -> None:
    """It may be one by hand, or an earlier version's."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.pbtxt").write_text(
        'name: "model"\nmax_batch_size: 8\nversion_policy { all {} }\ninput [\n  {\n    name: "x"\n'
        "    data_type: TYPE_FP32\n    dims: 3\n    optional: false\n  }\n]\n"
    )
    with pytest.warns(
        UserWarning,
        match="was not written by this export, which replaced max_batch_size: 8 by max_batch_size: 64",
    ):
        tensorferry.export(Scaled(), [ROWS], tmp_path / "model", format="torchscript", dynamic_batch=True)
    text = (tmp_path / "model/config.pbtxt").read_text()
    for kept in ('name: "model"\n', "version_policy { all {} }", "optional: false", "max_batch_size: 64"):
        assert kept in text
    assert text.count("input {") == 1


@pytest.mark.parametrize(
    "text", ['name: "a', "input {", "input [ { }", "a: }", "}", "dims: [ 1", "a b", "a:"]
)
def test_what_cannot_be_read_is_refused_before_anything_is_compiled(text: str, tmp_path: Path) -> None:
    write(tmp_path / "model")
    (tmp_path / "model/config.pbtxt").write_text(f"max_batch_size: 8\n{text}\n")
    with pytest.raises(ValueError, match=r"config.pbtxt: line [23]: .*mend it, or delete it"):
        write(tmp_path / "model", nn.Module())
    assert not (tmp_path / "model/2").exists()


def test_the_model_file_has_the_name_that_it_was_given(tmp_path: Path) -> None:
    write(tmp_path / "model")
    edited(tmp_path / "model", ("dynamic_batching {}", 'default_model_filename: "mine.bin"'))
    file = tensorferry.export(Scaled(), [ROWS], tmp_path / "model", format="exported", dynamic_batch=True)
    assert file == tmp_path / "model/2/mine.bin"
    assert file.is_file()
    edited(tmp_path / "model", ("mine.bin", "../mine.bin"))
    with pytest.raises(ValueError, match="which names no file of a version"):
        write(tmp_path / "model")


def test_what_the_server_will_show_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "model")
    edited(tmp_path / "model", ("max_batch_size: 64", "max_batch_size: 8\ninstance_group { count: 2 }"))
    options: Any = {"dynamic_batch": True, "format": "torchscript"}
    tensorferry.export(Scaled(), [ROWS], tmp_path / "model", **options)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "model, version 2: torchscript, batches of up to 8 rows",
        "  input   x        float32 (-1, 3)",
        "  output  y        float32 (-1, 2)",
        "  output  doubled  float32 (-1, 2)",
        "  config.pbtxt keeps max_batch_size: 8",
        "  config.pbtxt keeps instance_group { … }",
    ]


def test_the_sizes_that_callers_choose_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = [{0: (2, 9), 1: (1, None)}]
    tensorferry.export(nn.ReLU(), [ROWS], tmp_path / "model", format="exported", dynamic_shapes=sizes)
    assert capsys.readouterr().err.splitlines() == [
        "model, version 1: exported",
        "  input   input      float32 (-1, -1), shape[0] is from 2 to 9, shape[1] is at least 1",
        "  output  OUTPUT__0  float32 (-1, -1)",
    ]


def test_what_is_refused_is_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="answers differently from call to call"):
        tensorferry.export(Computes(torch.rand_like), [ROWS], tmp_path / "m", format="torchscript")
    assert capsys.readouterr().err == ""
