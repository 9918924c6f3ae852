"""Exceptions that survive pickle and copy, so that pools of processes can hand them over."""

from __future__ import annotations

import copy
import pickle
from contextlib import suppress
from typing import Any, TypeVar

import grpc

E = TypeVar("E", bound="PortableError")


class PortableError(Exception):
    """An exception that pickles and copies with its attributes and its cause, whatever its `__init__` takes.

    A cause that cannot be pickled, such as the error of a blocking gRPC call, arrives as its text.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            _blank,
            (type(self), self.args),
            (self.__dict__, _packed(self.__cause__), self.__suppress_context__),
        )

    def __setstate__(self, state: Any) -> None:
        attributes, cause, suppress_context = state
        self.__dict__.update(attributes)
        if cause is not None:
            self.__cause__ = _unpacked(*cause)
        self.__suppress_context__ = suppress_context

    def __copy__(self: E) -> E:
        return _with_cause(self, _blank(type(self), self.args), dict(self.__dict__), self.__cause__)

    def __deepcopy__(self: E, memo: dict[int, Any]) -> E:
        copied = _blank(type(self), copy.deepcopy(self.args, memo))
        memo[id(self)] = copied
        cause = self.__cause__
        with suppress(Exception):  # A cause that cannot be copied is shared.
            cause = copy.deepcopy(cause, memo)
        return _with_cause(self, copied, copy.deepcopy(self.__dict__, memo), cause)


def _blank(kind: type[E], args: tuple[Any, ...]) -> E:
    """Makes an exception without its `__init__`, which takes other arguments than `args` holds."""
    error = kind.__new__(kind)
    error.args = args
    return error


def _with_cause(original: E, copied: E, attributes: dict[str, Any], cause: BaseException | None) -> E:
    copied.__dict__.update(attributes)
    copied.__cause__ = cause
    copied.__suppress_context__ = original.__suppress_context__
    return copied


def _packed(cause: BaseException | None) -> tuple[bytes | None, bool, str] | None:
    """Returns the cause's pickle if there is one, whether the cause is gRPC's, and its text."""
    if cause is None:
        return None
    pickled = None
    with suppress(Exception):
        pickled = pickle.dumps(cause)
    text = str(cause) if isinstance(cause, grpc.RpcError) else f"{type(cause).__qualname__}: {cause}"
    return pickled, isinstance(cause, grpc.RpcError), text


def _unpacked(pickled: bytes | None, is_rpc_error: bool, text: str) -> BaseException:
    with suppress(Exception):  # Many exceptions pickle and do not load.
        cause = pickle.loads(pickled or b"")
        if isinstance(cause, BaseException):
            return cause
    return grpc.RpcError(text) if is_rpc_error else Exception(text)
