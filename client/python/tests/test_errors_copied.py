"""Every exception of the package pickles and copies whole, as pools of processes need it."""

from __future__ import annotations

import copy
import importlib
import multiprocessing
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import grpc
import numpy as np
import pytest
from test_errors import FakeRpcError

import tensorferry
from tensorferry import ProtocolError, Receipt, TensorferryError, TransportError, VerificationError

RECEIPT = Receipt(
    name="x",
    dtype="float32",
    numpy_dtype="float32",
    source_dtype="<f4",
    dtype_equal=True,
    adjustments=(),
    shape=(2,),
    strides=(1,),
    numel=2,
    itemsize=4,
    nbytes=8,
    device="cpu",
    digest=b"\0" * 16,
    digest_equal=False,
    data=np.zeros(2, "f4"),
)


def kinds() -> list[type[BaseException]]:
    """All exceptions that modules of the package define, found rather than listed."""
    found = set()
    for module in pkgutil.iter_modules(tensorferry.__path__, "tensorferry."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseException):
                found.add(value)
    return sorted(
        (kind for kind in found if kind.__module__.startswith("tensorferry.")), key=lambda kind: kind.__name__
    )


def make(kind: type[BaseException]) -> BaseException:
    if issubclass(kind, VerificationError):
        return kind("digest", "00", "11", RECEIPT)
    if issubclass(kind, ProtocolError):
        return kind("no sense")
    if issubclass(kind, TensorferryError):
        return kind(
            grpc.StatusCode.RESOURCE_EXHAUSTED, "m", reason="R", metadata={"limit": "8"}, retry_after=1.5
        )
    return kind("m")


CAUSES: dict[str, BaseException | None] = {
    "none": None,
    "plain": KeyError("key"),
    "own": ProtocolError("inner"),
    "gRPC": FakeRpcError(grpc.StatusCode.UNAVAILABLE),
}


def pickled(protocol: int) -> Callable[[BaseException], BaseException]:
    return lambda error: pickle.loads(pickle.dumps(error, protocol))


COPIES: dict[str, Callable[[BaseException], BaseException]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle{protocol}": pickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)},
}


def facts(error: BaseException) -> tuple[object, ...]:
    """All that makes an exception what it is, in a form that can be compared."""
    attributes = {key: value for key, value in vars(error).items() if key != "receipt"}
    receipt = getattr(error, "receipt", None)
    data = None if receipt is None else (receipt, receipt.data.tobytes())
    return type(error), str(error), error.args, attributes, data, error.__suppress_context__


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_the_error(way: str, kind: type[BaseException], cause: str) -> None:
    error = make(kind)
    error.__cause__ = CAUSES[cause]
    error.seen = ["by the caller"]  # type: ignore[attr-defined]
    copied = COPIES[way](error)
    assert copied is not error
    assert facts(copied) == facts(error)
    assert type(copied.__cause__) is type(error.__cause__)
    assert str(copied.__cause__) == str(error.__cause__)


def test_the_package_has_exceptions() -> None:
    assert {TensorferryError, VerificationError} <= set(kinds())


class ThreadBoundError(grpc.RpcError):  # type: ignore[misc]
    """An error that cannot be pickled, as the blocking gRPC's are."""

    def __reduce__(self) -> str:
        raise TypeError("cannot pickle '_thread.RLock' object")


class OneWayError(Exception):
    """An error that pickles and does not load."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


@pytest.mark.parametrize("way", [name for name in COPIES if name.startswith("pickle")])
@pytest.mark.parametrize(
    ("cause", "kind", "text"),
    [
        (ThreadBoundError("status = UNAVAILABLE"), grpc.RpcError, "status = UNAVAILABLE"),
        (OneWayError("a", "b"), Exception, "OneWayError: a and b"),
    ],
)
def test_a_cause_that_cannot_be_pickled_leaves_its_text(
    way: str, cause: Exception, kind: type[Exception], text: str
) -> None:
    error = TransportError(grpc.StatusCode.UNAVAILABLE, "gone")
    error.__cause__ = cause
    arrived = COPIES[way](error).__cause__
    assert (type(arrived), str(arrived)) == (kind, text)


@pytest.mark.parametrize("way", ["copy", "deepcopy"])
def test_a_cause_that_cannot_be_copied_is_shared(way: str) -> None:
    error = TransportError(grpc.StatusCode.UNAVAILABLE, "gone")
    error.__cause__ = ThreadBoundError("bound")
    assert isinstance(COPIES[way](error).__cause__, ThreadBoundError)


def test_copies_do_not_share_metadata() -> None:
    error = tensorferry.RefusedError(grpc.StatusCode.INTERNAL, "m", metadata={"limit": "8"})
    copied = copy.deepcopy(error)
    copied.metadata["limit"] = "9"
    assert error.metadata == {"limit": "8"}


def task(number: int) -> int:
    """Runs in another process, against a server that is not there."""
    if number == 1:
        with tensorferry.Client("unix:/nonexistent/tensorferry.sock", timeout=10) as client:
            client.convert([1.0])
    if number == 2:
        with tensorferry.Client("unix:/absent") as client, client._translated:
            raise FakeRpcError(grpc.StatusCode.UNIMPLEMENTED)
    return number


def outcomes() -> Iterator[object]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(task, number) for number in range(4)]:
            yield future.exception(timeout=120) or future.result()


def test_an_error_costs_a_pool_of_processes_its_own_task_only() -> None:
    first, unreachable, refused, last = outcomes()
    assert (first, last) == (0, 3)
    assert isinstance(unreachable, TransportError)
    assert isinstance(unreachable, ConnectionError)
    assert isinstance(refused, tensorferry.RefusedError)
    assert refused.code is grpc.StatusCode.UNIMPLEMENTED
