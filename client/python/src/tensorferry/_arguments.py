"""What callers pass: checked here, so that a wrong argument is a TypeError or ValueError that names it."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Iterable, Mapping
from typing import Any

import grpc
import numpy as np

_FOREVER_S = 1e9  # From here on gRPC's clock overflows; nobody waits for 30 years.


def text(argument: str, value: Any) -> str:
    """Returns a string that protobuf takes."""
    if not isinstance(value, str):
        raise wrong_type(argument, "a str", value)
    if type(value) is str and value.isascii():
        return value
    plain = str.__str__(value)  # A subclass may encode itself otherwise.
    try:
        plain.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{argument} {plain!r} is not valid Unicode: it cannot be encoded as UTF-8"
        ) from error
    return plain


def texts(argument: str, values: Any) -> list[str]:
    """Returns the strings of an iterable; a lone string, which is an iterable of letters, is refused."""
    if type(values) is tuple and not values:
        return []
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise wrong_type(argument, "a sequence of str", values)
    return [text(f"{argument}[{index}]", value) for index, value in enumerate(values)]


def flag(argument: str, value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, numbers.Integral) and value in (0, 1):
        return bool(value)
    raise wrong_type(argument, "True or False", value)


def seconds(argument: str, value: Any) -> float | None:
    """Returns seconds as gRPC takes them: None for ever; what is negative is over already."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise wrong_type(argument, "a number of seconds or None", value)
    try:
        duration = float(value)
    except OverflowError:
        duration = math.inf if value > 0 else -math.inf  # type: ignore[operator]
    if math.isnan(duration):
        raise ValueError(f"{argument} is a number of seconds or None, not nan")
    return None if duration > _FOREVER_S else max(-1.0, duration)


def count(argument: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise wrong_type(argument, "a number of times", value)
    if value < 0:
        raise ValueError(f"{argument} is a number of times, not {_shown(value)}")
    return int(value)


def version(value: Any) -> str:
    """Returns a model's version, which people write as a number, too."""
    if isinstance(value, str):
        return text("version", value)
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        try:
            return str(int(value))
        except ValueError as error:  # Python writes no number of more than some thousand digits.
            raise ValueError("version has too many digits for the version of a model") from error
    raise wrong_type("version", "a str or an int", value)


def model(value: Any) -> str:
    if not text("model", value):
        raise ValueError("model is empty; it is the name of a model, such as 'identity'")
    return str(value)


def inputs(values: Any) -> Mapping[str, Any]:
    if type(values) is not dict and not isinstance(values, Mapping):
        raise wrong_type("inputs", "a mapping of names to arrays", values)
    for name in values:
        text("a name in inputs", name)
    return values


def dtype(value: Any) -> Any:
    """Returns what `np.dtype` may know and, if it is a string, protobuf takes."""
    if isinstance(value, str):
        return text("dtype", value)
    if value is None or isinstance(value, (type, np.dtype)):
        return value
    raise wrong_type("dtype", "a name such as 'bfloat16', or a dtype", value)


def on_error(value: Any) -> Any:
    if not isinstance(value, str) or value not in ("raise", "return"):
        raise ValueError(f"on_error is 'raise' or 'return', not {_shown(value)}")
    return value


def transport(value: Any) -> Any:
    if not isinstance(value, str) or value not in ("auto", "bytes", "sealed"):
        raise ValueError(f"transport is 'auto', 'bytes' or 'sealed', not {_shown(value)}")
    return value


def progress(value: Any) -> Any:
    if value is not None and not callable(value):
        raise wrong_type("progress", "a function of bytes sent and bytes in all, or None", value)
    return value


def path(value: Any) -> str:
    """Returns the path of a file as a string."""
    try:
        text("path", shown := os.fspath(value))
    except TypeError as error:
        raise wrong_type("path", "the path of a file", value) from error
    return str(shown)


def iterable(argument: str, value: Any, of: str = "arrays") -> Any:
    """Returns `value`, which `iter` or `aiter` takes."""
    if hasattr(value, "__aiter__"):
        return value
    try:
        iter(value)
    except TypeError as error:
        raise wrong_type(argument, f"an iterable of {of}", value) from error
    return value


def metadata(values: Any) -> tuple[tuple[str, str | bytes], ...]:
    """Returns what gRPC sends with each call: lower-case keys, and values of printable ASCII."""
    pairs = tuple(_pair("metadata", pair) for pair in _pairs("metadata", values))
    for key, value in pairs:
        text("a key in metadata", key)
        if not key or not set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-."):
            raise ValueError(f"a key in metadata has lower-case letters, digits and '_-.', not {key!r}")
        if key.endswith("-bin"):
            if not isinstance(value, bytes):
                raise wrong_type(f"metadata {key!r}", "bytes, as its name ends in -bin", value)
        elif not _is_printable_ascii(text(f"metadata {key!r}", value)):
            raise ValueError(f"metadata {key!r} is not printable ASCII")
    return pairs


def options(values: Any) -> dict[str, Any]:
    """Returns gRPC's channel arguments by name; gRPC itself judges their values."""
    pairs = [_pair("options", pair) for pair in _pairs("options", values)]
    return {text("a name in options", name): value for name, value in pairs}


def credentials(value: Any) -> grpc.ChannelCredentials | None:
    if value is None or isinstance(value, grpc.ChannelCredentials):
        return value
    raise wrong_type("credentials", "grpc.ChannelCredentials or None", value)


def _pairs(argument: str, values: Any) -> Iterable[Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise wrong_type(argument, "a sequence of (name, value) pairs", values)
    return values.items() if isinstance(values, Mapping) else values


def _is_printable_ascii(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _pair(argument: str, pair: Any) -> tuple[Any, Any]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise wrong_type(f"each item of {argument}", "a (name, value) pair", pair)
    return pair[0], pair[1]


def wrong_type(argument: str, wanted: str, value: Any) -> TypeError:
    return TypeError(f"{argument} is {wanted}, not {type(value).__name__} {_shown(value)}".rstrip())


def _shown(value: Any) -> str:
    """The beginning of what `repr` says of a value; empty where that fails, as for numbers of many digits."""
    try:
        shown = repr(value)
    except Exception:  # Whatever the author of its type throws.
        return ""
    return f"{shown[:60]}{'…' * (len(shown) > 60)}"
