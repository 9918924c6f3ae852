import pytest

from ratios import Results, bootstrap, number
from slices import Slice
from workloads import TCP

WORKLOAD = "W1 unary 64 B"


def made(contender: str, rate: float, round_: int = 0, foreign: float = 0.0) -> Slice:
    return Slice(TCP, WORKLOAD, contender, round_, rate, p50_us=1e6 / rate, p99_us=2e6 / rate, foreign=foreign)


def rate(s: Slice) -> float:
    return s.rate


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (100, "100"), (99.94, "99.9"), (12.34, "12.3"), (9.994, "9.99"), (0, "0.00")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_equal_values_leave_no_doubt() -> None:
    interval = bootstrap([2.0] * 8)
    assert (interval.low, interval.median, interval.high) == (2, 2, 2)


def test_the_interval_holds_the_median_and_no_outlier() -> None:
    interval = bootstrap([1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.02, 0.98, 50.0])
    assert interval.low <= interval.median == 1.0 <= interval.high < 50


def test_more_rounds_make_a_narrower_interval() -> None:
    few, many = bootstrap([1.0, 1.2, 1.4, 1.6]), bootstrap([1.0, 1.2, 1.4, 1.6] * 20)
    assert many.high - many.low < few.high - few.low


def test_ratios_compare_slices_of_the_same_round() -> None:
    # The machine is ten times as fast in the second round, but the ratio is equal.
    results = Results(
        [made("a", 20 * s, r) for r, s in enumerate((1, 10, 5))]
        + [made("b", 10 * s, r) for r, s in enumerate((1, 10, 5))]
    )
    interval = results.ratio(TCP, WORKLOAD, "a", "b", rate)
    assert interval is not None
    assert (interval.low, interval.median, interval.high, interval.rounds) == (2, 2, 2, 3)


def test_rounds_that_lack_one_of_the_two_do_not_count() -> None:
    results = Results([*(made("a", 20, r) for r in range(5)), *(made("b", 10, r) for r in range(1, 4))])
    interval = results.ratio(TCP, WORKLOAD, "a", "b", rate)
    assert interval is not None
    assert interval.rounds == 3
    assert results.ratio(TCP, WORKLOAD, "a", "c", rate) is None


def test_disturbed_rounds_count_only_if_there_are_too_few_others() -> None:
    calm = [made(c, v, r) for r in range(3) for c, v in (("a", 20), ("b", 10))]
    wild = [made("a", 90, 3, foreign=0.5), made("b", 10, 3)]
    interval = Results(calm + wild).ratio(TCP, WORKLOAD, "a", "b", rate)
    assert interval is not None
    assert (interval.high, interval.rounds, interval.disturbed) == (2, 3, False)
    interval = Results(calm[:4] + wild).ratio(TCP, WORKLOAD, "a", "b", rate)
    assert interval is not None
    assert (interval.high, interval.rounds, interval.disturbed) == (9, 3, True)
    assert str(interval).endswith("†")


def test_the_limit_is_the_faster_of_the_empty_servers() -> None:
    results = Results([made("limit", 10), made("limit-tuned", 11), made("tensorferry", 20)])
    assert results.limit(TCP, WORKLOAD) == "limit-tuned"
    assert Results([made("tensorferry", 20)]).limit(TCP, WORKLOAD) is None
