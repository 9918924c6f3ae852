"""A repository that changes while it serves: no request is lost, one version answers each, nothing is left over."""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import tensorferry
from compiled import Heavy, heavy_package, with_weights
from harness import MIB, TIMEOUT_S, Server, becomes_true, connect_stub
from served_models import (
    Echo,
    Gate,
    Gated,
    Plus,
    check_outputs,
    infer,
    listed,
    masked_package,
    package_with_weights_beside,
    put,
    put_bytes,
    put_file,
    script,
)
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import Outcome, Transport, convert_stream, convert_unary

X = torch.arange(4.0).reshape(1, 4)
MESSAGE = infer("model", {"x": X})
POLL = ["--model-control", "poll", "--model-poll-interval", "50ms"]
READY, UNAVAILABLE, UNLOADING = pb.MODEL_STATE_READY, pb.MODEL_STATE_UNAVAILABLE, pb.MODEL_STATE_UNLOADING


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one version of one model."""
    (tmp_path / "repository").mkdir()
    put(tmp_path / "repository/model", Plus(1))
    return tmp_path / "repository"


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    with Server("--model-dir", f"{root}", *POLL) as running:
        yield running
        assert running.alive(), running.log()
        assert running.stop() == 0


@pytest.fixture
def stub(server: Server) -> Iterator[TensorServiceStub]:
    with connect_stub(server.address) as connected:
        yield connected


def states(stub: TensorServiceStub, model: str = "model") -> dict[str, int]:
    return {version: info.state for version, info in listed(stub).get(model, {}).items()}


def number_of(outcome: Outcome) -> int:
    """What the model added; the same to every element."""
    assert outcome.refusal is None, outcome.refusal
    (output,) = outcome.outputs
    (number,) = (torch.frombuffer(bytearray(output.data), dtype=torch.float32) - X.reshape(-1)).unique().tolist()
    return int(number)


def adds(stub: TensorServiceStub, number: int, model: str = "model") -> bool:
    outcome = convert_unary(stub, infer(model, {"x": X}))
    return outcome.refusal is None and number_of(outcome) == number


def replace(file: Path, content: bytes) -> None:
    new = file.with_name(".new")
    new.write_bytes(content)
    new.replace(file)


def overwrite(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def relink(file: Path, content: bytes) -> None:
    """Makes the file a link to another, which appears under a name of its own."""
    store = file.parents[2] / ".store"
    store.mkdir(exist_ok=True)
    target = store / f"{len(list(store.iterdir()))}.pt"
    target.write_bytes(content)
    link = file.with_name(".link")
    link.symlink_to(os.path.relpath(target, file.parent))
    link.replace(file)


def call_until(address: str, convert: Transport, begun: threading.Barrier, ended: threading.Event) -> list[int]:
    """The versions that answered one caller, who calls 250 times, on until `ended`, and once more."""
    versions: list[int] = []
    with connect_stub(address) as stub:
        last = False
        while not last:
            last = len(versions) >= 250 and ended.is_set()
            outcome = convert(stub, MESSAGE)
            versions.append(number_of(outcome))
            assert outcome.response.model_version == str(versions[-1])
            if len(versions) == 1:
                begun.wait(TIMEOUT_S)
    return versions


def test_callers_see_new_versions_and_nothing_else(root: Path, server: Server, stub: TensorServiceStub) -> None:
    forms = [convert_unary, convert_stream] * 2
    begun, ended = threading.Barrier(len(forms) + 1), threading.Event()
    with ThreadPoolExecutor(len(forms)) as pool:
        callers = [pool.submit(call_until, server.address, convert, begun, ended) for convert in forms]
        try:
            begun.wait(TIMEOUT_S)
            for version in range(2, 12):
                put(root / "model", Plus(version), version=version)
                assert becomes_true(lambda version=version: adds(stub, version))
        finally:
            ended.set()
        for caller in callers:
            versions = caller.result()
            assert versions == sorted(versions)
            assert set(versions) >= {1, 11}
    assert becomes_true(lambda: states(stub) == {"11": READY})


@pytest.mark.parametrize("change", [replace, overwrite, relink])
def test_a_file_that_changes_is_loaded_anew(
    change: Callable[[Path, bytes], None], root: Path, stub: TensorServiceStub
) -> None:
    file = root / "model/1/model.pt"
    for number in (2, 3):
        before = listed(stub)["model"]["1"].sha256
        change(file, script(Plus(number)))
        assert becomes_true(lambda number=number: adds(stub, number))
        assert becomes_true(lambda: states(stub) == {"1": READY})
        assert listed(stub)["model"]["1"].sha256 != before


def test_a_linked_folder_may_be_swapped(root: Path, stub: TensorServiceStub) -> None:
    """The folder changes as a volume of Kubernetes does: all of it at once, by one link."""
    for number in (5, 6):
        put(root / f".data-{number}", Plus(number))
        (root / ".link").symlink_to(f".data-{number}")
        (root / ".link").replace(root / "linked")
        assert becomes_true(lambda number=number: adds(stub, number, "linked"))


def test_a_version_that_cannot_be_loaded_leaves_the_old_one(
    root: Path, server: Server, stub: TensorServiceStub
) -> None:
    put_bytes(root / "model/2/model.pt", script(Plus(2))[:-50])
    assert becomes_true(lambda: states(stub) == {"1": READY, "2": UNAVAILABLE})
    assert "damaged" in listed(stub)["model"]["2"].reason
    assert adds(stub, 1)
    with tensorferry.Client(server.address) as client:
        assert client.health("model:model") == tensorferry.HealthStatus.SERVING
    replace(root / "model/2/model.pt", script(Plus(2)))
    assert becomes_true(lambda: states(stub) == {"2": READY})
    assert adds(stub, 2)


def test_a_package_without_its_weights_is_not_run(root: Path, server: Server, stub: TensorServiceStub) -> None:
    put_bytes(root / "model/2/model.pt2", package_with_weights_beside())
    assert becomes_true(lambda: states(stub) == {"1": READY, "2": UNAVAILABLE})
    assert "weights are not in its library" in listed(stub)["model"]["2"].reason
    assert adds(stub, 1)


def test_a_file_that_breaks_leaves_the_model_as_it_was(root: Path, server: Server, stub: TensorServiceStub) -> None:
    overwrite(root / "model/1/model.pt", b"no model")
    assert becomes_true(lambda: "goes on as it was" in server.log())
    assert states(stub) == {"1": READY}
    assert adds(stub, 1)
    (root / "model/config.pbtxt").write_text("nonsense")
    replace(root / "model/1/model.pt", script(Plus(2)))
    assert becomes_true(lambda: "line 1" in server.log())
    assert adds(stub, 1)
    (root / "model/config.pbtxt").unlink()
    assert becomes_true(lambda: adds(stub, 2))


def test_a_configuration_that_changes_counts(root: Path, stub: TensorServiceStub) -> None:
    put(root / "model", Plus(2), version=2)
    assert becomes_true(lambda: states(stub) == {"2": READY})
    (root / "model/config.pbtxt").write_text("version_policy { all {} }")
    assert becomes_true(lambda: states(stub) == {"1": READY, "2": READY})
    (root / "model/config.pbtxt").write_text("version_policy { specific { versions: 1 } }")
    assert becomes_true(lambda: states(stub) == {"1": READY})
    assert adds(stub, 1)


def test_a_named_version_that_is_missing_keeps_no_other_from_serving(
    root: Path, server: Server, stub: TensorServiceStub
) -> None:
    for version in (2, 3):
        put(root / "model", Plus(version), version=version)
    (root / "model/config.pbtxt").write_text("version_policy { specific { versions: [1, 3, 7] } }")
    assert becomes_true(lambda: states(stub) == {"1": READY, "3": READY, "7": UNAVAILABLE})
    assert adds(stub, 3)
    assert "asks for version 7, which does not exist" in listed(stub)["model"]["7"].reason
    assert becomes_true(lambda: "model model version 7" in server.log())
    shutil.rmtree(root / "model/3")
    assert becomes_true(lambda: states(stub) == {"1": READY, "3": UNAVAILABLE, "7": UNAVAILABLE})
    put(root / "model", Plus(7), version=7)
    assert becomes_true(lambda: states(stub) == {"1": READY, "3": UNAVAILABLE, "7": READY})
    assert adds(stub, 7)


def is_unknown(client: tensorferry.Client, service: str) -> bool:
    """Whether health does not know the name."""
    try:
        client.health(service)
    except tensorferry.RefusedError:
        return True
    return False


def test_a_model_that_is_deleted_is_not_found(root: Path, server: Server, stub: TensorServiceStub) -> None:
    put(root / "model", Plus(2), version=2)
    assert becomes_true(lambda: adds(stub, 2))
    shutil.rmtree(root / "model/2")
    assert becomes_true(lambda: adds(stub, 1)), "the version before it serves again"
    shutil.rmtree(root / "model")
    assert becomes_true(lambda: convert_unary(stub, MESSAGE).reason == "MODEL_NOT_FOUND")
    assert becomes_true(lambda: set(listed(stub)) == {"identity"})
    with tensorferry.Client(server.address) as client:
        assert becomes_true(lambda: is_unknown(client, "model:model"))


def test_a_new_model_appears(root: Path, server: Server, stub: TensorServiceStub) -> None:
    assert convert_unary(stub, infer("folder", {"x": X})).reason == "MODEL_NOT_FOUND"
    put(root / "folder", Plus(7))
    replace(root / "file.pt", script(Plus(8)))
    assert becomes_true(lambda: adds(stub, 7, "folder") and adds(stub, 8, "file"))
    with tensorferry.Client(server.address) as client:
        assert becomes_true(lambda: client.health("model:folder") == tensorferry.HealthStatus.SERVING)


def exported(module: torch.nn.Module) -> bytes:
    file = io.BytesIO()
    torch.export.save(torch.export.export(module, (X,)), file)
    return file.getvalue()


# Each form has a model of 16 MiB of weights that adds the number.
HEAVY: dict[str, Callable[[int], tuple[str, bytes]]] = {
    "torchscript": lambda number: ("model.pt", script(Heavy(number))),
    "aotinductor": lambda number: ("model.pt2", with_weights(heavy_package(), number)),
    "exported": lambda number: ("model.pt2", exported(Heavy(number))),
}


@pytest.mark.parametrize("form", HEAVY)
def test_swaps_leave_no_memory_threads_or_files_behind(
    form: str, root: Path, server: Server, stub: TensorServiceStub
) -> None:
    def swap(number: int) -> None:
        file, content = HEAVY[form](number)
        put_bytes(root / f"model/{number}" / file, content)
        assert becomes_true(lambda: adds(stub, number))
        assert becomes_true(lambda: states(stub) == {f"{number}": READY})
        shutil.rmtree(root / f"model/{number - 1}")

    for number in (2, 3):
        swap(number)
    rss, threads, descriptors = server.rss(), server.threads(), server.descriptors()
    for number in range(4, 14):
        swap(number)
    assert becomes_true(lambda: server.rss() - rss < 40 * MIB)
    assert becomes_true(lambda: server.threads() <= threads and server.descriptors() <= descriptors)


def test_packages_leave_no_files_behind(root: Path, tmp_path: Path) -> None:
    """torch unpacks them into the folder for temporary files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    put_file(root / "model", masked_package(), version=2)
    with Server("--model-dir", f"{root}", *POLL, environment={"TMPDIR": f"{temporary}"}) as server:
        with connect_stub(server.address) as stub:
            for version in (3, 4):
                put_file(root / "model", masked_package(), version=version)
                assert becomes_true(lambda version=version: states(stub) == {f"{version}": READY})
        assert becomes_true(lambda: len(list(temporary.iterdir())) <= 1)
        assert server.stop() == 0
    assert not list(temporary.iterdir())


