"""`tensorferry infer`, which binds files to inputs by name, and arrays that are named within their file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import cli
import models
from cli import BAD_FILE, FLOATS, OK, REFUSED, USAGE, Run, check_message
from harness import Server
from npy_files import saved

INPUTS = {"left": FLOATS, "right": FLOATS.T.copy()}


@pytest.fixture
def ask(model_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in a folder with the inputs of `affine`, under other names than the model's."""
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", **{"layer/a": INPUTS["left"], "b": INPUTS["right"]})
    save_file({"a": INPUTS["left"], "b": INPUTS["right"]}, "x.safetensors")
    cli.save(tmp_path / "a.npy", INPUTS["left"])
    return partial(cli.run, server=model_server)


@pytest.mark.parametrize(
    "bound", [("a.npy", "x.npz:b"), ("x.npz:layer/a", "x.safetensors:b"), ("-:layer/a", "x.npz:b")], ids=str
)
def test_outputs_are_pytorchs(bound: tuple[str, str], ask: Run, files: dict[str, Path]) -> None:
    left, right = bound
    words = ["--input", f"right={right}", "--input", f"left={left}"]
    stdin = Path("x.npz").read_bytes()
    ran = ask("infer", "affine", *words, "--json", "-o", "out.npz", stdin=stdin)
    assert (ran.code, ran.stderr) == (OK, "")
    assert ran.json()["tensors"] == [cli.tensor_json(name, cli.expect_file(INPUTS[name])) for name in ("right", "left")]
    (output,) = models.run_in_python(files["affine"], INPUTS).values()
    assert saved(np.load("out.npz")["OUTPUT__0"]) == saved(output)


@pytest.mark.parametrize(
    ("bound", "code", "mentioned"),
    [
        (["left=a.npy"], REFUSED, "expected inputs left, right, got left"),
        (["left=a.npy", "rigth=x.npz:b"], REFUSED, "expected inputs left, right, got left, rigth"),
        (
            ["left=a.npy", "right=x.npz"],
            BAD_FILE,
            "has 2 arrays, expected one for input 'right'; name it: right=x.npz:",
        ),
        (["left=a.npy", "right=x.npz:layer/b"], BAD_FILE, "no array 'layer/b'; did you mean layer/a?"),
        (["left=a.npy", "right=x.npz:other"], BAD_FILE, "no array 'other'; it has 2: layer/a, b"),
        (["left=a.npy", "left=x.npz:b"], USAGE, "'left': the input is named twice"),
        (["a.npy"], USAGE, "expected NAME=FILE"),
        (["left=-", "right=-"], USAGE, "standard input"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_bound(bound: list[str], code: int, mentioned: str, ask: Run) -> None:
    ran = ask("infer", "affine", *(word for input in bound for word in ("--input", input)))
    assert (ran.code, ran.stdout) == (code, "")
    check_message(ran, mentioned)


def test_one_array_of_a_file(ask: Run, server: Server) -> None:
    ran = cli.run("convert", "x.npz:layer/a", "x.safetensors:b", "--json", server=server.address)
    assert (ran.code, ran.stderr) == (OK, "")
    first, second = ran.json_lines()
    cli.check_converted(first, server.address, {"layer/a": INPUTS["left"]})
    assert [tensor["name"] for tensor in second["tensors"]] == ["b"]
    assert [row["name"] for row in cli.run("inspect", "x.npz:b", "--json").json()] == ["b"]


def test_one_array_of_standard_input(ask: Run, server: Server) -> None:
    """`-:` begins as a short option does."""
    stdin = Path("x.npz").read_bytes()
    for words in (["-:b", "--json"], ["--json", "-:b"]):
        ran = cli.run("convert", *words, server=server.address, stdin=stdin)
        assert (ran.code, ran.stderr) == (OK, "")
        cli.check_converted(ran.json(), server.address, {"b": INPUTS["right"]})
        assert [row["name"] for row in cli.run("inspect", *words, stdin=stdin).json()] == ["b"]
    assert cli.run("convert", "-:c", server=server.address, stdin=stdin).code == BAD_FILE


def test_a_file_with_a_colon_in_its_name_is_that_file(ask: Run, tmp_path: Path) -> None:
    cli.save(tmp_path / "x.npz:b", np.zeros(3))
    Path("x.npz:b.npy").rename("x.npz:b")
    assert [row["shape"] for row in cli.run("inspect", "x.npz:b", "--json").json()] == [[3]]
