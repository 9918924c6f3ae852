"""What comes out of a server, whoever writes it: standard output has the ready line alone, standard error the log's."""

from __future__ import annotations

import inspect
import json
import re
import socket
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness import Server, becomes_true, connect_stub, run_to_exit
from http2 import connect_raw
from served_models import cached_export, config_tensor, infer, put, put_file
from wire import convert_stream, convert_unary

CALLS = 40
PRINTED = "printed " * 512  # CALLS times as much is more than a pipe holds.
ROW = config_tensor("input", "x", "TYPE_FP32", "4") + config_tensor("output", "y", "TYPE_FP32", "4")
TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) +\S.*")


class Chatty(nn.Module):
    """Prints and warns whenever it runs, and once more when it is loaded."""

    @torch.jit.export
    def __getstate__(self) -> int:
        return 0

    @torch.jit.export
    def __setstate__(self, state: int) -> None:
        self.training = False
        print("printed while it is loaded")
        warnings.warn("warned while it is loaded", stacklevel=1)

    def forward(self, x: Tensor) -> Tensor:
        text = "printed "
        for _ in range(9):
            text += text
        print(text)
        warnings.warn("warned of " + str(float(x.sum())), stacklevel=1)
        return x + 1


class Checked(nn.Module):
    """Compiled code writes to standard error, beside what it throws, when a check fails."""

    def forward(self, x: Tensor, n: Tensor) -> Tensor:
        count = n.item()
        torch._check(count > 3)
        torch._check(count < 100)
        return x + torch.ones(count).sum()


def _compile_checked(folder: Path) -> None:
    program = torch.export.export(Checked().eval(), (torch.ones(4), torch.tensor(5)))
    torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    put(root / "chatty", Chatty(), ROW)
    package = cached_export("checked" + inspect.getsource(Checked), _compile_checked) / "model.pt2"
    put_file(root / "checked", package)  # The automatic warm-up sends zeros, for which a check fails.
    return root


def serve_everything(repository: Path, *flags: str) -> tuple[str, str]:
    """Runs both models until the server stops; returns the log and what followed the ready line."""
    with Server("--model-dir", str(repository), *flags) as server:
        with connect_stub(server.address) as stub:
            for value in range(CALLS):
                assert convert_unary(stub, infer("chatty", {"x": torch.full((4,), float(value))})).refusal is None
                failing = infer("checked", {"ARGS[0]": torch.ones(4), "ARGS[1]": torch.tensor(1)})
                assert convert_unary(stub, failing).reason == "MODEL_FAILED"
        server.terminate()
        server.process.wait()
        assert server.process.stdout is not None
        return server.log(), server.process.stdout.read()


def test_every_line_is_an_object(repository: Path) -> None:
    log, output = serve_everything(repository, "--log-format", "json", "--log-level", "debug")
    assert output == ""
    lines = [json.loads(line) for line in log.splitlines()]
    assert all(line.keys() >= {"ts", "level", "msg"} for line in lines)
    logged = {(line["level"], line["msg"]) for line in lines}
    assert ("debug", f"a model printed: {PRINTED.rstrip()}") in logged  # Lines end without blanks.
    assert ("debug", "a model printed: printed while it is loaded") in logged
    assert any(level == "debug" and "stderr: Error: Expected" in message for level, message in logged)
    warned = [message for level, message in logged if level == "warning" and message.startswith("torch: ")]
    assert any("warned while it is loaded" in message for message in warned)
    assert any("warned of 0" in message for message in warned)


def test_a_model_and_grpc_speak_in_one_log(repository: Path) -> None:
    """While both do: each line is an object, and a refused request has one of event `error`."""
    flags = ("--log-format", "json", "--log-level", "debug", "--access-log", "off")
    with Server("--model-dir", str(repository), *flags) as server:
        with connect_stub(server.address) as stub, ThreadPoolExecutor() as pool:
            calls = [
                pool.submit(
                    convert_unary, stub, infer("chatty", {"x": torch.full((4,), float(value))}, request_id=f"a{value}")
                )
                for value in range(CALLS)
            ]
            with connect_raw(server.address) as connection:
                for _ in range(4):
                    connection.call("/grpc.health.v1.Health/Check", b"", ("grpc-timeout", "soon"))
            assert all(call.result().refusal is None for call in calls)
            wrong = infer("chatty", {"y": torch.ones(4)}, request_id="wrong")
            assert convert_unary(stub, wrong).reason == "INPUT_MISMATCH"
            assert convert_stream(stub, wrong).reason == "INPUT_MISMATCH"
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.log().splitlines()]
    assert any(line["msg"].startswith("grpc: ") for line in lines)
    assert any("warned of" in line["msg"] for line in lines if line["level"] == "warning")
    errors = [line for line in lines if line.get("event") == "error"]
    assert [(line["request_id"], line["msg"].partition(": ")[0]) for line in errors] == [
        ("wrong", "Convert"),
        ("wrong", "ConvertStream"),
    ]


