"""Dynamic batching: requests that wait together run together, and each gets its own rows back."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode

from calls import TIMEOUT_S, Answers, Stub, check_refusal, inputs_of, request_of
from gates import Gate, Run

Client = triton.InferenceServerClient

FULL = 5  # Rows that `patient` waits for.


def rows_of(*values: float) -> np.ndarray:
    return np.float32([[value] for value in values])


def send(client: Client, model: str, *values: float, **options: object) -> Answers:
    answers = Answers()
    client.async_infer(model, inputs_of(rows_of(*values)), answers, **options)
    return answers


def check_rows(result: triton.InferResult, rows: int, *values: float) -> None:
    """The request ran among this many rows, and got its own back."""
    assert result.as_numpy("ROWS").tolist() == [[rows]] * len(values)
    assert result.as_numpy("OUTPUT0").tolist() == [[value] for value in values]


@pytest.mark.parametrize("sizes", [(5,), (1, 4), (4, 1), (2, 2, 1), (1, 1, 1, 1, 1)], ids=str)
def test_a_batch_runs_when_it_is_full(sizes: tuple[int, ...], client: Client) -> None:
    parts = [[-10 * i - j for j in range(size)] for i, size in enumerate(sizes)]
    sent = [send(client, "patient", *part) for part in parts]
    for part, answers in zip(parts, sent, strict=True):
        check_rows(answers.result(), FULL, *part)


def test_requests_on_one_stream_run_together(client: Client) -> None:
    """They could not, if each waited for the answer to the one before."""
    answers = Answers()
    client.start_stream(answers)
    for i in range(FULL):
        client.async_stream_infer("patient", inputs_of(rows_of(-i)), request_id=str(i))
    for _ in range(FULL):
        result = answers.result()
        check_rows(result, FULL, -int(result.get_response().id))
    client.stop_stream()


def test_requests_on_several_connections_run_together(address: str) -> None:
    clients = [triton.InferenceServerClient(address) for _ in range(FULL)]
    for i, answers in enumerate([send(client, "patient", -i) for i, client in enumerate(clients)]):
        check_rows(answers.result(), FULL, -i)
    for client in clients:
        client.close()


def test_what_waits_while_the_model_is_busy_runs_together(client: Client, gate: Gate) -> None:
    with gate.closed("batched") as runs:
        first = send(client, "batched", 1)
        runs.wait_for(1)
        sent = [send(client, "batched", 2 + i) for i in range(7)]
        for _ in range(3):
            client.infer("simple", inputs_of(*np.zeros((2, 1, 16), np.int32)))  # Time for them to arrive.
        runs.open()
        check_rows(first.result(), 1, 1)
        together = [int(answers.result().as_numpy("ROWS")[0, 0]) for answers in sent]
        begun = runs.begun()
    assert begun[0] == Run(rows=1, largest=1)
    assert sum(run.rows for run in begun[1:]) == 7
    assert max(together) > 1
    assert sorted(together) == sorted(run.rows for run in begun[1:] for _ in range(run.rows))


def test_a_batch_is_never_too_large(client: Client, gate: Gate) -> None:
    with gate.closed("batched") as runs:
        first = send(client, "batched", 1)
        runs.wait_for(1)
        sent = [send(client, "batched", 2, 3, 4) for _ in range(6)]
        runs.open()
        first.result()
        for answers in sent:
            assert answers.result().as_numpy("OUTPUT0").tolist() == [[2], [3], [4]]
        assert all(run.rows in (3, 6) for run in runs.begun()[1:])


def test_what_is_cancelled_leaves_its_place(client: Client) -> None:
    abandoned = Answers()
    call = client.async_infer("patient", inputs_of(rows_of(-1, -2, -3, -4)), abandoned)
    client.is_server_live()  # The request has gone out before this one's answer came.
    call.cancel()
    check_refusal(abandoned.error(), StatusCode.CANCELLED)
    client.is_server_live()
    sent = [send(client, "patient", -5, -6), send(client, "patient", -7, -8, -9)]
    check_rows(sent[0].result(), FULL, -5, -6)
    check_rows(sent[1].result(), FULL, -7, -8, -9)


def test_a_bad_request_spoils_no_batch(client: Client, stub: Stub) -> None:
    good = send(client, "patient", -1, -2, -3, -4)
    for bad in (request_of("patient", ("FP32", [2, 1], bytes(4))), request_of("patient", ("INT32", [1, 1], bytes(4)))):
        call = stub.ModelInfer.future(bad, timeout=TIMEOUT_S)
        check_refusal(call.exception(), StatusCode.INVALID_ARGUMENT, "INPUT0")
    check_rows(send(client, "patient", -5).result(), FULL, -5)
    check_rows(good.result(), FULL, -1, -2, -3, -4)
