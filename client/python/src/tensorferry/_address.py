"""Addresses of servers."""

from __future__ import annotations

import os
import re
from typing import Any

from tensorferry import _arguments

_DEFAULT = "127.0.0.1:8001"
_VARIABLE = "TENSORFERRY_SERVER"
_MAX_UNIX_PATH = 107  # Bytes; the size of sockaddr_un.sun_path without its last zero.
# gRPC says how a name is resolved by these prefixes. What stands behind them is for gRPC to judge.
_RESOLVED_BY_GRPC = ("dns:", "ipv4:", "ipv6:", "unix-abstract:", "vsock:", "xds:")
_HOST_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^\s:/\[\]@]+):(?P<port>[0-9]{1,5})")


def server_address(target: Any) -> str:
    """Returns the address as gRPC takes it; None: $TENSORFERRY_SERVER, else 127.0.0.1:8001.

    Errors: TypeError or ValueError that says what an address looks like.
    """
    if target is None:
        name, address = _VARIABLE, os.environ.get(_VARIABLE) or _DEFAULT
    else:
        name, address = "target", _arguments.text("target", target)
    problem = _problem(_arguments.text(name, address))
    if problem:
        raise ValueError(f"{name} {address!r} is neither host:port nor unix:PATH{problem}")
    return address


def balances(address: str, balance: Any) -> bool:
    """Whether calls go to all servers at the address in turn. None: if it lists several.

    Errors: TypeError, or ValueError for addresses of one server.
    """
    if balance is None:
        return address.startswith(("ipv4:", "ipv6:")) and "," in address
    if _arguments.flag("balance", balance) and address.startswith(("unix:", "unix-abstract:")):
        raise ValueError(f"balance: {address!r} is the address of one server")
    return bool(balance)


def _problem(address: str) -> str:
    """Returns what is wrong, behind a separator; "" if nothing is."""
    if not address.isprintable():
        return ": it has a character that cannot be printed"
    scheme, url, rest = address.partition("://")
    if url and f"{scheme}:" not in (*_RESOLVED_BY_GRPC, "unix:"):
        return f": it is a URL; leave '{scheme}://' out" + (" and name the port" * (":" not in rest))
    if address.startswith("unix:"):
        path = address[len("unix:") :]
        if not path:
            return ": the path is missing"
        size = len(os.fsencode(path))
        return f": the path has {size} bytes, at most {_MAX_UNIX_PATH} are possible" * (size > _MAX_UNIX_PATH)
    if address.startswith(_RESOLVED_BY_GRPC):
        return ": nothing stands behind the scheme" * address.endswith((":", "/"))
    return _host_port_problem(address)


def _host_port_problem(address: str) -> str:
    match = _HOST_PORT.fullmatch(address)
    if match is not None:
        return ": ports are 1 to 65535" * (not 1 <= int(match["port"]) <= 65535)
    if re.fullmatch(r"[\w.-]+", address):
        guess = f"localhost:{address}" if address.isdigit() else f"{address}:8001"
        return f": the {'host' if address.isdigit() else 'port'} is missing, as in '{guess}'"
    if address.count(":") > 1 and "[" not in address:
        return ": an IPv6 address stands in brackets, as in '[::1]:8001'"
    return ", such as 'localhost:8001'"
