"""A real Triton, of the nvidia-pytriton wheel, with the models of backend/triton_backend.cc, as a process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers import BIN, ROOT, START_S

TRITON = ROOT / "build/oip/triton"
BACKEND = "tensorferry_bench"
BACKENDS = BIN / "triton"
MODELS = ("sum", "identity")
STARTED = {"Started GRPCInferenceService", "Started HTTPService"}


@dataclass(frozen=True)
class Triton:
    pid: int
    grpc: str
    http: str


def require() -> None:
    """Ends the program if something is missing, and says how to get it."""
    program = Path(sys.argv[0]).name
    if not TRITON.exists():
        sys.exit(f"{program}: no Triton; `tests/integration/oip/environments.sh triton` unpacks it")
    if not BACKENDS.exists():
        sys.exit(f"{program}: no {BACKENDS}; `scripts/build.sh bench 2 triton_backend` builds it")


def write_models(folder: Path) -> None:
    tensor = 'name: "{}" data_type: TYPE_FP32 dims: [ -1 ]'
    for name in MODELS:
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(
            f'backend: "{BACKEND}"\nmax_batch_size: 0\n'
            f"input [ {{ {tensor.format('x')} }} ]\noutput [ {{ {tensor.format('y')} }} ]\n"
            "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
        )


def free_ports(count: int) -> list[int]:
    """Ports that nobody listened on a moment ago: Triton says of no port which one it took."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def wait_until_started(process: subprocess.Popen[str], http: int) -> None:
    assert process.stderr is not None
    missing, log = set(STARTED), []
    for line in process.stderr:
        log.append(line)
        missing = {text for text in missing if text not in line}
        if not missing:
            return wait_until_it_listens(http)
    raise RuntimeError(f"Triton did not start:\n{''.join(log)}")


def wait_until_it_listens(port: int) -> None:
    """Triton says that it serves HTTP a moment before it does."""
    end = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.01)


@contextmanager
def triton_server(folder: Path, cpu: int) -> Iterator[Triton]:
    """Triton with one thread of torch, on one CPU; its models are written into the folder. The end kills it."""
    write_models(folder)
    grpc, http = free_ports(2)
    command = [
        "taskset", "--cpu-list", str(cpu), str(TRITON / "pytriton/tritonserver/bin/tritonserver"),
        f"--model-repository={folder}", f"--backend-directory={BACKENDS}", "--disable-auto-complete-config",
        "--grpc-address=127.0.0.1", f"--grpc-port={grpc}", "--http-address=127.0.0.1", f"--http-port={http}",
        "--allow-metrics=false",
    ]  # fmt: skip
    libraries = {"LD_LIBRARY_PATH": str(TRITON / "nvidia_pytriton.libs"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, env={**os.environ, **libraries}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until_started(process, http)
        yield Triton(process.pid, f"127.0.0.1:{grpc}", f"127.0.0.1:{http}")
    finally:
        process.kill()
        process.communicate()
