"""Models in TorchScript and compiled by AOTInductor compute, bit by bit, what PyTorch computes with the same files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import torch
from torch import Tensor

import models
import oracle
import served_models
import tensorferry
from harness import MIB, Server, becomes_true, connect_stub
from served_models import ENGINES, FORMATS, check_outputs, config_tensor, infer, listed, put, run_in_python
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import TRANSPORTS, Outcome, Transport, array, convert_stream, convert_unary, request

each_transport = pytest.mark.parametrize("convert", TRANSPORTS.values(), ids=TRANSPORTS.keys())
each_format = pytest.mark.parametrize("format", FORMATS)

Naming = tuple[dict[str, int], dict[str, int]]

# Configurations may call the inputs and outputs of `Several` so: the names in their order, each with the place it
# means.
NAMINGS: dict[str, Naming] = {
    "own-names": ({"left": 0, "right": 1, "scale": 2}, {"OUTPUT__0": 0, "OUTPUT__1": 1}),
    "own-names-reordered": ({"scale": 2, "left": 0, "right": 1}, {"OUTPUT__1": 1, "OUTPUT__0": 0}),
    "numbered": ({"INPUT__0": 0, "INPUT__1": 1, "INPUT__2": 2}, {"OUTPUT__0": 0, "OUTPUT__1": 1}),
    "numbered-reordered": ({"B__1": 1, "C__2": 2, "A__0": 0}, {"SUM__1": 1, "PRODUCT__0": 0}),
    "in-order": ({"first": 0, "second": 1, "third": 2}, {"product": 0, "sum": 1}),
    "fewer-outputs": ({"left": 0, "right": 1, "scale": 2}, {"SUM__1": 1}),
    "call-spec": ({"KWARGS[scale]": 2, "KWARGS[left]": 0, "KWARGS[right]": 1}, {"RESULT[1]": 1, "RESULT[0]": 0}),
}
NAMED = [(format, name) for format in FORMATS for name in NAMINGS if format == "aotinductor" or name != "call-spec"]
SEVERAL = ENGINES["several"].inputs
DIMS_OF_SEVERAL = ([tuple(x.shape) for x in SEVERAL.values()], [(3, 5), (4,)])


def naming_config(naming: Naming) -> str:
    text = ""
    for kind, side, shapes in zip(("input", "output"), naming, DIMS_OF_SEVERAL, strict=True):
        for name, place in side.items():
            text += config_tensor(kind, name, "TYPE_FP32", ", ".join(map(str, shapes[place])))
    return text


RESHAPED = (
    "max_batch_size: 64\n"
    + config_tensor("input", "features", "TYPE_FP32", "4, 2, 2", "reshape { shape: [16] }")
    + config_tensor("output", "OUTPUT__0", "TYPE_FP32", "2, 4", "reshape { shape: [8] }")
)
SHIFT = config_tensor("input", "x", "TYPE_FP32", "-1")
SHIFT += config_tensor("input", "shift", "TYPE_FP32", "-1", "optional: true")
DICTIONARY = "".join(config_tensor("input", name, "TYPE_INT64", "-1") for name in "ab")
ORDERED = "".join(config_tensor("output", name, "TYPE_INT64", "-1") for name in ("product", "difference"))
SCRIPTED = {
    "sum": (served_models.Sum(), ""),
    "affine": (models.Affine(), ""),
    "any-shift": (served_models.Shifted(), ""),
    "shift": (served_models.Shifted(), SHIFT),
    "dictionary": (served_models.OfDictionary(), DICTIONARY),
    "dictionary-ordered": (served_models.OfDictionary(), DICTIONARY + ORDERED),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model files of a repository."""
    root = tmp_path_factory.mktemp("repository")
    found = {
        f"{name}-{format}": served_models.add_exported(root, name, format) for name in ENGINES for format in FORMATS
    }
    for format, naming in NAMED:
        served_models.put_file(root / f"{naming}-{format}", found[f"several-{format}"], naming_config(NAMINGS[naming]))
    for format in FORMATS:
        served_models.put_file(root / f"reshaped-{format}", found[f"perceptron-{format}"], RESHAPED)
    served_models.put_file(root / "masked", served_models.masked_package(), "max_batch_size: 64")
    shutil.copy(served_models.masked_package(), root / "bare.pt2")
    for dtype in oracle.ALL:
        example = {"x": served_models.random_bits(dtype, 2, 3)}
        tensorferry.export(served_models.Echo(), example, root / f"echo-{dtype}", format="torchscript")
    return found | {name: put(root / name, module, config) for name, (module, config) in SCRIPTED.items()}


