"""Wrong arguments of every method of both clients: TypeErrors and ValueErrors that say what is meant."""

from __future__ import annotations

import inspect
from typing import Any

import grpc
import numpy as np
import pytest
from both_clients import CLIENTS, call

import tensorferry

NOWHERE = "unix:/nonexistent/tensorferry.sock"
ARRAY = np.zeros(2)
SURROGATE = "a\udcff"  # What os.fsdecode makes of a byte that is no UTF-8.


class Unprintable:
    def __repr__(self) -> str:
        raise ZeroDivisionError


class Unusual(np.ndarray):
    @property  # type: ignore[misc]
    def strides(self) -> Any:
        raise ZeroDivisionError


class Encodes(str):
    def encode(self, *_: Any, **__: Any) -> bytes:
        raise ZeroDivisionError


CALLS: dict[str, tuple[Any, ...]] = {
    "convert": (ARRAY,),
    "convert_many": ([ARRAY],),
    "infer": ("identity", {"x": ARRAY}),
    "convert_file": ("x.npy",),
    "infer_many": ([("m", {"x": ARRAY})],),
    "server_info": (),
    "models": (),
    "health": (),
}
WrongSettings = dict[str, list[tuple[Any, type[Exception], str]]]
FLAGS: WrongSettings = {
    name: [("yes", TypeError, f"{name} is True or False, not str 'yes'"), (2, TypeError, f"{name} is True")]
    for name in ("strict", "return_data", "digest")
}
WRONG_SETTINGS: WrongSettings = {
    **FLAGS,
    "timeout": [
        ("5", TypeError, "timeout is a number of seconds or None, not str '5'"),
        (True, TypeError, "timeout is a number"),
        (Unprintable(), TypeError, "timeout is a number of seconds or None, not Unprintable$"),
        (float("nan"), ValueError, "timeout is a number of seconds or None, not nan"),
    ],
    "name": [
        (3, TypeError, "name is a str, not int 3"),
        (10**5000, TypeError, "name is a str, not int$"),
        (SURROGATE, ValueError, "name 'a.* is not valid"),
    ],
    "request_id": [
        (7, TypeError, "request_id is a str, not int 7"),
        (SURROGATE, ValueError, "request_id 'a.* is not valid"),
    ],
    "dtype": [
        (3.5, TypeError, "dtype is a name such as"),
        (SURROGATE, ValueError, "dtype 'a.* is not valid"),
    ],
    "progress": [
        (True, TypeError, "progress is a function of bytes sent and bytes in all, or None, not bool True"),
        ("print", TypeError, "progress is a function"),
    ],
    "on_error": [
        ("skip", ValueError, "on_error is 'raise' or 'return', not 'skip'"),
        (np.array(["raise", "return"]), ValueError, "on_error is 'raise' or 'return', not array"),
    ],
    "version": [
        (1.5, TypeError, "version is a str or an int, not float 1.5"),
        (True, TypeError, "version is a str or an int"),
        (10**5000, ValueError, "version has too many digits"),
        (SURROGATE, ValueError, "version 'a.* is not valid"),
    ],
    "outputs": [
        ("y", TypeError, "outputs is a sequence of str, not str 'y'"),
        (None, TypeError, "outputs is a sequence of str, not NoneType None"),
        ([1], TypeError, r"outputs\[0\] is a str, not int 1"),
        ([SURROGATE], ValueError, r"outputs\[0\] 'a.* is not valid"),
    ],
    "service": [(3, TypeError, "service is a str"), (SURROGATE, ValueError, "service 'a.* is not valid")],
}
WRONG_POSITIONALS: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    ("convert_many", (3,), TypeError, "arrays is an iterable of arrays, not int 3"),
    ("convert_many", (np.float64(1),), TypeError, "arrays is an iterable of arrays"),
    ("convert_file", (3,), TypeError, "path is the path of a file, not int 3"),
    ("convert_file", (b"x.npy",), TypeError, "path is the path of a file, not bytes"),
    ("infer_many", (3,), TypeError, "requests is an iterable of requests, not int 3"),
    ("infer", ("", {"x": ARRAY}), ValueError, "model is empty"),
    ("infer", (3, {"x": ARRAY}), TypeError, "model is a str, not int 3"),
    ("infer", (SURROGATE, {"x": ARRAY}), ValueError, "model 'a.* is not valid"),
    ("infer", ("m", [ARRAY]), TypeError, "inputs is a mapping of names to arrays, not list"),
    ("infer", ("m", {1: ARRAY}), TypeError, "a name in inputs is a str, not int 1"),
    ("infer", ("m", {SURROGATE: ARRAY}), ValueError, "a name in inputs 'a.* is not valid"),
]


def wrong_calls() -> list[Any]:
    """Every method with every argument that it takes, wrong in every way of the table."""
    rows = []
    for method, positionals in CALLS.items():
        for name in inspect.signature(getattr(tensorferry.Client, method)).parameters:
            for value, kind, text in WRONG_SETTINGS.get(name, ()):
                rows.append(pytest.param(method, positionals, {name: value}, kind, text))
    return rows + [
        pytest.param(method, wrong, {}, kind, text) for method, wrong, kind, text in WRONG_POSITIONALS
    ]


