"""Programs of torch.export.save: the server gives the bits of `torch.export.load(file).module()`, or says why not."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn
from torch.export import Dim

from exported_programs import OPEN, PROGRAMS, Calls, Program
from harness import MIB, Server, becomes_true, connect_stub
from served_models import cached_export, check_outputs, infer, listed, put_file
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_stream, convert_unary


def export(module: nn.Module, program: Program, file: Path) -> None:
    torch.manual_seed(0)
    shapes = program.dynamic_shapes
    exported = torch.export.export(module, program.args, dict(program.kwargs), dynamic_shapes=shapes)
    torch.export.save(exported, file)


def export_all(folder: Path) -> None:
    for name, program in PROGRAMS.items():
        torch.manual_seed(0)
        module = program.module()
        module.train(name.endswith("-training"))
        exported = torch.export.export(
            module, program.args, dict(program.kwargs), dynamic_shapes=program.dynamic_shapes
        )
        if name.endswith("-of-functions"):
            exported = exported.run_decompositions()
        torch.export.save(exported, folder / f"{name}.pt2")


@pytest.fixture(scope="module")
def files() -> Path:
    return cached_export("exported-programs", export_all)


@pytest.fixture(scope="module")
def stub(files: Path) -> Iterator[TensorServiceStub]:
    with Server("--model-dir", str(files), "--intra-op-threads", "1") as server, connect_stub(server.address) as stub:
        yield stub


def named_inputs(file: Path, args: object, kwargs: object) -> dict[str, Tensor]:
    names = torch.export.load(file).graph_signature.user_inputs
    leaves = pytree.tree_leaves((args, kwargs))
    return {name: leaf for name, leaf in zip(names, leaves, strict=True) if isinstance(leaf, Tensor)}


def run_in_python(file: Path, args: object, kwargs: object) -> dict[str, Tensor]:
    """What PyTorch computes, as leaves by their places, on one thread."""
    torch.set_num_threads(1)
    module = torch.export.load(file).module()
    args, kwargs = pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, (args, kwargs))
    with torch.inference_mode():
        result = module(*args, **kwargs)
    outputs = {}
    for path, leaf in pytree.tree_flatten_with_path(result)[0]:
        place = "RESULT"
        for key in path:
            place += f"[{key.key if isinstance(key, pytree.MappingKey) else place_in(key, result)}]"
        if leaf is not None:
            outputs[place] = torch.as_tensor(leaf)
    return outputs


def place_in(key: object, result: object) -> object:
    """The place of an element of a tuple; a field of a NamedTuple counts as one."""
    return key.idx if isinstance(key, pytree.SequenceKey) else {"x": 0, "y": 1}[key.name]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", PROGRAMS)
def test_outputs_are_those_of_pytorch_bit_for_bit(stub: TensorServiceStub, files: Path, name: str) -> None:
    program, file = PROGRAMS[name], files / f"{name}.pt2"
    assert listed(stub)[name]["1"].platform == "exported", listed(stub)[name]["1"].reason
    for args in (program.args, *program.others, program.args):
        inputs = named_inputs(file, args, program.kwargs)
        check_outputs(convert_unary(stub, infer(name, inputs)), run_in_python(file, args, program.kwargs))


def test_inputs_have_the_names_shapes_and_dtypes_of_the_program(stub: TensorServiceStub) -> None:
    specs = [(spec.name, spec.dtype, list(spec.shape)) for spec in listed(stub)["attention"]["1"].inputs]
    assert specs == [("src", "float32", [-1, -1, 16])]
    assert [spec.name for spec in listed(stub)["nested"]["1"].inputs] == ["x", "more_of_0", "shift"]


ROWS = Dim("rows", min=3, max=8)
CROPPED = Calls(lambda x, table: x + table[: x.shape[0]])
DOUBLED = Calls(lambda x, y: torch.cat([x, x]) + y)

# Each case has a module, an example and its open sizes, sizes that are refused, and words of the refusal.
REFUSED = {
    "range": (Calls(lambda x: x * 2), [5], {0: ROWS}, [9], "3 to 8"),
    "fixed": (Calls(lambda x: x * 2), [5], None, [4], "takes [5]"),
    "equal": (
        Calls(lambda x, y: x + y),
        [5, 5],
        [{0: ROWS}, {0: ROWS}],
        [4, 5],
        "dimension 0 of 'args_1' == dimension 0",
    ),
    "guard": (CROPPED, [5, 7], [{0: OPEN}, {0: OPEN}], [7, 5], "dimension 0 of 'args_0' <= dimension 0 of 'args_1'"),
    "multiple": (DOUBLED, [4, 8], [{0: ROWS}, {0: 2 * ROWS}], [4, 7], "2 * dimension 0 of 'args_0'"),
    "hidden": (Calls(lambda x: x * 2), [8], {0: 2 * ROWS}, [7], "% 2"),
}


def refused_program(folder: Path, name: str, deferred: bool = False) -> None:
    module, example, shapes, _, _ = REFUSED[name]
    args = tuple(torch.rand(size) for size in example)
    each = shapes if isinstance(shapes, list) else [shapes]
    program = torch.export.export(
        module, args, dynamic_shapes=(tuple(each),), prefer_deferred_runtime_asserts_over_guards=deferred
    )
    torch.export.save(program, folder / f"{name}{'-asserted' * deferred}.pt2")


def test_sizes_that_a_program_was_not_exported_for_are_refused(tmp_path: Path) -> None:
    for name in REFUSED:
        refused_program(tmp_path, name)
        refused_program(tmp_path, name, deferred=True)
    with Server("--model-dir", str(tmp_path)) as server, connect_stub(server.address) as stub:
        for name, (_, example, _, sizes, words) in REFUSED.items():
            for model in (name, f"{name}-asserted"):
                names = [spec.name for spec in listed(stub)[model]["1"].inputs]
                good = {name: torch.rand(size) for name, size in zip(names, example, strict=True)}
                assert convert_unary(stub, infer(model, good)).refusal is None
                bad = {name: torch.rand(size) for name, size in zip(names, sizes, strict=True)}
                refusal = convert_unary(stub, infer(model, bad)).refusal
                assert refusal is not None and refusal.reason == "INPUT_MISMATCH", model
                assert words.replace("args", names[0].rsplit("_", 1)[0]) in refusal.message


def test_a_models_own_error_names_the_operator(tmp_path: Path) -> None:
    program = Program(lambda: Calls(lambda x, i: x[i]), (torch.rand(3), torch.tensor([0])))
    export(program.module(), program, tmp_path / "index.pt2")
    with Server("--model-dir", str(tmp_path)) as server, connect_stub(server.address) as stub:
        names = [spec.name for spec in listed(stub)["index"]["1"].inputs]
        inputs = dict(zip(names, (torch.rand(3), torch.tensor([7])), strict=True))
        refusal = convert_unary(stub, infer("index", inputs)).refusal
        assert refusal is not None and refusal.reason == "MODEL_FAILED"
        words = "index 7 is out of bounds for dimension 0 with size 3"
        assert f"aten::index.Tensor: {words}" in refusal.message
        assert becomes_true(lambda: "Convert: MODEL_FAILED" in server.log())
        (line,) = [line for line in server.log().splitlines() if "Convert: MODEL_FAILED" in line]
        assert line.count(words) == 1
        assert server.alive()


def rewritten(file: Path, to: Path, change: object) -> None:
    """Writes the archive with another program in it."""
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(to, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if "/models/" in entry.filename:
                program = json.loads(data)
                change(program)  # type: ignore[operator]
                data = json.dumps(program).encode()
            new.writestr(entry.filename, data)


def target(name: str) -> object:
    return lambda program: program["graph_module"]["graph"]["nodes"][0].update(target=name)


UNREADABLE = {
    "version": (lambda program: program["schema_version"].update(major=7), "its schema version is 7."),
    "operator": (target("torch.ops.aten.no_such.default"), "no operator 'aten::no_such.default'"),
    "library": (target("torch.ops.mine.relu.default"), "Unknown builtin op: mine::relu"),
    "higher-order": (target("torch.ops.higher_order.flex_attention"), "flex_attention"),
    "function": (target("os.system"), "'os.system'"),
}


def test_what_cannot_be_run_is_refused_by_name(files: Path, tmp_path: Path) -> None:
    for name, (change, _) in UNREADABLE.items():
        rewritten(files / "mlp.pt2", tmp_path / f"{name}.pt2", change)
    with Server("--model-dir", str(tmp_path)) as server, connect_stub(server.address) as stub:
        reasons = {name: versions["1"].reason for name, versions in listed(stub).items() if name in UNREADABLE}
    for name, (_, words) in UNREADABLE.items():
        assert words in reasons[name], reasons


def test_an_archive_that_was_packed_anew_gives_the_same_bits(files: Path, tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(files / "mlp.pt2") as old,
        zipfile.ZipFile(tmp_path / "mlp.pt2", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    with (
        Server("--model-dir", str(tmp_path), "--intra-op-threads", "1") as server,
        connect_stub(server.address) as stub,
    ):
        args = PROGRAMS["mlp"].args
        inputs = named_inputs(files / "mlp.pt2", args, {})
        check_outputs(convert_unary(stub, infer("mlp", inputs)), run_in_python(files / "mlp.pt2", args, {}))


BATCHED = """
default_model_filename: "cnn-open.pt2"
max_batch_size: 8
dynamic_batching {}
instance_group { count: 2 kind: KIND_CPU }
input { name: "ARGS[0]" data_type: TYPE_FP32 dims: [ 3, 10, 10 ] }
output { name: "pooled__0" data_type: TYPE_FP32 dims: [ 8, 4, 4 ] }
"""


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_configuration_names_and_batches_a_program(files: Path, tmp_path: Path, isolation: str) -> None:
    put_file(tmp_path / "images", files / "cnn-open.pt2", BATCHED)
    flags = ["--model-dir", str(tmp_path), "--intra-op-threads", "1", "--isolation", isolation]
    with Server(*flags) as server, connect_stub(server.address) as stub:
        info = listed(stub)["images"]["1"]
        assert [(spec.name, list(spec.shape)) for spec in info.inputs] == [("ARGS[0]", [-1, 3, 10, 10])], info.reason
        for rows in (1, 3, 8):
            x = torch.rand(rows, 3, 10, 10)
            expected = run_in_python(files / "cnn-open.pt2", (x,), {})["RESULT"]
            check_outputs(convert_unary(stub, infer("images", {"ARGS[0]": x})), {"pooled__0": expected})
        refusal = convert_unary(stub, infer("images", {"ARGS[0]": torch.rand(9, 3, 10, 10)})).refusal
        assert refusal is not None and refusal.reason == "INPUT_MISMATCH"


def test_a_configuration_that_contradicts_the_program_is_refused(files: Path, tmp_path: Path) -> None:
    put_file(tmp_path / "images", files / "cnn-open.pt2", BATCHED.replace("3, 10, 10", "1, 10, 10"))
    with Server("--model-dir", str(tmp_path)) as server, connect_stub(server.address) as stub:
        assert "the program was exported for float32 with shape [-1, 3, 10, 10]" in listed(stub)["images"]["1"].reason


def test_a_file_that_is_cut_short_while_it_is_served_costs_its_requests(files: Path, tmp_path: Path) -> None:
    shutil.copy(files / "mlp.pt2", tmp_path / "mlp.pt2")
    with Server("--model-dir", str(tmp_path)) as server, connect_stub(server.address) as stub:
        inputs = named_inputs(files / "mlp.pt2", PROGRAMS["mlp"].args, {})
        assert convert_unary(stub, infer("mlp", inputs)).refusal is None
        os.truncate(tmp_path / "mlp.pt2", 0)
        refusal = convert_unary(stub, infer("mlp", inputs)).refusal
        assert refusal is not None and refusal.reason == "MODEL_FAILED" and "cut short" in refusal.message
        assert convert_unary(stub, infer("identity", inputs)).refusal is None


class Table(nn.Module):
    """Has 32 MiB of weights, all of which its answer depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(8.0 * MIB))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight.sum()