@pytest.fixture(scope="module")
def stub(files: dict[str, Path]) -> Iterator[TensorServiceStub]:
    root = files["sum"].parents[2]
    with Server("--model-dir", f"{root}") as server, connect_stub(server.address) as connected:
        yield connected
        assert server.alive(), server.log()


@each_transport
@each_format
@pytest.mark.parametrize("name", ENGINES)
def test_outputs_are_pytorchs(
    name: str, format: str, convert: Transport, stub: TensorServiceStub, files: dict[str, Path]
) -> None:
    inputs = ENGINES[name].inputs
    outcome = convert(stub, infer(f"{name}-{format}", inputs))
    check_outputs(outcome, run_in_python(files[f"{name}-{format}"], **inputs))


@each_format
@pytest.mark.parametrize("rows", [1, 2, 17, 64])
@pytest.mark.parametrize("name", [name for name in ENGINES if ENGINES[name].dynamic_batch])
def test_batches_of_any_size_are_pytorchs(
    name: str, rows: int, format: str, stub: TensorServiceStub, files: dict[str, Path]
) -> None:
    inputs = {name: x.repeat(64, *[1] * (x.dim() - 1))[:rows] for name, x in ENGINES[name].inputs.items()}
    outcome = convert_unary(stub, infer(f"{name}-{format}", inputs))
    check_outputs(outcome, run_in_python(files[f"{name}-{format}"], **inputs))


@pytest.mark.parametrize("dtype", oracle.ALL)
def test_every_dtype_comes_back_as_it_went(dtype: str, stub: TensorServiceStub) -> None:
    x = served_models.random_bits(dtype, 2, 3)
    (spec,) = listed(stub)[f"echo-{dtype}"]["1"].inputs
    assert (spec.name, spec.dtype, list(spec.shape)) == ("x", dtype, [2, 3])
    for convert in TRANSPORTS.values():
        check_outputs(convert(stub, infer(f"echo-{dtype}", {"x": x})), {"OUTPUT__0": x})


def test_compiled_models_give_back_what_they_got(stub: TensorServiceStub) -> None:
    inputs = ENGINES["echoes"].inputs
    check_outputs(convert_stream(stub, infer("echoes-aotinductor", inputs)), inputs)
    assert [spec.dtype for spec in listed(stub)["echoes-aotinductor"]["1"].inputs] == served_models.ECHOED


@each_transport
@pytest.mark.parametrize(
    ("model", "dtype"),
    [("sum", "float8_e4m3fn"), ("sum", "float8_e5m2"), ("affine", "float8_e4m3fn"), ("affine", "uint32")],
)
def test_an_operator_without_kernel_is_named(
    model: str, dtype: str, convert: Transport, stub: TensorServiceStub, files: dict[str, Path]
) -> None:
    names = ["x"] if model == "sum" else ["left", "right"]
    inputs = dict.fromkeys(names, served_models.random_bits(dtype, 4, 4))
    with pytest.raises(NotImplementedError) as raised:
        run_in_python(files[model], **inputs)
    operator, torch_dtype = re.findall(r'"(\w+)" not implemented for \'(\w+)\'', str(raised.value))[-1]
    refusal = convert(stub, infer(model, inputs)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNIMPLEMENTED, "OPERATOR_UNSUPPORTED")
    assert operator in refusal.message and torch_dtype in refusal.message


NO_SUCH_ROW = {
    "torchscript": "aten::embedding: index out of range in self",
    "aotinductor": "cpp_fused_embedding_mean_0: index out of bounds: ",
    "exported": "aten::embedding: index out of range in self",
}


@each_format
def test_what_fails_in_a_model_is_told_with_its_operator(format: str, stub: TensorServiceStub) -> None:
    refusal = convert_unary(stub, infer(f"tokens-{format}", {"token": torch.full((1, 3), 1000)})).refusal
    assert refusal is not None and refusal.reason == "MODEL_FAILED"
    assert f"model 'tokens-{format}': {NO_SUCH_ROW[format]}" in refusal.message


