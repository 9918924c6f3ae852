"""What transports.py says of what it has measured."""

from __future__ import annotations

from transports import MIB, Measured, growth, table


def of(call: float, run: float, here: float) -> dict[str, Measured]:
    own = Measured([call] * 3, [call] * 3, [run] * 3, [0] * 3)
    plain = Measured([here] * 3, [here] * 3, [0.0] * 3, [0] * 3)
    return {"memcpy + digest": plain, "digest": plain, "sum": plain, "empty to sum, again": own}


def test_what_a_call_costs_beside_the_sum() -> None:
    sizes = {4096: of(call=0.5, run=0.1, here=0.0), 16 * MIB: of(call=2.0, run=1.5, here=1.0)}
    *_, first, second = growth(sizes).splitlines()
    assert first == "| 0.00390625 MiB | 0.50 | 1.00 | 0.40 | 1.00 |"
    assert second == "| 16 MiB | 1.00 | 2.00 | 0.50 | 1.25 |"


def test_ratios_to_what_the_process_does_itself() -> None:
    *_, last = table(16 * MIB, of(call=2.0, run=1.5, here=1.0)).splitlines()
    cells = [cell.strip() for cell in last.strip("|").split("|")]
    assert [cell.split()[0] for cell in cells[1:]] == ["2.00", "2.00", "2.00", "2.00", "1.50", "0"]
