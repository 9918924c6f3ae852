from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.jit import is_scripting  # type: ignore[attr-defined]

import tensorferry


class Affine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)

    def forward(self, x: Tensor) -> Any:
        return self.norm(self.layer(x))


class Difference(nn.Module):
    def forward(self, left: Tensor, right: Tensor) -> dict[str, Tensor]:
        return {"difference": left - right, "total": left + right}


class Halves(NamedTuple):
    lower: Tensor
    upper: Tensor


class Split(nn.Module):
    def forward(self, x: Tensor, times: Tensor | None = None) -> Halves:
        return Halves(x[:, :2], x[:, 2:])


class Named(NamedTuple):
    zeta: Tensor
    alpha: Tensor


@dataclass
class Fields:
    zeta: Tensor
    alpha: Tensor


class Formed(nn.Module):
    """Returns two tensors in some form."""

    def __init__(self, form: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.form = form

    def forward(self, x: Tensor) -> Any:
        y = self.layer(x)
        return self.form(y, 2 * y)


class AnyNumber(nn.Module):
    def forward(self, *tensors: Tensor) -> Tensor:
        return tensors[0]


class Returns(nn.Module):
    """Returns what it is given first, whatever the input."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def forward(self, x: Tensor) -> Any:
        return self.result


class Unscriptable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return sum((x * factor for factor in {"a": 1.0, "b": 2.0}.values()), start=x)


class Other(nn.Module):
    """Computes something else as TorchScript."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1000 if is_scripting() else x


ROWS = torch.arange(12.0).reshape(4, 3)


def script(module: nn.Module, inputs: Any, folder: str | Path, **options: Any) -> Path:
    return tensorferry.export(module, inputs, folder, format="torchscript", **options)


def load(file: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(file))  # type: ignore[no-untyped-call]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


QUANTISED = torch.quantize_per_tensor(ROWS, 0.1, 0, torch.quint8)
BATCH = {"dynamic_batch": True}

# Each case has a module, example inputs and options, and what is said of them.
REFUSED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "format": (
        Affine(),
        [ROWS],
        {"format": "onnx"},
        "format 'onnx': expected 'aotinductor' or 'torchscript' or 'exported'",
    ),
    "meta": (Affine(), [ROWS.to("meta")], {}, "example input 'x' is on the device meta, and has no elements"),
    "no rows": (Affine(), [ROWS], {"max_batch_size": 0}, "max_batch_size 0: expected at least 1"),
    "no batches": (Affine(), [ROWS], {"max_batch_size": 8}, "max_batch_size 8 is for dynamic_batch=True"),
    "no inputs": (Split(), [], {}, "example_inputs do not fit forward"),
    "too many": (Affine(), [ROWS, ROWS], {}, "example_inputs do not fit forward"),
    "other name": (Affine(), {"y": ROWS}, {}, "example_inputs do not fit forward"),
    "any number": (AnyNumber(), [ROWS], {}, "takes tensors without a name"),
    "none of any number": (AnyNumber(), [], {}, "expected one tensor for each argument of forward, got none"),
    "no tensor": (Affine(), [3], {}, "example input 'x' is int, expected a tensor"),
    "an array": (Affine(), [ROWS.numpy()], {}, "example input 'x' is ndarray, expected a tensor"),
    "a dictionary": (Affine(), [{"a": ROWS}], {}, "example input 'x' is dict, expected a tensor"),
    "bare tensor": (Affine(), ROWS, {}, "example_inputs is Tensor, expected a list or dictionary of tensors"),
    "bare number": (Affine(), 3, {}, "example_inputs do not fit forward"),
    "number as a name": (Affine(), {1: ROWS}, {}, "example_inputs do not fit forward"),
    "sparse": (Affine(), [ROWS.to_sparse()], {}, "example input 'x' has the layout sparse_coo"),
    "sparse output": (Returns(ROWS.to_sparse()), [ROWS], {}, "output 'OUTPUT__0' has the layout sparse_coo"),
    "other dtype": (Returns(QUANTISED), [ROWS], {}, "output 'OUTPUT__0' is quint8, which the server has not"),
    "rows of a float": (
        Affine(),
        [ROWS],
        {"max_batch_size": 2.0},
        "max_batch_size 2.0: expected a whole number",
    ),
    "too many rows": (Affine(), [ROWS], {"max_batch_size": 1 << 31}, "expected at most 2147483647"),
    "function": (lambda x: x, [ROWS], {}, "module is function, expected a torch.nn.Module"),
    "class": (Affine, [ROWS], {}, "module is the class Affine, expected an object of it"),
    "output of no name": (Returns({1: ROWS}), [ROWS], {}, "output 1 is Tensor, expected a name of type str"),
    "number": (Returns(3), [ROWS], {}, "the module returns int, expected tensors"),
    "nested": (
        Returns((ROWS, [ROWS])),
        [ROWS],
        {},
        "output 'OUTPUT__1' is list, expected a tensor. Export a module that calls this one",
    ),
    "unequal": (Difference(), [ROWS, ROWS[:1]], BATCH, "first dimension, got {'left': 4, 'right': 1}"),
    "scalar": (Affine(), [torch.tensor(1.0)], BATCH, "the same first dimension, got {'x': None}"),
    "many rows": (Affine(), [ROWS], {**BATCH, "max_batch_size": 3}, "expected 1 to max_batch_size, 3"),
    "scalar output": (Returns(torch.tensor(1.0)), [ROWS], BATCH, "output 'OUTPUT__0' has no dimension"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_arguments_that_do_not_fit_are_refused(case: str, tmp_path: Path) -> None:
    module, inputs, options, said = REFUSED[case]
    with pytest.raises(ValueError) as raised:  # noqa: PT011  Its text is looked at.
        tensorferry.export(module, inputs, tmp_path / "model", **{"format": "torchscript", **options})
    assert said in str(raised.value)
    assert not (tmp_path / "model").exists()
    assert getattr(module, "training", True)


WRONG_TYPES = {
    "rtol": ("x", "rtol is a number or None, not str 'x'"),
    "atol": (torch.tensor([0.1, 0.2]), "atol is a number or None, not Tensor"),
    "path": (3, "path is a str or an os.PathLike of one, not int 3"),
    "dynamic_batch": ("no", "dynamic_batch is True or False, not str 'no'"),
    "portable": (np.array([1, 0]), "portable is True or False, not ndarray"),
    "allow_tracer_warnings": (None, "allow_tracer_warnings is True or False, not NoneType"),
}


@pytest.mark.parametrize("name", WRONG_TYPES)
def test_arguments_of_another_type_are_refused(name: str, tmp_path: Path) -> None:
    value, said = WRONG_TYPES[name]
    arguments: dict[str, Any] = {"path": tmp_path / "model", "rtol": 0.1, "atol": 0.1, name: value}
    with pytest.raises(TypeError, match=said):
        tensorferry.export(Affine(), [ROWS], format="torchscript", **arguments)
    assert not (tmp_path / "model").exists()


def test_a_path_is_not_empty() -> None:
    with pytest.raises(ValueError, match="path is empty"):
        script(Affine(), [ROWS], "")


CONFIG = """\
platform: "pytorch_libtorch"
max_batch_size: 16
dynamic_batching {}
input {
  name: "left"
  data_type: TYPE_FP32
  dims: [ 3 ]
}
input {
  name: "right"
  dims: [ 3 ]
}
output {
  name: "difference"
  dims: [ 3 ]
}
output {
  name: "total"
  dims: [ 3 ]
}
model_warmup {
  name: "example"
  batch_size: 1
  inputs {
    key: "left"
    value {
      data_type: TYPE_FP32
      dims: [ 3 ]
      input_data_file: "left"
    }
  }
  inputs {
    key: "right"
    value {
      dims: [ 3 ]
      input_data_file: "right"
    }
  }
}
parameters { key: "dtype:right" value { string_value: "complex64" } }
parameters { key: "dtype:difference" value { string_value: "complex64" } }
parameters { key: "dtype:total" value { string_value: "complex64" } }
"""


def test_a_model_comes_with_its_configuration_and_a_sample(tmp_path: Path) -> None:
    inputs = {"right": ROWS.to(torch.complex64), "left": ROWS}
    file = script(Difference(), inputs, tmp_path / "model", dynamic_batch=True, max_batch_size=16)
    assert contents(tmp_path / "model") == {
        "1/model.pt": file.read_bytes(),
        "config.pbtxt": CONFIG.encode(),
        ".exported.pbtxt": CONFIG.encode(),
        "warmup/left": ROWS[:1].numpy().tobytes(),
        "warmup/right": inputs["right"][:1].numpy().tobytes(),
    }
    assert torch.equal(load(file)(left=ROWS, right=ROWS)["total"], 2 * ROWS)


def test_a_shape_without_a_batch_is_the_examples(tmp_path: Path) -> None:
    script(Split(), [ROWS], tmp_path / "model")
    config = (tmp_path / "model/config.pbtxt").read_text()
    assert "batch" not in config.replace("batch_size: 1\n", "")
    assert re.findall(r"name: (.*)", config) == ['"x"', '"lower"', '"upper"', '"example"']
    assert re.findall(r"dims: (.*)", config) == ["[ 4, 3 ]", "[ 4, 2 ]", "[ 4, 1 ]", "[ 4, 3 ]"]
    assert (tmp_path / "model/warmup/x").read_bytes() == ROWS.numpy().tobytes()


def test_what_cannot_be_scripted_is_traced(tmp_path: Path) -> None:
    file = script(Unscriptable(), [ROWS], tmp_path / "model")
    assert torch.equal(load(file)(-ROWS), -4 * ROWS)


# Each case is a form in which a module may return two tensors, and the names of the outputs.
NAMED = ["zeta", "alpha"]
FORMS: dict[str, tuple[Callable[[Tensor, Tensor], Any], list[str]]] = {
    "tensor": (lambda zeta, alpha: zeta, ["OUTPUT__0"]),
    "tuple": (lambda zeta, alpha: (zeta, alpha), ["OUTPUT__0", "OUTPUT__1"]),
    "list": (lambda zeta, alpha: [zeta, alpha], ["OUTPUT__0", "OUTPUT__1"]),
    "dictionary": (lambda zeta, alpha: {"zeta": zeta, "alpha": alpha}, NAMED),
    "ordered dictionary": (lambda zeta, alpha: OrderedDict(zeta=zeta, alpha=alpha), NAMED),
    "other mapping": (lambda zeta, alpha: MappingProxyType({"zeta": zeta, "alpha": alpha}), NAMED),
    "NamedTuple": (Named, NAMED),
    "dataclass": (Fields, NAMED),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamic_batch", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_outputs_have_their_names_in_every_form(name: str, dynamic_batch: bool, tmp_path: Path) -> None:
    """Traced, as these are, the file would forget the fields' names."""
    form, names = FORMS[name]
    module = Formed(form).eval()
    file = script(module, [ROWS], tmp_path / "model", dynamic_batch=dynamic_batch)
    config = (tmp_path / "model/config.pbtxt").read_text()
    assert re.findall(r'output {\n  name: "(\w+)"', config) == names
    outputs = load(file)(ROWS)
    if names == NAMED:
        assert list(outputs) == names
    first = outputs["zeta"] if names == NAMED else outputs if name == "tensor" else outputs[0]
    assert torch.equal(first, module.layer(ROWS))


def test_versions_are_numbered_on(tmp_path: Path) -> None:
    for name in ("7", "latest", "09x"):
        (tmp_path / "model" / name).mkdir(parents=True)
    assert script(Affine(), [ROWS], tmp_path / "model") == tmp_path / "model/8/model.pt"
    assert script(Affine(), [ROWS], str(tmp_path / "model")) == tmp_path / "model/9/model.pt"
    names = {entry.name for entry in (tmp_path / "model").iterdir()}
    assert names == {"7", "8", "9", "latest", "09x", "warmup", "config.pbtxt", ".exported.pbtxt"}


def test_a_model_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="output 'OUTPUT__0' of the exported model is not the module's"):
        script(Other(), [ROWS], tmp_path / "model")
    assert not (tmp_path / "model").exists()

    script(Affine(), [ROWS], tmp_path / "model")
    before = contents(tmp_path)
    with pytest.raises(RuntimeError):
        script(Other(), [ROWS], tmp_path / "model")
    assert contents(tmp_path) == before


def modes(module: nn.Module) -> list[bool]:
    return [part.training for part in module.modules()]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_what_was_being_trained_still_is(training: bool, fails: bool, tmp_path: Path) -> None:
    """Part by part: what is frozen of a module in training stays so."""
    module = Affine().train(training)
    module.norm.train(not training)
    before = modes(module)
    if fails:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            script(module, [ROWS.T], tmp_path / "model")
    else:
        script(module, [ROWS], tmp_path / "model")
    assert modes(module) == before


def test_without_torch_there_is_the_client_but_no_export() -> None:
    program = """
import sys
sys.modules["torch"] = None
import tensorferry
try:
    tensorferry.export(None, [], "model")
except ImportError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "tensorferry.export needs torch: pip install torch\n"
