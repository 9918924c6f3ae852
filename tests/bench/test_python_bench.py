"""What python_bench.py makes of its slices."""

from __future__ import annotations

import python_bench
from slices import Slice


def made(contender: str, round_: int, time_us: float, cpu_us: float) -> Slice:
    return Slice("same/tcp", "64 B", contender, round_, 1e6 / time_us, time_us, time_us, cpu_us=cpu_us)


def test_ratios_are_those_of_tritonclient_to_the_others() -> None:
    slices = [made("tritonclient", r, 200, 150) for r in range(3)] + [
        made("tensorferry", r, 100, 120) for r in range(3)
    ]
    text = python_bench.report(slices)
    assert "| 64 B, same/tcp | 200 | 2.00 [2.00, 2.00] |" in text
    assert "| 64 B, same/tcp | 150 | 1.25 [1.25, 1.25] |" in text
    assert "6 slices, 0 of them disturbed." in text
