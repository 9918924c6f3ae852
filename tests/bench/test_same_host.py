"""What same_host.py makes of its slices."""

from __future__ import annotations

import same_host
from slices import Slice


def made(contender: str, round_: int, time_us: float) -> Slice:
    return Slice(same_host.PLACE, "16 MiB", contender, round_, 1e6 / time_us, time_us, time_us)


def test_ratios_are_those_of_the_others_to_ours() -> None:
    times = {"tensorferry": 2000, "compiled": 1250, "tenso": 1000, "triton": 3000, "sum": 1600}
    times |= {"tensorferry-anew": 8000, "tenso-anew": 4000, "triton-anew": 8000}
    text = same_host.report([made(name, r, time_us) for name, time_us in times.items() for r in range(3)])
    assert "| tensorferry | µs | tenso ÷ | triton ÷ |" in text
    assert "| 16 MiB | 2,000 | 0.50 [0.50, 0.50] | 1.50 [1.50, 1.50] | 1.25 [1.25, 1.25] |" in text
    assert "| 16 MiB | 1,250 | 0.80 [0.80, 0.80] | 2.40 [2.40, 2.40] | 0.78 [0.78, 0.78] |" in text
    assert "| tensorferry-anew | µs | tenso-anew ÷ | triton-anew ÷ |" in text
    assert "| 16 MiB | 8,000 | 0.50 [0.50, 0.50] | 1.00 [1.00, 1.00] | 5.00 [5.00, 5.00] |" in text
    assert "24 slices, 0 of them disturbed." in text


def test_sizes_that_were_not_measured_have_no_row() -> None:
    assert "64 MiB" not in same_host.report([made("tensorferry", 0, 1)])
