"""The first of the random requests of `make test-million`: each is answered as NumPy, torch and ml_dtypes have it."""

from __future__ import annotations

from harness import Server
from roads import ROADS, run_cases

SEED, COUNT = 1, 2000


def test_random_requests_of_both_protocols_and_the_command(server: Server) -> None:
    report = run_cases(server.address, SEED, range(COUNT))
    assert report.mismatches == []
    assert {road for road, _ in report.verdicts} >= set(ROADS)
    assert sum(count for (road, _), count in report.verdicts.items() if road in ROADS) == COUNT
    assert sum(verdict.isupper() for _, verdict in report.verdicts) > 20, "few reasons came up"