@pytest.fixture
def gate(tmp_path: Path, root: Path, stub: TensorServiceStub) -> Iterator[Gate]:
    """The gate of a model `slow`."""
    gate = Gate(tmp_path / "gate")
    put(root / "slow", Gated(gate, Echo()))
    assert becomes_true(lambda: states(stub, "slow") == {"1": READY})
    yield gate
    gate.open()


def take_away(root: Path) -> None:
    shutil.rmtree(root / "slow")


def add_version(root: Path) -> None:
    put(root / "slow", Plus(2), version=2)


def replace_version(root: Path) -> None:
    replace(root / "slow/1/model.pt", script(Plus(2)))


# Each case has what is done to the model while it runs, and its versions afterwards, while it still runs.
CHANGES: dict[str, tuple[Callable[[Path], None], dict[str, int]]] = {
    "taken-away": (take_away, {"1": UNLOADING}),
    "new-version": (add_version, {"1": UNLOADING, "2": READY}),
    "same-version": (replace_version, {"1": READY}),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_request_that_runs_is_finished(case: str, root: Path, gate: Gate, stub: TensorServiceStub) -> None:
    change, meanwhile = CHANGES[case]
    ran, sha256 = len(gate.runs()), listed(stub)["slow"]["1"].sha256
    with ThreadPoolExecutor() as pool:
        running = pool.submit(convert_unary, stub, infer("slow", {"x": X}))
        assert becomes_true(lambda: len(gate.runs()) > ran)
        change(root)
        if case == "same-version":
            assert becomes_true(lambda: listed(stub)["slow"]["1"].sha256 != sha256)
        assert becomes_true(lambda: states(stub, "slow") == meanwhile)
        if case == "taken-away":
            assert convert_unary(stub, infer("slow", {"x": X})).reason in {"MODEL_NOT_FOUND", "MODEL_NOT_READY"}
        else:
            assert adds(stub, 2, "slow"), "new requests do not wait for it"
        assert not running.done()
        gate.open()
        check_outputs(running.result(), {"rows": torch.tensor([1]), "result": X})
        assert running.result().response.model_version == "1"
    after = {version: state for version, state in meanwhile.items() if state == READY}
    assert becomes_true(lambda: states(stub, "slow") == after)