def test_weights_are_the_file_for_all_executors_and_versions(tmp_path: Path) -> None:
    program = Program(Table, (torch.zeros(1),))
    export(Table(), program, tmp_path / "file")
    for version in range(1, 11):
        (tmp_path / f"models/table/{version}").mkdir(parents=True)
        os.link(tmp_path / "file", tmp_path / f"models/table/{version}/model.pt2")
    config = "version_policy { all {} } instance_group { count: 4 kind: KIND_CPU }"
    (tmp_path / "models/table/config.pbtxt").write_text(config)
    expected = run_in_python(Path(shutil.copy(tmp_path / "file", tmp_path / "file.pt2")), program.args, {})
    flags = ["--model-dir", f"{tmp_path}/models", "--intra-op-threads", "1"]
    with Server(*flags, "--load-model", "none") as server:
        without = server.own_memory()
    with Server(*flags) as server, connect_stub(server.address) as stub:
        for version in range(1, 11):
            outcome = convert_unary(stub, infer("table", {"x": torch.zeros(1)}, model_version=f"{version}"))
            check_outputs(outcome, expected)
        assert server.own_memory() - without < 64 * MIB, "ten versions with copies of their own would be 320"


def test_values_are_freed_after_their_last_use(tmp_path: Path) -> None:
    def chain(x: Tensor) -> Tensor:
        for _ in range(30):
            x = x + 1
        return x.sum()

    program = Program(lambda: Calls(chain), (torch.zeros(8 * MIB),))
    export(program.module(), program, tmp_path / "chain.pt2")
    with Server("--model-dir", f"{tmp_path}") as server, connect_stub(server.address) as stub:
        before = server.peak_rss()
        outcome = convert_stream(
            stub, infer("chain", {listed(stub)["chain"]["1"].inputs[0].name: torch.zeros(8 * MIB)})
        )
        assert outcome.refusal is None, outcome.refusal
        assert server.peak_rss() - before < 8 * 32 * MIB, "thirty values of 32 MiB would be 960"
