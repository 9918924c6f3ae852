"""Elements that do not lie in C order are copied to be sent: the copies are in the memory budget, as arrays are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness import MIB, TIMEOUT_S, Server, becomes_true, connect, connect_stub
from served_models import put
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import array, convert_unary, request

SIDE = 2048  # So 16 MiB.
BUDGET = 40 * MIB  # For an array and its copy, and for another array, but not for the copy of that.


class Transposed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.t()


def square(*, fortran_order: bool, **fields: object) -> pb.ConvertRequest:
    return request(array("<f4", (SIDE, SIDE), bytes(16 * MIB), fortran_order=fortran_order), **fields)


CASES = {
    "converted": square(fortran_order=True),
    "identity": square(fortran_order=True, model_name="identity", return_data=False),
    "output": square(fortran_order=False, model_name="transposed", return_data=False),
    "input": square(fortran_order=False, model_name="identity"),  # The model gets a copy of what is sent back.
}


@pytest.mark.parametrize("wanted", CASES.values(), ids=CASES.keys())
def test_an_answer_that_nobody_reads_holds_its_copies(wanted: pb.ConvertRequest, tmp_path: Path) -> None:
    """Without its copies it would hold nothing, as the arrays themselves are gone, and leave room for another."""
    put(tmp_path / "transposed", Transposed().eval())
    flags = ("--memory-budget", f"{BUDGET}", "--model-dir", f"{tmp_path}")
    with Server(*flags) as server, connect(server.address) as channel, connect_stub(server.address) as stub:
        stream = channel.stream_stream("/tensorferry.v1.TensorService/Convert")
        unread = stream(iter([wanted.SerializeToString()]), timeout=TIMEOUT_S)
        unread.initial_metadata()  # Comes with the answer's first part, so it was not the one refused.
        assert becomes_true(lambda: convert_unary(stub, wanted).reason == "MEMORY_BUDGET")
        unread.cancel()
        assert becomes_true(lambda: convert_unary(stub, wanted).refusal is None)


@pytest.mark.parametrize("model", ["", "identity"])
def test_what_never_fits_beside_its_copy_is_not_told_to_come_back(model: str) -> None:
    wanted = square(fortran_order=True, model_name=model, return_data=model == "")
    with Server("--memory-budget", f"{24 * MIB}") as server, connect_stub(server.address) as stub:
        refusal = convert_unary(stub, wanted).refusal
        assert refusal is not None
        assert (refusal.reason, refusal.retry_after_ms) == ("TENSOR_TOO_LARGE", 0)


def test_what_a_model_expands_is_not_copied_beyond_the_budget(tmp_path: Path) -> None:
    """One element of the model's memory that stands for many takes a copy of them all."""

    class Expanded(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum().expand(1 << 28)

    put(tmp_path / "expanded", Expanded().eval())
    flags = ("--memory-budget", f"{BUDGET}", "--model-dir", f"{tmp_path}")
    message = request(array("<f4", (1,), torch.ones(1).numpy().tobytes()), model_name="expanded", return_data=False)
    with Server(*flags) as server, connect_stub(server.address) as stub:
        before = server.peak_rss()
        assert convert_unary(stub, message).reason == "TENSOR_TOO_LARGE"
        assert server.peak_rss() - before < 64 * MIB
