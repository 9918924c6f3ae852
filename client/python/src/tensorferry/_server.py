"""A server of one's own, for tests and notebooks."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Union

_Models = Union[str, "os.PathLike[str]", Mapping[str, Union[str, "os.PathLike[str]"]]]
_READY = re.compile(rb"tensorferry-server ready.*? grpc=(\S+).*\n")
_LOG_LINES = 20


class Server:
    """A server on a free port of this machine, which ends with the `with` block.

    >>> with tensorferry.Server(models="models") as address, tensorferry.Client(address) as client:
    ...     client.infer("identity", {"x": np.eye(2)})

    The program is that of the package tensorferry-server, else the `tensorferry-server` on the PATH. It takes
    no settings from the environment.

    Args:
        models: The folder of a repository, or files by the name of their model.
        flags: Further flags of the program, such as `["--model-control", "explicit"]`.
        timeout: Seconds until the server must be ready, its models loaded.
        program: Another program than the installed one.

    Raises, when the block is entered:
        FileNotFoundError: There is no program.
        RuntimeError: The server ended, or was not ready in time; with the last lines of its log.
    """

    def __init__(
        self,
        models: _Models | None = None,
        *,
        flags: Sequence[str] = (),
        timeout: float = 60,
        program: str | os.PathLike[str] | None = None,
    ) -> None:
        self._arguments = ["--listen", "127.0.0.1:0", *_model_flags(models), *flags]
        self._timeout = timeout
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> str:
        """Starts the server and returns its address."""
        if self._process is not None:
            raise RuntimeError("this server has been started; make another one")
        program, environment = _program(self._program)
        self._log = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                [program, *self._arguments], env=environment, stdout=subprocess.PIPE, stderr=self._log
            )
            return self._wait_until_ready(self._process)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        """Ends the server: requests in progress finish, at most for its --drain-grace."""
        if self._process is not None and self._process.stdout is not None:
            self._process.terminate()
            try:
                self._process.wait()
            finally:
                self._process.kill()
                self._process.stdout.close()
        if self._log is not None:
            self._log.close()

    def log(self) -> str:
        """What the server has logged until now; only within the block."""
        if self._log is None or self._log.closed:
            raise RuntimeError("the server does not run, and its log is gone")
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode(errors="replace")

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> str:
        deadline = time.monotonic() + self._timeout
        printed = b""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not (ready := _READY.search(printed)):
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise self._failure(f"the server was not ready in {self._timeout:g} s")
                more = os.read(process.stdout.fileno(), 4096)
                if not more:
                    code = process.wait()
                    raise self._failure(f"the server ended with exit code {code} before it was ready")
                printed += more
        return ready[1].decode()

    def _failure(self, what: str) -> RuntimeError:
        last = self.log().splitlines()[-_LOG_LINES:]
        return RuntimeError("\n".join([f"{what}; the last lines of its log:" if last else what, *last]))


def _model_flags(models: _Models | None) -> list[str]:
    if models is None:
        return []
    if isinstance(models, Mapping):
        return [word for name, file in models.items() for word in ("--model", f"{name}={os.fspath(file)}")]
    return ["--model-dir", os.fspath(models)]


def _program(given: str | os.PathLike[str] | None) -> tuple[str, dict[str, str]]:
    """A program, and the environment that it needs."""
    environment = dict(os.environ)
    if given is not None:
        program = os.fspath(given)
    else:
        try:
            import tensorferry_server
        except ModuleNotFoundError:
            program = shutil.which("tensorferry-server") or ""
        else:
            program = str(tensorferry_server.program("tensorferry-server"))
            environment = tensorferry_server.environment()
    if not program or not Path(program).is_file():
        raise FileNotFoundError(
            f"there is no program {program}"
            if program
            else "there is no tensorferry-server: install the package of this name, or put it on the PATH"
        )
    return program, {key: value for key, value in environment.items() if not key.startswith("TENSORFERRY_")}
