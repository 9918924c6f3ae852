"""Several servers, each of which can be restarted on the ports that it had."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Server, free_port


def together(addresses: Sequence[str]) -> str:
    """One address for all of them."""
    return "ipv4:" + ",".join(addresses)


class Fleet:
    """Servers that are ready, and keep their ports. `flags` has those of each.

    `end` or the end of the `with` block ends them, as does one of them that does not start.
    """

    def __init__(self, flags: Sequence[Sequence[str]]) -> None:
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in flags]
        self._flags = [
            ("--listen", address, "--admin-listen", f"127.0.0.1:{free_port()}", *own)
            for address, own in zip(self.addresses, flags, strict=True)
        ]
        self.servers: list[Server] = []
        try:
            for number in range(len(flags)):
                self.servers.append(self._start(number))
        except BaseException:
            self.end()
            raise

    def _start(self, number: int) -> Server:
        server = Server(*self._flags[number])
        server.address = self.addresses[number]
        return server

    def restart(self, number: int, *, kill: bool = False) -> None:
        """Ends a server, as an operator does unless it is to be killed, and starts it anew."""
        server = self.servers[number]
        if not kill:
            code = server.stop()
            assert code == 0, f"exit code {code} after SIGTERM: {server.log()}"
        server.kill()
        self.servers[number] = self._start(number)

    def end(self) -> None:
        for server in self.servers:
            server.kill()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
