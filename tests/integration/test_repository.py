"""Model repositories: every layout that serves, and why each that does not is left unavailable beside the others."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import grpc
import pytest
import torch
from torch import Tensor, nn

import models
import tensorferry
from harness import Server, connect_stub, run_to_exit
from served_models import (
    Plus,
    check_outputs,
    config_tensor,
    entries_of,
    infer,
    listed,
    masked_package,
    package_with_weights_beside,
    script,
    zipped,
)
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_unary

X = {"x": torch.arange(4.0)}


class Link(str):
    """A symbolic link to this place."""


class TakesNumber(nn.Module):
    def forward(self, x: Tensor, power: int) -> Tensor:
        return x**power


class GivesNumber(nn.Module):
    def forward(self, x: Tensor) -> int:
        return x.numel()


# Each path has a module to script, text, bytes, a file to copy, a link, nothing for an empty folder, or a function that
# makes it.
Content = nn.Module | str | bytes | Path | Link | None
Tree = Mapping[str, Content | Callable[[], Content]]


def lay_out(root: Path, tree: Tree) -> None:
    for name, content in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content) and not isinstance(content, nn.Module):
            content = content()
        if content is None:
            path.mkdir()
        elif isinstance(content, Link):
            path.symlink_to(content)
        elif isinstance(content, Path):
            shutil.copy(content, path)
        elif isinstance(content, nn.Module):
            path.write_bytes(script(content))
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def versions(name: str, *numbers: int, config: str = "") -> Tree:
    return {f"{name}/{n}/model.pt": Plus(n) for n in numbers} | {f"{name}/config.pbtxt": config}


def configured(config: str, module: nn.Module = Plus(1)) -> Tree:  # noqa: B008  Never changed.
    """A model that nothing but its configuration is wrong with."""
    return {"1/model.pt": module, "config.pbtxt": config}


LATEST_TWO = "version_policy { latest { num_versions: 2 } }"
SPECIFIC = "version_policy { specific { versions: [9, 1] } }"
MODEL, WEIGHTS = (f'default_model_filename: "{name}"' for name in ("model.pt", "weights.v2"))
NO_NUMBERS = ("03", "-4", "0", "4.5", "4a", "latest", "\N{ARABIC-INDIC DIGIT FOUR}")

# Each case has a model's files, and the versions that serve with the number that each adds.
SERVING: dict[str, tuple[Tree, dict[str, int]]] = {
    "file": ({"file.pt": Plus(1)}, {"1": 1}),
    "1.5_B-c": ({"1.5_B-c.pt": Plus(9)}, {"1": 9}),
    "folder": ({"folder/model.pt": Plus(2)}, {"1": 2}),
    "version": (versions("version", 1), {"1": 1}),
    "any-version": (versions("any-version", 20240131), {"20240131": 20240131}),
    "latest": (versions("latest", 1, 9, 10), {"10": 10}),
    "latest-two": (versions("latest-two", 1, 9, 10, config=LATEST_TWO), {"9": 9, "10": 10}),
    "all": (versions("all", 1, 9, 10, config="version_policy { all {} }"), {"1": 1, "9": 9, "10": 10}),
    "specific": (versions("specific", 1, 9, 10, config=SPECIFIC), {"1": 1, "9": 9}),
    "not-numbers": ({f"not-numbers/{name}/model.pt": Plus(5) for name in ("3", *NO_NUMBERS)}, {"3": 5}),
    "other-name": ({"other-name/6/weights.v2": Plus(6), "other-name/config.pbtxt": WEIGHTS}, {"6": 6}),
    "one-of-two": (versions("one-of-two", 7, config=MODEL) | {"one-of-two/7/model.pt2": b""}, {"7": 7}),
    "same-name": (versions("same-name", 8, config='name: "same-name"'), {"8": 8}),
    "link-to-file": ({"link-to-file/1/model.pt": Link("../../file.pt")}, {"1": 1}),
    "link-to-version": ({"link-to-version/6": Link("../latest/9")}, {"6": 9}),
    "link-to-model": ({"link-to-model": Link("all")}, {"1": 1, "9": 9, "10": 10}),
}


def package_for(**changes: str) -> bytes:
    """A package whose metadata name another target."""
    entries = entries_of(masked_package())
    for name in entries:
        if name.endswith("_metadata.json"):
            entries[name] = json.dumps({**json.loads(entries[name]), **changes}).encode()
    return zipped(entries)


def of_newer_torch() -> bytes:
    """A file in a format that comes after all that this torch knows."""
    entries = entries_of(script(Plus(1)))
    return zipped({name: b"99\n" if name.endswith("/version") else content for name, content in entries.items()})


def with_unknown_operator() -> bytes:
    """A file whose code calls an operator that torch has not."""
    entries = entries_of(script(nn.ReLU()))
    code = next(name for name in entries if name.endswith(".py") and b"torch.relu(" in entries[name])
    return zipped({**entries, code: re.sub(rb"torch\.relu\(", b"ops.no_such_library.relu(", entries[code])})


def flipped(file: bytes) -> bytes:
    """Some bytes in the middle are others, which the archive's checksums tell."""
    middle = len(file) // 2
    return file[:middle] + bytes(byte ^ 255 for byte in file[middle : middle + 64]) + file[middle + 64 :]