def test_the_table_has_every_argument_of_every_method() -> None:
    arguments = set()
    for method in CALLS:
        arguments |= set(inspect.signature(getattr(tensorferry.Client, method)).parameters)
    assert arguments - {"self", "array", "arrays", "model", "inputs", "requests", "path"} == set(
        WRONG_SETTINGS
    )
    public = {name for name in vars(tensorferry.Client) if not name.startswith("_")}
    assert public - {"close"} == set(CALLS)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("method", "positionals", "settings", "kind", "text"), wrong_calls())
def test_a_wrong_argument_is_named_before_anything_is_sent(
    method: str,
    positionals: tuple[Any, ...],
    settings: dict[str, Any],
    kind: type[Exception],
    text: str,
    client: str,
) -> None:
    with pytest.raises(kind, match=text) as caught:
        call(client, NOWHERE, method, *positionals, **settings)
    assert not isinstance(caught.value, (tensorferry.TensorferryError, UnicodeError))


TAKEN: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("infer", ("m", {}), {"version": 1}),
    ("infer", ("m", {}), {"version": np.int64(1)}),
    ("infer", ("m", {}), {"outputs": (name for name in "ab")}),
    ("convert", (ARRAY,), {"strict": np.True_}),
    ("convert", (ARRAY,), {"return_data": 1}),
    ("convert", (ARRAY,), {"name": np.str_("x")}),
    ("models", (), {"timeout": np.float32(20)}),
    ("models", (), {"timeout": float("inf")}),
    ("models", (), {"timeout": 10**30}),
    ("models", (), {"timeout": 10**400}),
    ("convert", (ARRAY.view(Unusual),), {"strict": True}),
    ("infer", (Encodes("m"), {Encodes("x"): ARRAY}), {"outputs": [Encodes("y")]}),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("method", "positionals", "settings"), TAKEN)
def test_what_can_be_meant_is_taken(
    method: str, positionals: tuple[Any, ...], settings: dict[str, Any], client: str
) -> None:
    with pytest.raises(tensorferry.TransportError):
        call(client, NOWHERE, method, *positionals, **settings)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_timeout_that_is_over_already(client: str) -> None:
    with pytest.raises(tensorferry.DeadlineError):
        call(client, "127.0.0.1:1", "models", timeout=-5)


@pytest.mark.parametrize("kind", [tensorferry.Client, tensorferry.aio.Client])
@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"timeout": "5"}, TypeError, "timeout is a number"),
        ({"verify": "no"}, TypeError, "verify is True or False"),
        ({"credentials": 3}, TypeError, "credentials is grpc.ChannelCredentials or None, not int 3"),
        ({"tls": "ca.pem"}, TypeError, "tls is True, False or tensorferry.TLS, not str 'ca.pem'"),
        ({"tls": tensorferry.TLS(cert="c")}, ValueError, "cert and key are given together"),
        ({"tls": tensorferry.TLS(ca="/absent/ca")}, ValueError, "tls: ca '/absent/ca': No such file"),
        ({"token": 3}, TypeError, "token is a str or None, not int"),
        ({"token": ""}, ValueError, "token is empty, or has blanks"),
        ({"token": "two words"}, ValueError, "token is empty, or has blanks"),
        (
            {"token": "a", "metadata": [("authorization", "Bearer b")]},
            ValueError,
            "token and 'authorization' in metadata are two ways to say the same",
        ),
        ({"metadata": 3}, TypeError, r"metadata is a sequence of \(name, value\) pairs, not int 3"),
        ({"metadata": ["key"]}, TypeError, r"each item of metadata is a \(name, value\) pair, not str 'key'"),
        ({"metadata": [("Key", "v")]}, ValueError, "a key in metadata has lower-case letters"),
        ({"metadata": [("key", 3)]}, TypeError, "metadata 'key' is a str, not int 3"),
        ({"metadata": [("key", "ü")]}, ValueError, "metadata 'key' is not printable ASCII"),
        ({"metadata": [("key", "a\n")]}, ValueError, "metadata 'key' is not printable ASCII"),
        ({"metadata": [("key-bin", "text")]}, TypeError, "metadata 'key-bin' is bytes"),
        ({"options": 3}, TypeError, r"options is a sequence of \(name, value\) pairs"),
        ({"options": [(3, 4)]}, TypeError, "a name in options is a str, not int 3"),
    ],
)
def test_wrong_settings_of_a_client(kind: Any, settings: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        kind(NOWHERE, **settings)


@pytest.mark.parametrize("value", [object(), 1 << 70])
def test_options_that_grpc_does_not_take(value: object) -> None:
    with pytest.raises(ValueError, match="options: gRPC does not take them"):
        tensorferry.Client(NOWHERE, options=[("grpc.keepalive_time_ms", value)])


@pytest.mark.parametrize("kind", [tensorferry.Client, tensorferry.aio.Client])
def test_settings_as_pairs_or_as_a_mapping(kind: Any) -> None:
    metadata = {"authorization": "Bearer x", "trace-bin": b"\xff"}
    for pairs in (metadata, list(metadata.items())):
        kind(
            NOWHERE,
            metadata=pairs,
            options=[("grpc.enable_retries", 0)],
            credentials=grpc.ssl_channel_credentials(),
        )
