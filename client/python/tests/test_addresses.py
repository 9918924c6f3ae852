"""Addresses that a client takes, and what it says of others."""

from __future__ import annotations

from typing import Any

import pytest

import tensorferry
from tensorferry._address import server_address

TAKEN = [
    "localhost:8001",
    "127.0.0.1:1",
    "[::1]:65535",
    "[fe80::1%eth0]:8001",
    "my-host.example.com:8001",
    "bücher.example:8001",
    "unix:/run/tensorferry.sock",
    "unix:relative.sock",
    "unix:///run/tensorferry.sock",
    "unix:/" + "a" * 106,
    "unix-abstract:name",
    "dns:///host:8001",
    "ipv4:127.0.0.1:8001",
    "ipv6:[::1]:8001",
]
REFUSED: list[tuple[Any, type[Exception], str]] = [
    ("localhost", ValueError, "the port is missing, as in 'localhost:8001'"),
    ("8001", ValueError, "the host is missing, as in 'localhost:8001'"),
    ("", ValueError, "neither host:port nor unix:PATH"),
    ("localhost:", ValueError, "neither host:port nor unix:PATH"),
    (":8001", ValueError, "neither host:port nor unix:PATH"),
    ("localhost:0", ValueError, "ports are 1 to 65535"),
    ("localhost:65536", ValueError, "ports are 1 to 65535"),
    ("localhost:http", ValueError, "neither host:port nor unix:PATH"),
    ("localhost:8001/", ValueError, "neither host:port nor unix:PATH"),
    (" localhost:8001", ValueError, "neither host:port nor unix:PATH"),
    ("localhost:8001\n", ValueError, "a character that cannot be printed"),
    ("::1:8001", ValueError, r"in brackets, as in '\[::1\]:8001'"),
    ("http://localhost:8001", ValueError, "it is a URL; leave 'http://' out$"),
    ("https://localhost", ValueError, "it is a URL; leave 'https://' out and name the port"),
    ("grpc://localhost:8001", ValueError, "it is a URL; leave 'grpc://' out"),
    ("unix:", ValueError, "the path is missing"),
    ("unix:/" + "a" * 107, ValueError, "the path has 108 bytes, at most 107 are possible"),
    ("dns:///", ValueError, "nothing stands behind the scheme"),
    ("a\udcff:1", ValueError, "is not valid Unicode"),
    ("a\0b:1", ValueError, "a character that cannot be printed"),
    (b"localhost:8001", TypeError, "target is a str, not bytes"),
    (8001, TypeError, "target is a str, not int 8001"),
    (("localhost", 8001), TypeError, "target is a str, not tuple"),
]


@pytest.mark.parametrize("address", TAKEN)
def test_an_address_is_taken_as_it_is(address: str) -> None:
    assert server_address(address) == address


@pytest.mark.parametrize("kind", [tensorferry.Client, tensorferry.aio.Client])
@pytest.mark.parametrize(("address", "error", "text"), REFUSED)
def test_an_address_that_cannot_be_meant(address: Any, error: type[Exception], text: str, kind: Any) -> None:
    with pytest.raises(error, match=text) as caught:
        kind(address)
    assert not isinstance(caught.value, UnicodeError)


def test_without_an_address_the_environment_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORFERRY_SERVER", "unix:/nonexistent/from-environment")
    with tensorferry.Client(timeout=10) as client, pytest.raises(ConnectionError, match="from-environment"):
        client.models()
    assert server_address("localhost:8001") == "localhost:8001"
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("TENSORFERRY_SERVER")
        else:
            monkeypatch.setenv("TENSORFERRY_SERVER", unset)
        assert server_address(None) == "127.0.0.1:8001"


def test_a_wrong_address_in_the_environment_is_called_by_the_variables_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TENSORFERRY_SERVER", "localhost")
    with pytest.raises(ValueError, match="TENSORFERRY_SERVER 'localhost' is neither host:port nor unix:PATH"):
        tensorferry.Client()
