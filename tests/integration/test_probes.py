"""Probes while a server loads: it lives, and is not ready; the image's health check asks for readiness."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import cli
from cli import OK, UNREACHABLE
from harness import READY_LINE, REPO_ROOT, TIMEOUT_S, becomes_true, server_command, starting
from served_models import Echo, Gate, Gated, config_tensor, put

DOCKERFILE = REPO_ROOT / "docker/Dockerfile"
LIVENESS = ["ping", "--live"]
READINESS = ["ping"]
# Random integers are 0 and 1, and the gate holds back runs whose largest element is positive.
WARM_UP = """
model_warmup { name: "held" inputs { key: "x" value { data_type: TYPE_INT64 dims: [16] random_data: true } } }
"""


def health_check_of_the_image() -> list[str]:
    """The words of HEALTHCHECK's command, without the program's name."""
    (command,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE.read_text(), re.MULTILINE)
    program, *words = json.loads(command)
    assert program == "tensorferry"
    return words


@contextmanager
def loading_server(root: Path, address: str) -> Iterator[subprocess.Popen[str]]:
    """A server that has not printed its ready line, and cannot before the gate is open."""
    command = server_command("--listen", address, "--model-dir", str(root))
    with starting(command, stdout=subprocess.PIPE) as process:
        assert becomes_true(lambda: cli.run(*LIVENESS, server=address).code == OK)
        yield process


@pytest.fixture
def gate(gate: Gate, tmp_path: Path) -> Gate:
    config = config_tensor("input", "x", "TYPE_INT64", "16") + WARM_UP
    put(tmp_path / "models/slow", Gated(gate, Echo()), config)
    return gate


def test_ready_once_models_are_loaded(gate: Gate, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/socket"
    health_check = health_check_of_the_image()
    with loading_server(tmp_path / "models", address) as process:
        for words in (READINESS, health_check):
            assert cli.run(*words, server=address) == (UNREACHABLE, "NOT_SERVING\n", "")
        gate.open()
        assert process.stdout is not None
        assert READY_LINE.fullmatch(process.stdout.readline())
        for words in (LIVENESS, READINESS, health_check):
            assert cli.run(*words, server=address) == (OK, "SERVING\n", "")


def test_ping_asks_for_a_service_by_name(server: object, run: cli.Run) -> None:
    for words in (READINESS, [*READINESS, "--ready"]):
        assert run(*words, "--json").json()["service"] == "tensorferry.v1.TensorService"
    assert run(*LIVENESS, "--json").json()["service"] == ""
    assert run(*READINESS, "--service", "model:identity", "--json").json()["service"] == "model:identity"
    for words in (["--live", "--ready"], ["--ready", "--service", "x"], ["--live", "--service", "x"]):
        assert run("ping", *words).code == cli.USAGE


def test_signals_while_models_are_loading(gate: Gate, tmp_path: Path) -> None:
    """Real-time signals mean nothing, and a hang-up ends the load."""
    address = f"unix:{tmp_path}/socket"
    with loading_server(tmp_path / "models", address) as process:
        for signum in (signal.SIGRTMIN, signal.SIGRTMAX, signal.SIGUSR1):
            process.send_signal(signum)
        assert cli.run(*READINESS, server=address).stdout == "NOT_SERVING\n"
        process.send_signal(signal.SIGHUP)
        assert process.communicate(timeout=TIMEOUT_S)[0] == ""
        assert process.returncode == 0