def test_grpc_complains_in_the_log() -> None:
    """What gRPC says of bad headers, bytes that are no HTTP/2 and a port that is taken comes as objects, too."""
    with Server("--log-format", "json", "--log-level", "debug") as server:
        with connect_raw(server.address) as connection:
            connection.call("/grpc.health.v1.Health/Check", b"", ("grpc-timeout", "soon"))
        host, port = server.address.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with suppress(ConnectionResetError):  # It ends so if the server has not read all of it.
                while connection.recv(4096):
                    pass
        second = run_to_exit("--listen", server.address, "--log-format", "json", "--log-level", "debug")
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.log().splitlines()]
    assert any(line["msg"].startswith("grpc: ") for line in lines)
    errors = [line for line in map(json.loads, second.stderr.splitlines()) if line["level"] == "error"]
    assert [line["msg"] for line in errors] == [f"cannot listen on {server.address}: address already in use"]
    assert second.returncode == 4


@pytest.mark.parametrize("source", ["flag", "environment", "file"])
def test_errors_before_the_log_are_objects_too(source: str, tmp_path: Path) -> None:
    """Such as a flag that is unknown, or a value that a setting does not take."""
    file = tmp_path / "server.toml"
    file.write_text('log-format = "json"\n')
    asks = {"flag": ["--log-format", "json"], "environment": [], "file": ["--config", str(file)]}[source]
    environment = {"TENSORFERRY_LOG_FORMAT": "json"} if source == "environment" else {}
    for wrong, message in [
        ("--lisetn=h:1", "unknown flag '--lisetn'; did you mean --listen?"),
        ("--threads=0", "threads: expected a number from 1 to 1024, got '0' (from flag)"),
    ]:
        ended = run_to_exit(wrong, *asks, environment=environment)
        assert (ended.returncode, ended.stdout) == (2, "")
        line = json.loads(ended.stderr)
        assert (line["level"], line["msg"]) == ("error", message)
    assert run_to_exit("--threads=0").stderr == f"tensorferry-server: {message}\n"


def test_every_line_of_text_is_the_logs(repository: Path) -> None:
    log, output = serve_everything(repository, "--log-level", "debug")
    assert output == ""
    assert [line for line in log.splitlines() if not TEXT_LINE.fullmatch(line)] == []


def test_callers_do_not_decide_how_much_is_logged(repository: Path) -> None:
    """At the level of operators the log holds what a model warns of, and not each time that it does."""
    log, output = serve_everything(repository)
    assert output == ""
    assert "printed" not in log
    assert "stderr: " not in log
    assert 1 <= log.count("warned of") < CALLS


def test_nothing_is_written_when_the_log_is_off(repository: Path) -> None:
    assert serve_everything(repository, "--log-level", "off") == ("", "")


class Endless(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        while bool(x.sum() > 0):
            print("again")
        return x


def test_a_model_that_prints_while_the_process_ends(tmp_path: Path) -> None:
    """Its thread goes on until the process is gone."""
    put(tmp_path / "endless", Endless())
    with Server("--model-dir", str(tmp_path), "--log-level", "debug", "--drain-grace", "50ms") as server:
        with connect_stub(server.address) as stub, ThreadPoolExecutor() as pool:
            running = pool.submit(convert_unary, stub, infer("endless", {"x": torch.ones(4)}))
            assert becomes_true(lambda: "a model printed: again" in server.log())
            assert server.stop() == 0
            assert running.result().refusal is not None
        assert server.trailing_stdout == ""


def test_libraries_write_into_the_log(tmp_path: Path) -> None:
    """oneDNN describes each kernel on standard output, by printf, if the environment asks for it."""
    model = tmp_path / "model.pt"
    torch.jit.script(nn.Conv2d(3, 8, 3).eval()).save(str(model))
    environment = {"ONEDNN_VERBOSE": "1"}
    with Server("--model", f"images={model}", "--log-level", "debug", environment=environment) as server:
        with connect_stub(server.address) as stub:
            assert convert_unary(stub, infer("images", {"input": torch.ones(4, 3, 64, 64)})).refusal is None
        server.terminate()
        server.process.wait()
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""
        assert "onednn_verbose" in server.log()
