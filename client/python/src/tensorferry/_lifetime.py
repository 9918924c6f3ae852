"""Ends a child process once this Python has ended, also if it was killed, when no code of its own runs."""

from __future__ import annotations

import os
import subprocess

# A shell reads from a pipe. A line on it says that nothing is left to do; its end, that Python has ended.
_WATCH = 'read -r _ || kill -TERM "$1"'


class Watch:
    """A process of its own that waits for the end of this one, and then sends SIGTERM to a child.

    It is not in this process's group, as what kills a whole group must not kill what watches.
    PR_SET_PDEATHSIG would need no process, but it sends its signal when the thread ends that has started the
    child.
    """

    def __init__(self, child: int) -> None:
        """Watches until `dismiss`, which must follow a wait for `child` at once, as that frees its number."""
        ends, self._open = os.pipe()
        try:
            _open.add(self._open)
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH, "sh", str(child)],
                stdin=ends,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            _open.discard(self._open)
            os.close(self._open)
            raise
        finally:
            os.close(ends)

    def dismiss(self) -> None:
        """Ends the watch, and leaves the child alone."""
        _open.discard(self._open)
        try:
            os.write(self._open, b"\n")
        except BrokenPipeError:
            pass  # Somebody has killed the shell.
        finally:
            os.close(self._open)
        self._shell.wait()


_open: set[int] = set()


def _close_in_fork() -> None:
    """A process forked from this one may outlive it, and would hold the pipes open."""
    while _open:
        os.close(_open.pop())


if hasattr(os, "register_at_fork"):  # Windows has none, and no server either.
    os.register_at_fork(after_in_child=_close_in_fork)
