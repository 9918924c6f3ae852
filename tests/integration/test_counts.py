"""What a warm request costs in counts, which do not depend on the machine's speed."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

import oracle
from harness import MIB, TIMEOUT_S, Server, connect_stub
from wire import array, request

BATCHES, REQUESTS = 12, 10
PAGES_OF_16_MIB = 16 * MIB // 4096


def minor_faults(server: Server) -> int:
    return int(Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[7])


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_warm_requests_of_16_mib_fault_in_no_pages(dtype: str) -> None:
    """gRPC's own memory grows now and then, by what lay unread in a socket: most requests do without."""
    numel = 4 * MIB
    message = request(array(dtype, (numel,), oracle.random_bytes(dtype, numel)), return_data=False)
    faults = []
    with Server() as server, connect_stub(server.address) as stub:
        for _ in range(BATCHES):
            before = minor_faults(server)
            for _ in range(REQUESTS):
                stub.Convert(message, timeout=TIMEOUT_S)
            faults.append((minor_faults(server) - before) / REQUESTS)
    assert faults[0] > PAGES_OF_16_MIB / 20, "the first ones do"
    assert median(faults) < PAGES_OF_16_MIB / 100