@pytest.mark.parametrize(("format", "naming"), NAMED)
def test_a_configuration_names_inputs_and_outputs(
    format: str, naming: str, stub: TensorServiceStub, files: dict[str, Path]
) -> None:
    inputs, outputs = NAMINGS[naming]
    tensors = list(SEVERAL.values())
    results = list(run_in_python(files[f"several-{format}"], **SEVERAL).values())
    sent = {name: tensors[place] for name, place in inputs.items()}
    expected = {name: results[place] for name, place in outputs.items()}
    check_outputs(convert_unary(stub, infer(f"{naming}-{format}", sent)), expected)

    info = listed(stub)[f"{naming}-{format}"]["1"]
    assert [(spec.name, spec.dtype) for spec in info.inputs] == [(name, "float32") for name in sent]
    assert [(spec.name, list(spec.shape)) for spec in info.outputs] == [(n, list(x.shape)) for n, x in expected.items()]


@each_format
def test_a_model_may_have_other_shapes_than_callers_see(
    format: str, stub: TensorServiceStub, files: dict[str, Path]
) -> None:
    features = ENGINES["perceptron"].inputs["features"]
    expected = run_in_python(files[f"perceptron-{format}"], features=features)["OUTPUT__0"]
    outcome = convert_unary(stub, infer(f"reshaped-{format}", {"features": features.reshape(5, 4, 2, 2)}))
    check_outputs(outcome, {"OUTPUT__0": expected.reshape(5, 2, 4)})


@pytest.mark.parametrize("rows", [1, 2, 3, 64])
def test_a_package_compiled_for_two_rows_serves_batches_of_one(rows: int, stub: TensorServiceStub) -> None:
    x, mask = (torch.randn(64, size, generator=torch.Generator().manual_seed(size))[: max(rows, 2)] for size in (4, 3))
    expected = run_in_python(served_models.masked_package(), x, mask=mask)
    outcome = convert_unary(stub, infer("masked", {"ARGS[0]": x[:rows], "KWARGS[mask]": mask[:rows]}))
    check_outputs(outcome, {f"RESULT[{i}]": output[:rows] for i, output in enumerate(expected.values())})


@each_format
@pytest.mark.parametrize("rows", [1, 5])
def test_a_fortran_array_is_the_same_input(
    rows: int, format: str, stub: TensorServiceStub, files: dict[str, Path]
) -> None:
    x = ENGINES["perceptron"].inputs["features"][:rows]
    sent = array(">f4", x.shape, x.numpy().astype(">f4").tobytes("F"), fortran_order=True, name="features")
    outcome = convert_unary(stub, request(sent, model_name=f"perceptron-{format}"))
    laid_out = x if format == "aotinductor" else x.T.contiguous().T  # Which kernels of torch's operators heed.
    check_outputs(outcome, run_in_python(files[f"perceptron-{format}"], features=laid_out))


def test_a_package_without_a_configuration_says_what_it_takes(stub: TensorServiceStub) -> None:
    info = listed(stub)["bare"]["1"]
    specs = [(spec.name, spec.dtype, list(spec.shape)) for spec in info.inputs]
    assert specs == [("ARGS[0]", "float32", [-1, 4]), ("KWARGS[mask]", "float32", [-1, 3])]
    assert [spec.name for spec in info.outputs] == ["RESULT[0]", "RESULT[1]"]


@pytest.mark.parametrize("model", ["shift", "any-shift"])
def test_an_optional_input_may_be_left_out(model: str, stub: TensorServiceStub) -> None:
    x, shift = torch.arange(3.0), torch.tensor([10.0, 20.0, 30.0])
    check_outputs(convert_unary(stub, infer(model, {"x": x})), {"OUTPUT__0": x})
    check_outputs(convert_unary(stub, infer(model, {"shift": shift, "x": x})), {"OUTPUT__0": x + shift})


def test_a_model_of_a_dictionary(stub: TensorServiceStub) -> None:
    a, b = torch.tensor([5, 7]), torch.tensor([2, 3])
    difference, product = {"difference": a - b}, {"product": a * b}
    check_outputs(convert_unary(stub, infer("dictionary", {"b": b, "a": a})), difference | product)
    check_outputs(convert_unary(stub, infer("dictionary-ordered", {"a": a, "b": b})), product | difference)
    assert convert_unary(stub, infer("dictionary", {"a": a})).reason == "INPUT_MISMATCH"


