"""A real Triton, of the nvidia-pytriton wheel, with twins of our models in its Python backend."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness import REPO_ROOT, TIMEOUT_S, becomes_true
from oip.layout import MODELS

TRITON = REPO_ROOT / "build/oip/triton"
PYTHON = REPO_ROOT / "build/oip/triton-python"
WHY_NOT = "no real Triton here: tests/integration/oip/environments.sh triton unpacks it"

TWIN = Path(__file__).parent / "twins/model.py"


def installed() -> bool:
    return TRITON.exists()


def build_repository(root: Path, gates: Path) -> None:
    """The models of layout.py, and one that does not load."""
    for name, model in MODELS.items():
        folder = root / name
        folder.mkdir(parents=True)
        parameters = {"twin": model.twin, "gate": str(gates / name)}
        more = "".join(f'parameters {{ key: "{k}" value {{ string_value: "{v}" }} }}\n' for k, v in parameters.items())
        (folder / "config.pbtxt").write_text(model.config(name, 'backend: "python"') + more)
        for file, content in model.files.items():
            (folder / file).write_text(content)
        for version in model.versions:
            (folder / str(version)).mkdir()
            (folder / str(version) / "model.py").symlink_to(TWIN)
    corrupt = root / "corrupt"
    (corrupt / "1").mkdir(parents=True)
    (corrupt / "config.pbtxt").write_text(MODELS["scratch"].config("corrupt", 'backend: "python"'))
    (corrupt / "1/model.py").write_text("no model at all\n")


def listening_port(pid: int) -> int | None:
    """The port of the only listening TCP socket of a process, once there is one."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # Closed in the meantime.
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor))
            inodes |= {found[1]} if found else set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and inode in inodes:
                return int(local.rpartition(":")[2], 16)
    return None


@contextmanager
def triton_server(root: Path, *flags: str) -> Iterator[str]:
    """A running Triton with the models under `root`; yields its address."""
    binary = TRITON / "pytriton/tritonserver/bin/tritonserver"
    command = [
        str(binary), f"--model-repository={root}", f"--backend-directory={TRITON}/pytriton/tritonserver/backends",
        "--allow-http=false", "--allow-metrics=false", "--grpc-address=127.0.0.1", "--grpc-port=0",
        "--disable-auto-complete-config", "--exit-on-error=false", "--strict-readiness=false", "--log-verbose=0",
        "--backend-config=python,shm-default-byte-size=1048576", *flags,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": f"{TRITON}/nvidia_pytriton.libs",
        "PATH": f"{PYTHON}/bin:{os.environ['PATH']}",
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            started = becomes_true(lambda: process.poll() is not None or listening_port(process.pid) is not None)
            if not started or process.poll() is not None:
                raise AssertionError(os.pread(log.fileno(), 1 << 20, 0).decode())
            yield f"127.0.0.1:{listening_port(process.pid)}"
        finally:
            process.terminate()
            process.wait(TIMEOUT_S)
