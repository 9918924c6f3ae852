"""How a client makes sure of the server, and shows itself: TLS and tokens."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, Union

import grpc

from tensorferry import _arguments

Path = Union[str, "os.PathLike[str]"]
Metadata = tuple[tuple[str, Union[str, bytes]], ...]
PEM = tuple[
    Optional[bytes], bytes, bytes
]  # Of `ca`, None if nobody is named; of `key` and `cert`, b"" for none.

_SWITCH = "TENSORFERRY_TLS"
_TOKEN = "TENSORFERRY_TOKEN"
_VARIABLES = {"ca": "TENSORFERRY_CA", "cert": "TENSORFERRY_CERT", "key": "TENSORFERRY_KEY"}


@dataclass(frozen=True)
class TLS:
    """Paths of PEM files.

    Args:
        ca: Certificates that may vouch for the server; None: those that gRPC trusts.
        cert: The client's certificate chain, for servers that ask for one.
        key: The private key of `cert`.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


class Security(NamedTuple):
    """What protects a connection.

    Attributes:
        credentials: gRPC's own; None: the connection is in the clear.
        pem: The texts that they were made of, if they were made here.
    """

    credentials: grpc.ChannelCredentials | None = None
    pem: PEM | None = None


def connection_security(address: str, tls: Any, credentials: Any) -> Security:
    """Returns what protects a connection.

    `tls` None is what the environment says, which asks no Unix socket for TLS.

    Errors: TypeError or ValueError that names the argument or variable.
    """
    given = _arguments.credentials(credentials)
    if given is not None:
        if tls is not None and tls is not False:
            raise ValueError("tls and credentials are two ways to say the same; give one of them")
        return Security(given)
    if tls is None and not address.startswith(("unix:", "unix-abstract:")):
        tls = _environment()
    if tls is None or tls is False:
        return Security()
    if tls is True:
        tls = TLS()
    if not isinstance(tls, TLS):
        raise _arguments.wrong_type("tls", "True, False or tensorferry.TLS", tls)
    if (tls.cert is None) != (tls.key is None):
        raise ValueError("tls: cert and key are given together or not at all")
    ca, key, cert = (_read(name, getattr(tls, name)) for name in ("ca", "key", "cert"))
    return Security(grpc.ssl_channel_credentials(ca, key, cert), (ca, key or b"", cert or b""))


def authorized(metadata: Metadata, token: Any) -> Metadata:
    """Returns metadata with a token. None: that of the environment, unless the metadata bring one.

    Errors: TypeError or ValueError, which do not show the token. Two tokens are an error, as the server
        refuses calls that bring more than one.
    """
    brings_one = "authorization" in dict(metadata)
    if token is None and not brings_one:
        token = os.environ.get(_TOKEN) or None
    if token is None:
        return metadata
    if not isinstance(token, str):
        raise TypeError(f"token is a str or None, not {type(token).__name__}")
    if not token or not all("!" <= character <= "~" for character in token):
        raise ValueError("token is empty, or has blanks or characters that are not ASCII")
    if brings_one:
        raise ValueError(
            "token and 'authorization' in metadata are two ways to say the same; give one of them"
        )
    return (*metadata, ("authorization", f"Bearer {token}"))


def _environment() -> TLS | None:
    switch = os.environ.get(_SWITCH) or None
    if switch not in (None, "on", "off"):
        raise ValueError(f"{_SWITCH} is on or off, not {switch!r}")
    paths = {name: os.environ.get(variable) or None for name, variable in _VARIABLES.items()}
    if switch == "off" or (switch is None and not any(paths.values())):
        return None
    return TLS(**paths)


def _read(name: str, path: Any) -> bytes | None:
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            text = file.read()
    except TypeError as error:
        raise _arguments.wrong_type(f"tls: {name}", "a path", path) from error
    except OSError as error:
        raise ValueError(f"tls: {name} {os.fspath(path)!r}: {error.strerror}") from error
    if b"-----BEGIN " not in text:
        raise ValueError(f"tls: {name} {os.fspath(path)!r} is not in PEM form")
    return text