def torch_save() -> bytes:
    buffer = io.BytesIO()
    torch.save(Plus(1).state_dict(), buffer)
    return buffer.getvalue()


def inputs(data_type: str, *names: str) -> str:
    return "".join(config_tensor("input", name, data_type, "4") for name in names)


TOO_FEW = (
    """model_warmup { name: "few" inputs { key: "x" value { data_type: TYPE_FP32 dims: [4] zero_data: true } } }"""
)
NO_SAMPLE = """model_warmup { name: "s" inputs { key: "x" value {
    data_type: TYPE_FP32 dims: [4] input_data_file: "no.bin" } } }"""
RESHAPE = config_tensor("input", "x", "TYPE_FP32", "4", "reshape { shape: [2, 3] }")
SYNTAX = "max_batch_size: 4\ndynamic_batching {\n  preferred_batch_size: [\n}\n"
PREFERRED = "max_batch_size: 4 dynamic_batching { preferred_batch_size: 5 }"
PARAMETER = 'parameters { key: "INFERENCE_MODE" value { string_value: "maybe" } }'

OLD_PROGRAM = {"serialized_exported_program.json": '{"schema_version": {"major": 7, "minor": 3}}'}

# Each case has what lies in a model's folder, and what the reason says.
BROKEN: dict[str, tuple[Tree, str]] = {
    "no-version": ({".": None}, "no version"),
    "no-file": ({"1": None}, "neither model.pt nor model.pt2"),
    "folder-as-file": ({"1/model.pt/model.pt": Plus(1)}, "neither model.pt nor model.pt2"),
    "dangling": ({"1/model.pt": Link("gone.pt")}, "neither model.pt nor model.pt2"),
    "twice": ({"1/model.pt": Plus(1), "../twice.pt": Plus(1)}, "two models have this name"),
    "both": ({"1/model.pt": Plus(1), "1/model.pt2": masked_package}, "both model.pt and model.pt2"),
    "beside": ({"1/model.pt": Plus(1), "model.pt": Plus(2)}, "both version folders and a model file"),
    "empty": ({"1/model.pt": b""}, "damaged"),
    "text": ({"1/model.pt": "no model at all\n" * 100}, "damaged"),
    "truncated": ({"1/model.pt": lambda: script(Plus(1))[:-100]}, "damaged"),
    "truncated-package": ({"1/model.pt2": lambda: masked_package().read_bytes()[:-100]}, "damaged"),
    "flipped": ({"1/model.pt": lambda: flipped(script(nn.Linear(64, 64)))}, "damaged"),
    "flipped-package": ({"1/model.pt2": lambda: flipped(masked_package().read_bytes())}, "damaged"),
    "empty-zip": ({"1/model.pt": zipped({})}, "archive does not contain any files"),
    "newer-torch": ({"1/model.pt": of_newer_torch}, "installation may be too old"),
    "unknown-operator": ({"1/model.pt": with_unknown_operator}, "Unknown builtin op: no_such_library::relu"),
    "weights-beside": ({"1/model.pt2": package_with_weights_beside}, "the package's weights are not in its library"),
    "any-zip": ({"1/model.pt": zipped({"any/version": "3\n", "any/readme.txt": "no model"})}, "neither TorchScript"),
    "exported-long-ago": ({"1/model.pt2": zipped(OLD_PROGRAM)}, "its schema version is 7.3, and this server reads 8.x"),
    "pickled": ({"1/model.pt": torch_save}, "torch.save"),
    "takes-number": ({"1/model.pt": TakesNumber()}, "power"),
    "gives-number": ({"1/model.pt": GivesNumber()}, "returns int"),
    "other-machine": ({"1/model.pt2": lambda: package_for(AOTI_MACHINE="aarch64")}, "aarch64"),
    "other-processor": ({"1/model.pt2": lambda: package_for(AOTI_CPU_ISA="AVX2 AVX1024")}, "AVX1024"),
    "other-device": ({"1/model.pt2": lambda: package_for(AOTI_DEVICE_KEY="cuda")}, "cuda"),
    "syntax": (configured(SYNTAX), "line 4"),
    "ensemble": (configured("ensemble_scheduling {}"), "ensemble_scheduling"),
    "sequences": (configured("sequence_batching {}"), "sequence_batching"),
    "decoupled": (configured("model_transaction_policy { decoupled: true }"), "decoupled"),
    "platform": (configured('platform: "onnxruntime_onnx"'), "onnxruntime_onnx"),
    "backend": (configured('backend: "tensorrt"'), "tensorrt"),
    "renamed": (configured('name: "another"'), "another"),
    "strings": (configured(inputs("TYPE_STRING", "x")), "'x' is of strings, but the model's 'x' is a tensor"),
    "inputs": (configured(inputs("TYPE_FP32", "x", "y", "z")), "3 inputs"),
    "same-place": (configured(inputs("TYPE_FP32", "INPUT__0", "OTHER__0")), "'INPUT__0' and 'OTHER__0' both mean the"),
    "no-place": (configured(inputs("TYPE_FP32", "INPUT__1")), "input 'INPUT__1' names a place where the model has no"),
    "reshape": (configured(RESHAPE), "input 'x': dims [4] and reshape [2, 3] do not have the same number of elements"),
    "no-sample": (configured(NO_SAMPLE), "model_warmup 's', input 'x': input_data_file 'no.bin': the file cannot be"),
    "typing-error": (configured("max_batch_sizes: 8"), "no field 'max_batch_sizes'; did you mean max_batch_size?"),
    "newer-format": (configured("from_the_future { deep: 3 }"), "line 1, column 17: ModelConfig has no field"),
    "ragged": (configured(config_tensor("input", "x", "TYPE_FP32", "4", "allow_ragged_batch: true")), "allow_ragged"),
    "checked-by-agents": (configured('model_repository_agents { agents { name: "checksum" } }'), "repository_agents"),
    "batch": ({"1/model.pt2": masked_package, "config.pbtxt": "max_batch_size: 65"}, "64"),
    "preferred": (configured(PREFERRED), "preferred_batch_size 5"),
    "absent-version": (configured("version_policy { specific { versions: 9 } }"), "version 9"),
    "absent-name": (configured('default_model_filename: "other.pt"'), "cannot be read"),
    "name-as-path": (configured('default_model_filename: "../1/model.pt"'), "default_model_filename"),
    "parameter": (configured(PARAMETER), "maybe"),
    "fails-on-its-sample": (configured(TOO_FEW, models.Failing()), "too few elements"),
    "file-outside": ({"1/model.pt": Link("../../../outside/model.pt")}, "outside"),
    "version-outside": ({"1": Link("../../outside")}, "outside"),
    "config-outside": ({"1/model.pt": Plus(1), "config.pbtxt": Link("../../outside/config.pbtxt")}, "outside"),
    "absolute-outside": ({"1/model.pt": Link("/proc/self/exe")}, "outside"),
}
BAD_NAMES = ["two words", "ümlaut", "a:b", "x" * 129, "..."]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with all of these."""
    base = tmp_path_factory.mktemp("base")
    lay_out(base, {"outside/model.pt": Plus(1), "outside/config.pbtxt": ""})
    repository = base / "repository"
    for tree, _ in SERVING.values():
        lay_out(repository, tree)
    for name, (tree, _) in BROKEN.items():
        lay_out(repository / name, tree)
    lay_out(repository, {f"{name}.pt": Plus(1) for name in [*BAD_NAMES, ".hidden"]} | {"readme.txt": "no model"})
    return repository


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    with Server("--model-dir", f"{root}") as running:
        yield running
        assert running.alive(), running.log()


@pytest.fixture(scope="module")
def stub(server: Server) -> Iterator[TensorServiceStub]:
    with connect_stub(server.address) as connected:
        yield connected


@pytest.mark.parametrize("name", SERVING)
def test_these_serve(name: str, server: Server, stub: TensorServiceStub) -> None:
    _, numbers = SERVING[name]
    states = {version: info.state for version, info in listed(stub)[name].items()}
    assert states == dict.fromkeys(numbers, pb.MODEL_STATE_READY)
    for version, number in numbers.items():
        check_outputs(convert_unary(stub, infer(name, X, model_version=version)), {"OUTPUT__0": X["x"] + number})
    newest = convert_unary(stub, infer(name, X))
    assert newest.response.model_version == max(numbers, key=int)
    with tensorferry.Client(server.address) as client:
        assert client.health(f"model:{name}") == tensorferry.HealthStatus.SERVING


@pytest.mark.parametrize("name", BROKEN)
def test_these_are_unavailable_and_say_why(name: str, server: Server, stub: TensorServiceStub) -> None:
    (info,) = listed(stub)[name].values()
    assert info.state == pb.MODEL_STATE_UNAVAILABLE
    assert BROKEN[name][1] in info.reason
    assert not re.search(r"(^|[^\w.])/\w", info.reason), "a path"
    refusal = convert_unary(stub, infer(name, X)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY")
    assert info.reason in refusal.message
    with tensorferry.Client(server.address) as client:
        assert client.health(f"model:{name}") == tensorferry.HealthStatus.NOT_SERVING


def test_nothing_else_is_a_model(server: Server, stub: TensorServiceStub) -> None:
    assert set(listed(stub)) == {*SERVING, *BROKEN, "identity"}
    assert server.log().count("'two words'") == 1
    with tensorferry.Client(server.address) as client, pytest.raises(tensorferry.RefusedError):
        client.health("model:no-such")


# Each case has flags, beside a repository with one model that is damaged; the exit code, and what stderr says.
ENDS: dict[str, tuple[list[str], int, str]] = {
    "a-model-fails": (["--strict-start"], 6, "damaged"),
    "a-model-is-absent": (["--strict-start", "--load-model", "no-such"], 6, "no-such"),
    "no-repository": (["--model-dir", "/no/such"], 6, "No such file or directory"),
    "no-device": (["--device", "cuda"], 3, "device cuda: this libtorch has no CUDA, or no GPU is here"),
}


@pytest.mark.parametrize("case", ENDS)
def test_the_start_ends_saying_why(case: str, tmp_path: Path) -> None:
    flags, code, said = ENDS[case]
    lay_out(tmp_path, {"good.pt": Plus(1), "bad.pt": b"no model"})
    ended = run_to_exit("--model-dir", f"{tmp_path}", *flags, environment={"CUDA_VISIBLE_DEVICES": ""})
    assert (ended.returncode, ended.stdout) == (code, "")
    assert said in ended.stderr.splitlines()[-1]


def test_only_what_is_asked_for_is_loaded(root: Path) -> None:
    flags = ["--model-dir", f"{root}", "--load-model", "all", "--load-model", "file", "--strict-start"]
    with Server(*flags) as server, connect_stub(server.address) as stub:
        assert set(listed(stub)) == {"all", "file", "identity"}
        assert convert_unary(stub, infer("folder", X)).reason == "MODEL_NOT_FOUND"
        check_outputs(convert_unary(stub, infer("all", X)), {"OUTPUT__0": X["x"] + 10})


def test_fields_that_are_not_honoured_are_named_once(tmp_path: Path) -> None:
    config = """version_policy { all {} } optimization { graph { level: 1 } } response_cache { enable: true }
        instance_group { count: 1 kind: KIND_CPU rate_limiter { priority: 2 } }
        parameters { key: "MYSTERY" value { string_value: "1" } }"""
    lay_out(tmp_path, {f"model/{n}/model.pt": Plus(n) for n in (1, 2)} | {"model/config.pbtxt": config})
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        check_outputs(convert_unary(stub, infer("model", X)), {"OUTPUT__0": X["x"] + 2})
        for name in ("optimization", "response_cache", "instance_group.rate_limiter", "MYSTERY"):
            (line,) = [line for line in server.log().splitlines() if name in line]
            assert "model" in line
        assert "instance_group.count" not in server.log()


class Difference(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x - y


def test_a_name_that_is_misspelt_is_told_if_the_order_contradicts_the_others(tmp_path: Path) -> None:
    for name, config in {"swapped": inputs("TYPE_FP32", "y", "z"), "harmless": inputs("TYPE_FP32", "x", "z")}.items():
        lay_out(tmp_path / name, configured(config, Difference()))
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        x, y = X["x"], torch.ones(4)
        check_outputs(convert_unary(stub, infer("swapped", {"y": x, "z": y})), {"OUTPUT__0": x - y})
        check_outputs(convert_unary(stub, infer("harmless", {"x": x, "z": y})), {"OUTPUT__0": x - y})
        (line,) = [line for line in server.log().splitlines() if "is none of the model's own" in line]
        assert "model swapped: config.pbtxt: input 'z' is none of the model's own, ['x', 'y']" in line
        assert line.endswith("so all inputs are taken in the model's order, and 'y' is taken for 'x'")


def test_a_model_whose_files_are_deleted_goes_on(tmp_path: Path) -> None:
    lay_out(tmp_path, {"model/1/model.pt": Plus(1), "compiled.pt2": masked_package})
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        assert listed(stub)["compiled"]["1"].platform == "aotinductor"
        shutil.rmtree(tmp_path)
        check_outputs(convert_unary(stub, infer("model", X)), {"OUTPUT__0": X["x"] + 1})
        ones = {"ARGS[0]": torch.ones(2, 4), "KWARGS[mask]": torch.ones(2, 3)}
        assert convert_unary(stub, infer("compiled", ones)).refusal is None
