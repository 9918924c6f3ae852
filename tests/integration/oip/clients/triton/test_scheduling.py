"""Queues: their size, priorities, timeouts, and what leaves them before it is run.

`queued` runs one request at a time, has two priorities and room for four requests of each.
"""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode

from calls import Answers, check_refusal, inputs_of
from gates import Gate, Runs, wait_until

Client = triton.InferenceServerClient

REFUSED = StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED
ROOM = 4


def send(client: Client, value: float, **options: object) -> Answers:
    answers = Answers()
    client.async_infer("queued", inputs_of(np.float32([[value]])), answers, **options)
    return answers


def occupy(client: Client, runs: Runs) -> Answers:
    """Sends the request that keeps the others waiting."""
    answers = send(client, 1)
    runs.wait_for(1)
    return answers


def fill_up(client: Client, first: int, **options: object) -> dict[int, Answers]:
    """Sends more than there is room for, numbered from `first`; returns those that are queued.

    That others are refused is how one knows that these have arrived.
    """
    sent = {number: send(client, number, **options) for number in range(first, first + 3 * ROOM)}

    def refused() -> list[int]:
        return [number for number, answers in sent.items() if not answers.empty()]

    wait_until(lambda: len(refused()) >= 2 * ROOM, "refusals")
    for number in refused():
        check_refusal(sent.pop(number).error(), REFUSED, "ueue")
    return sent


def numbers(runs: Runs) -> list[int]:
    return [run.largest for run in runs.begun()]


def test_a_full_queue_refuses(client: Client, gate: Gate) -> None:
    with gate.closed("queued") as runs:
        first = occupy(client, runs)
        queued = fill_up(client, 100)
        assert len(queued) == ROOM
        runs.open()
        assert first.result().as_numpy("OUTPUT0").tolist() == [[1]]
        for number, answers in queued.items():
            assert answers.result().as_numpy("OUTPUT0").tolist() == [[number]]
        assert sorted(numbers(runs)) == [1, *sorted(queued)]


def test_there_is_room_again_afterwards(client: Client) -> None:
    assert client.infer("queued", inputs_of(np.float32([[-5]]))).as_numpy("OUTPUT0").tolist() == [[-5]]


def test_what_is_urgent_comes_first(client: Client, gate: Gate) -> None:
    with gate.closed("queued") as runs:
        occupy(client, runs)
        patient = fill_up(client, 200)
        urgent = fill_up(client, 100, priority=1)
        runs.open()
        for answers in (*patient.values(), *urgent.values()):
            answers.result()
        ran = numbers(runs)
    assert ran[0] == 1
    assert set(ran[1 : 1 + ROOM]) == set(urgent)
    assert set(ran[1 + ROOM :]) == set(patient)


@pytest.mark.parametrize("priority", [2, 3, 99])
def test_other_priorities(priority: int, client: Client) -> None:
    """The lowest is the default, and stands for any that are lower still."""
    client.infer("queued", inputs_of(np.float32([[-1]])), priority=priority)


def test_a_timeout(client: Client, gate: Gate) -> None:
    with gate.closed("queued") as runs:
        occupy(client, runs)
        hurried, calm = send(client, 2, timeout=1000), send(client, 3, timeout=60_000_000)
        error = hurried.error()  # While the model is still occupied.
        runs.open()
        calm.result()
        assert numbers(runs) == [1, 3]
    check_refusal(error, (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED), "timeout")


def test_a_timeout_that_is_long_enough(client: Client) -> None:
    client.infer("queued", inputs_of(np.float32([[-1]])), timeout=60_000_000)


@pytest.mark.parametrize("how", ["cancelled", "overdue"])
def test_what_nobody_waits_for_is_not_run(how: str, client: Client, gate: Gate) -> None:
    with gate.closed("queued") as runs:
        occupy(client, runs)
        abandoned = Answers()
        call = client.async_infer(
            "queued", inputs_of(np.float32([[2]])), abandoned, client_timeout=0.2 if how == "overdue" else None
        )
        client.is_server_live()  # The request has gone out before this one's answer came.
        if how == "cancelled":
            call.cancel()
        check_refusal(abandoned.error(), (StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED))
        client.is_server_live()  # The cancellation has gone out, too.
        runs.open()
        client.infer("queued", inputs_of(np.float32([[3]])))
        assert numbers(runs) == [1, 3]
