"""A server of one's own, for tests and notebooks."""

from __future__ import annotations

import atexit
import os
import re
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Union

from tensorferry._lifetime import Watch

Models = Union[str, "os.PathLike[str]", Mapping[str, Union[str, "os.PathLike[str]"]]]
_READY = re.compile(rb"tensorferry-server ready.*? grpc=(\S+).*\n")
_LOG_LINES = 20
_AT_ONCE_S = 5.0  # How long a server may take that is to end at once.
_FREE_PORTS = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]


class Server:
    """A server on free ports of this machine, which ends with the `with` block.

    >>> with tensorferry.Server(models="models") as address, tensorferry.Client(address) as client:
    ...     client.infer("identity", {"x": np.eye(2)})

    In a notebook, where a block would be within one cell, `start` returns the address, and `stop` ends the
    server:

    >>> server = tensorferry.Server(models="models")
    >>> client = tensorferry.Client(server.start())

    The server lives until the end of the block or `stop`, whatever becomes of this object, and no longer than
    this Python, also if that is killed. The interrupt of a notebook and Ctrl+C do not reach it. Processes
    that are forked from this one can use it, and do not end it. Any thread may start and stop it, one at a
    time. Once stopped, it can be started again, at another address.

    The program is that of the package tensorferry-server, else the `tensorferry-server` on the PATH. It takes
    no settings from the environment. The admin port, too, is a free one, named in the log.

    Args:
        models: The folder of a repository, or files by the name of their model.
        flags: Further flags of the program, such as `["--model-control", "explicit"]`.
        timeout: Seconds until the server must be ready, its models loaded.
        program: Another program than the installed one.

    Raises, when it is started:
        FileNotFoundError: There is no program.
        RuntimeError: The server ended, or was not ready in time, with the last lines of its log; or it runs
            already; or the installed torch is not the one that the package tensorferry-server needs.
    """

    def __init__(
        self,
        models: Models | None = None,
        *,
        flags: Sequence[str] = (),
        timeout: float = 60,
        program: str | os.PathLike[str] | None = None,
    ) -> None:
        self._arguments = [*_FREE_PORTS, *_model_flags(models), *flags]
        self._timeout = timeout
        self._program = program
        self._child: _Child | None = None

    def start(self) -> str:
        """Starts the server, waits until it is ready, and returns its address.

        Raises what the class says, and leaves no server then.
        """
        if self._child is not None:
            raise RuntimeError("this server runs already; stop it, or make another one")
        program, environment = _program(self._program)
        self._child = _Child([program, *self._arguments], environment)
        atexit.register(self.stop)  # It refers to the object, which nothing else may do while somebody calls.
        try:
            return self._child.wait_until_ready(self._timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the server: requests in progress finish, at most for its --drain-grace.

        What interrupts the wait, such as a KeyboardInterrupt, has the server end at once. Does nothing if
        none runs, and in a process that was forked since the start.
        """
        if self._child is None or self._child.starter != os.getpid():
            return
        child, self._child = self._child, None
        atexit.unregister(self.stop)
        child.end()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self) -> str:
        """What the server has logged until now, also if it has ended by itself.

        Raises:
            RuntimeError: It was not started, or it was stopped.
        """
        if self._child is None:
            raise RuntimeError("the server does not run, and its log is gone")
        return self._child.log()


class _Child:
    """A process of the server, which lives no longer than this one. `end` must be called, once."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.starter = os.getpid()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (_kill closes it)
        try:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,  # Terminals and notebooks interrupt the group of this process.
            )
        except BaseException:
            self._log.close()
            raise
        try:
            self._watch = Watch(self._process.pid)
        except BaseException:
            self._kill()
            raise

    def end(self) -> None:
        try:
            self._process.terminate()
            self._process.wait()
        except BaseException:
            # The second SIGTERM ends the server at once. Other than SIGKILL it leaves no temporary files.
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_AT_ONCE_S)
            raise
        finally:
            self._kill()
            self._watch.dismiss()

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def log(self) -> str:
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode(errors="replace")

    def wait_until_ready(self, timeout: float) -> str:
        """Returns the server's address."""
        deadline = time.monotonic() + timeout
        printed = b""
        output = self._process.stdout
        assert output is not None
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not (ready := _READY.search(printed)):
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise self._failure(f"the server was not ready in {timeout:g} s")
                more = os.read(output.fileno(), 4096)
                if not more:
                    code = self._process.wait()
                    raise self._failure(f"the server ended with exit code {code} before it was ready")
                printed += more
        return ready[1].decode()

    def _failure(self, what: str) -> RuntimeError:
        last = self.log().splitlines()[-_LOG_LINES:]
        return RuntimeError("\n".join([f"{what}; the last lines of its log:" if last else what, *last]))


def _model_flags(models: Models | None) -> list[str]:
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
