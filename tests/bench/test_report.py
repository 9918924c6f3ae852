import re

import pytest

from bench import chosen_workloads, read_arguments
from ratios import Interval, Results
from report import report, target_table
from slices import Slice
from targets import TARGETS, Target
from workloads import CONTENDERS, MIB, PLACES, TCP, WORKLOADS, option_of, size_name


def slices_of_everything(ours: float) -> list[Slice]:
    """Three rounds in which everybody answers 100 requests per second, and we `ours`."""
    return [
        Slice(
            place,
            w.name,
            c,
            r,
            ours if c in ("tensorferry", "tensorferry-tls") else 100,
            p50_us=10,
            p99_us=20,
            cpu_us=5,
        )
        for r in range(3)
        for w in WORKLOADS
        for place in w.places
        for c in w.contenders
    ]


@pytest.mark.parametrize(
    ("at_most", "low", "high", "verdict"),
    [
        (True, 0.9, 0.95, "met"),
        (True, 1.1, 1.2, "not met"),
        (True, 0.9, 1.1, "open"),
        (False, 1.1, 1.2, "met"),
        (False, 0.8, 0.9, "not met"),
        (False, 0.8, 1.0, "open"),
    ],
)
def test_no_verdict_while_the_interval_holds_the_bound(at_most: bool, low: float, high: float, verdict: str) -> None:
    target = Target("t", TCP, 1, at_most, lambda _: None)
    assert target.verdict(Interval((low + high) / 2, low, high)) == verdict


def test_no_verdict_from_disturbed_slices() -> None:
    assert Target("t", TCP, 1, True, lambda _: None).verdict(Interval(0.5, 0.4, 0.6, disturbed=True)) == "disturbed"


def test_every_target_of_plain_workloads_finds_its_slices() -> None:
    results = Results(slices_of_everything(ours=100))
    missing = [t.text for t in TARGETS if t.measured(results) is None]
    assert all(re.match("W9|W10|W4 peak|.*Poisson", text) for text in missing)
    assert len(missing) == 8


def test_targets_tell_fast_from_slow() -> None:
    for ours, verdict in ((1000, "met"), (10, "not met")):
        rows = [row for row in target_table(Results(slices_of_everything(ours))).splitlines() if "requests/s" in row]
        assert rows and all(row.endswith(f" {verdict} |") for row in rows)


def test_the_report_has_a_table_for_each_workload_and_place() -> None:
    text = report({"machine": "m"}, slices_of_everything(ours=90), [{"run_name": "Memcpy/64", "cpu_time": 1.5}])
    assert "- machine: m\n" in text
    assert text.count("\n### ") == sum(len(w.places) for w in WORKLOADS)
    assert "| Memcpy/64 | 1.50 | - |" in text


def test_each_workload_is_measured_once_in_each_place() -> None:
    names = [(place, w.name) for w in WORKLOADS for place in w.places]
    assert len(set(names)) == len(names)
    assert {c for w in WORKLOADS for c in w.contenders} <= CONTENDERS.keys()


def test_only_and_places_and_contenders_choose() -> None:
    chosen = chosen_workloads(read_arguments(["--only", "W3", "--places", TCP, "--contenders", "memcpy"]))
    assert {(w.key, w.places, w.contenders) for w in chosen} == {("W3", (TCP,), ("memcpy",))}
    everywhere = chosen_workloads(read_arguments(["--only", "W4", "--everywhere", "--contenders", "memcpy"]))
    assert all(w.places == PLACES for w in everywhere)
    with pytest.raises(SystemExit):
        read_arguments(["--only", "W6"])


def test_sizes_are_spelled_for_people_and_for_the_command() -> None:
    assert size_name(64) == "64 B"
    assert option_of(16 * MIB) == "16MiB"