# Each case replaces inputs of `Several`, or None for nothing. Then come the input at fault, what was expected, what
# came.
MISFITS: dict[str, tuple[dict[str, Tensor | None], str, str, str]] = {
    "dtype": ({"left": torch.ones(3, 4, dtype=torch.float64)}, "left", "float32", "float64"),
    "half": ({"right": torch.ones(4, 5, dtype=torch.float16)}, "right", "float32", "float16"),
    "rank": ({"left": torch.ones(3, 4, 1)}, "left", "[3, 4]", "[3, 4, 1]"),
    "no-rank": ({"right": torch.tensor(1.0)}, "right", "[4, 5]", "[]"),
    "scalar": ({"scale": torch.ones(1)}, "scale", "[]", "[1]"),
    "first-dim": ({"left": torch.ones(2, 4)}, "left", "[3, 4]", "[2, 4]"),
    "last-dim": ({"right": torch.ones(4, 6)}, "right", "[4, 5]", "[4, 6]"),
    "no-elements": ({"left": torch.ones(0, 4)}, "left", "[3, 4]", "[0, 4]"),
    "missing": ({"scale": None}, "scale", "scale", "2"),
    "unknown": ({"more": torch.ones(1)}, "more", "left", "more"),
}


@each_transport
@each_format
@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_is_refused(case: str, format: str, convert: Transport, stub: TensorServiceStub) -> None:
    changes, name, expected, actual = MISFITS[case]
    inputs = {key: x for key, x in (SEVERAL | changes).items() if x is not None}
    check_mismatch(convert(stub, infer(f"own-names-{format}", inputs)), name, expected, actual)
    assert convert(stub, infer(f"own-names-{format}", SEVERAL)).refusal is None


def of_masked(rows: int, mask_rows: int) -> dict[str, Tensor]:
    return {"ARGS[0]": torch.ones(rows, 4), "KWARGS[mask]": torch.ones(mask_rows, 3)}


# Each case has a model, inputs, and what the refusal says of them.
BATCH_MISFITS: dict[str, tuple[str, dict[str, Tensor], str, str, str]] = {
    "too-many-rows": ("perceptron-aotinductor", {"features": torch.ones(65, 16)}, "features", "64", "[65, 16]"),
    "no-rows": ("perceptron-torchscript", {"features": torch.ones(0, 16)}, "features", "1 to 64", "[0, 16]"),
    "no-batch": ("perceptron-torchscript", {"features": torch.ones(16)}, "features", "[-1, 16]", "[16]"),
    "unequal": ("masked", of_masked(2, 3), "mask", "as many", "3"),
    "one-row": ("bare", of_masked(1, 1), "ARGS[0]", "2 to 64", "[1, 4]"),
}


@pytest.mark.parametrize("case", BATCH_MISFITS)
def test_rows_that_do_not_fit_are_refused(case: str, stub: TensorServiceStub) -> None:
    model, inputs, name, expected, actual = BATCH_MISFITS[case]
    check_mismatch(convert_unary(stub, infer(model, inputs)), name, expected, actual)


def test_a_package_refuses_what_it_was_not_compiled_for(stub: TensorServiceStub) -> None:
    refusal = convert_unary(stub, infer("bare", of_masked(2, 3))).refusal
    assert refusal is not None
    assert refusal.reason == "INPUT_MISMATCH"
    assert "://" not in refusal.message, "torch's own words"


def check_mismatch(outcome: Outcome, name: str, expected: str, actual: str) -> None:
    refusal = outcome.refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INPUT_MISMATCH"), refusal.message
    assert name in refusal.message
    assert expected in refusal.metadata["expected"]
    assert actual in refusal.metadata["actual"]


BUDGET = 16 * MIB
LARGE_LEFT = {**SEVERAL, "left": torch.ones(512, 512)}
LARGE_MISFITS = {f"own-names-{format}": LARGE_LEFT for format in FORMATS} | {"bare": of_masked(65536, 65536)}


@pytest.mark.parametrize("model", LARGE_MISFITS)
def test_refused_inputs_leave_no_memory_behind(model: str, files: dict[str, Path]) -> None:
    message = infer(model, LARGE_MISFITS[model])
    flags = ["--model-dir", f"{files['sum'].parents[2]}", "--load-model", model, "--memory-budget", f"{BUDGET}"]
    with Server(*flags) as server, connect_stub(server.address) as stub:
        for _ in range(20):
            assert convert_unary(stub, message).reason == "INPUT_MISMATCH"
        before = server.rss()
        for _ in range(200):
            assert convert_unary(stub, message).reason == "INPUT_MISMATCH"
        assert server.rss() - before < 50 * MIB
        whole = request(array("|u1", (BUDGET,), bytes(BUDGET)))
        assert becomes_true(lambda: convert_unary(stub, whole).refusal is None)
