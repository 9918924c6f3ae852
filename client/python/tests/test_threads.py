"""Calls for which the system has no thread, as a container's limit of processes is reached."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from both_clients import TIMEOUT_S
from fake_server import serving
from streaming_server import OK, Streaming

import tensorferry
from tensorferry._alarms import Alarms

LARGE = np.zeros(5 << 17)  # 5 MiB, which travel in chunks.


def lack(numbers: range, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the threads that this one starts, counted from 1, those of these numbers cannot be started."""
    start, caller, started = threading.Thread.start, threading.current_thread(), 0

    def start_or_fail(thread: threading.Thread) -> None:
        nonlocal started
        if threading.current_thread() is caller:
            started += 1
            if started in numbers:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_fail)


def fail(call: Callable[[tensorferry.Client], object], client: tensorferry.Client) -> None:
    with pytest.raises(tensorferry.TensorferryError, match=r"no thread .*can't start") as raised:
        call(client)
    assert raised.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED


def convert(client: tensorferry.Client) -> list[tensorferry.Receipt]:
    return [client.convert(LARGE) for _ in range(2)]


def convert_many(client: tensorferry.Client) -> list[tensorferry.Receipt]:
    return [receipt for _ in range(2) for receipt in client.convert_many([LARGE])]


# One is for deadlines, and grpcio has two for a stream: for what comes, and for what is sent.
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("call", [convert, convert_many])
def test_a_client_goes_on_when_there_are_threads_again(
    call: Callable[[tensorferry.Client], list[tensorferry.Receipt]],
    number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TENSORFERRY_CORE", "pure")
    # Others have begun the thread for deadlines that all clients share.
    monkeypatch.setattr(tensorferry.Client, "_call_later", staticmethod(Alarms().call_later))
    answers, waited_in_vain = threading.Event(), threading.Event()

    def answer(*_: Any) -> Any:
        if not answers.wait(TIMEOUT_S):
            waited_in_vain.set()
        return OK

    with (
        serving(Streaming(answer)) as address,
        tensorferry.Client(address, timeout=TIMEOUT_S, verify=False) as client,
    ):
        answers.set()
        with monkeypatch.context() as lacking:
            lack(range(number, number + 1), lacking)
            fail(call, client)
        assert [receipt.dtype for receipt in call(client)] == ["float64"] * 2
        answers.clear()
        with pytest.raises(tensorferry.DeadlineError):
            client.convert(LARGE, timeout=0.2)
        assert not waited_in_vain.is_set()
        answers.set()


@pytest.mark.parametrize("call", [convert, convert_many])
def test_a_lack_that_lasts_costs_one_connection(
    call: Callable[[tensorferry.Client], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENSORFERRY_CORE", "pure")
    connect, addresses = grpc.insecure_channel, []

    def connect_and_tell(address: str, options: Any) -> Any:
        addresses.append(address)
        return connect(address, options)

    monkeypatch.setattr(grpc, "insecure_channel", connect_and_tell)
    with (
        serving(Streaming()) as address,
        tensorferry.Client(address, timeout=TIMEOUT_S, verify=False) as client,
    ):
        with monkeypatch.context() as lacking:
            lack(range(1, 100), lacking)
            for _ in range(5):
                fail(call, client)
        call(client)
        assert addresses == [address] * 2
