"""The servers that are measured, as processes."""

from __future__ import annotations

import os
import re
import select
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import certificates
import messages
import procfs
from workloads import MODEL_SHAPES

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("TENSORFERRY_BENCH_BIN", ROOT / "build/bench/bin"))
PYTHON = ROOT / ".venv/bin/python"
MODELS = ROOT / "build/bench/models"
START_S = 60


def _program(name: str, *flags: str) -> Callable[[str, str], list[list[str]]]:
    """One process for both addresses."""
    return lambda tcp, unix: [[str(BIN / name), *flags, tcp, unix]]


def _model_limit(model: str, shape: str) -> Callable[[str, str], list[list[str]]]:
    file = MODELS / model / "1" / ("model.pt2" if model.endswith("_aoti") else "model.pt")
    return lambda tcp, unix: [[str(BIN / "model_limit_server"), str(file), shape, tcp, unix]]


def _tensorferry(*flags: str) -> Callable[[str, str], list[list[str]]]:
    common = ["--admin-listen", "off", "--model-dir", str(MODELS)]
    return lambda tcp, unix: [[str(BIN / "tensorferry-server"), "--listen", tcp, "--listen", unix, *common, *flags]]


TLS_FILES = (str(certificates.CERTIFICATE), str(certificates.KEY))

# Each value has the processes that serve on a TCP address and on a Unix socket.
COMMANDS: dict[str, Callable[[str, str], list[list[str]]]] = {
    "tensorferry": _tensorferry("--shared-memory", "system"),
    "tensorferry-tls": _tensorferry("--tls-cert", TLS_FILES[0], "--tls-key", TLS_FILES[1]),
    "limit-tls": _program("limit_server", "--tls", *TLS_FILES),
    "limit-tuned-tls": _program("limit_server", "--tuned", "--tls", *TLS_FILES),
    "limit": _program("limit_server"),
    "limit-tuned": _program("limit_server", "--tuned"),
    "sync": _program("generated_sync_server"),
    "sync-tuned": _program("generated_sync_server", "--tuned"),
    "callback": _program("generated_callback_server"),
    "callback-tuned": _program("generated_callback_server", "--tuned"),
    "python": lambda tcp, unix: [[str(PYTHON), str(ROOT / "tests/bench/python_server.py"), str(MODELS), tcp, unix]],
    **{f"limit-{model}": _model_limit(model, shape) for model, shape in MODEL_SHAPES.items()},
    "raw": lambda tcp, unix: [[str(BIN / "raw_limit"), "serve", address] for address in (tcp, unix)],
    "flight": lambda tcp, unix: [
        [str(BIN / "flight_server"), f"grpc+tcp://{tcp}"],
        [str(BIN / "flight_server"), unix.replace("unix:", "grpc+unix://")],
    ],
}


def is_built(server: str) -> bool:
    return all(Path(command[0]).exists() for command in COMMANDS[server]("tcp", "unix"))


class Process:
    """A server that has said that it is ready. The end of the `with` block kills it, and takes its temporary files."""

    def __init__(self, command: Sequence[str], cpu: int) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TENSORFERRY_")}
        self._temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        environment["TMPDIR"] = self._temporary.name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (stop() closes it)
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(cpu), *command],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
        )
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], START_S)
        line = self._process.stdout.readline() if readable else ""
        self.addresses: list[str] = re.findall(r"grpc=(\S+)", line)
        self.http: str | None = next(iter(re.findall(r"http=(\S+)", line)), None)
        if not self.addresses:
            self._log.seek(0)
            log = self._log.read().decode(errors="replace")
            self.stop()
            raise RuntimeError(f"{command[0]} did not start: {line!r}\n{log}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def pin(self, cpu: int) -> None:
        procfs.pin(self.pid, cpu)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()
        self._temporary.cleanup()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Servers:
    """Many at once: those that are not asked anything wait."""

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        self._by_transport: dict[tuple[str, str], tuple[Process, str]] = {}
        self._processes: list[Process] = []
        if any(name.endswith("-tls") for name in names):
            certificates.make()
        try:
            for name in names:
                self._start(name, folder)
        except BaseException:
            self.stop()
            raise

    def _start(self, name: str, folder: Path) -> None:
        for command in COMMANDS[name]("127.0.0.1:0", f"unix:{folder}/{name}.sock"):
            process = Process(command, cpu=max(os.sched_getaffinity(0)))
            self._processes.append(process)
            if name == "tensorferry":
                messages.register_region(process.addresses)
            for address in process.addresses:
                self._by_transport[name, "unix" if "unix:" in address else "tcp"] = process, address

    def find(self, name: str, transport: str) -> tuple[Process, str]:
        return self._by_transport[name, transport]

    def pin(self, cpu: int) -> None:
        for process in self._processes:
            process.pin(cpu)

    def stop(self) -> None:
        for process in self._processes:
            process.stop()
        messages.remove_region()

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
