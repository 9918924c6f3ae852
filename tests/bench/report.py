"""Results as tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import scenarios
from ratios import Interval, Results, number
from slices import MAX_FOREIGN, MAX_STEAL, Slice
from targets import TARGETS, p50, p99, rate
from workloads import CONTENDERS, WORKLOADS

HEAD = (
    "contender",
    "p50 µs",
    "p99 µs",
    "requests/s",
    "MB/s",
    "server CPU µs",
    "faults",
    "÷ limit",
    "÷ sync",
    "disturbed",
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def target_table(results: Results) -> str:
    rows = []
    for target in TARGETS:
        interval = target.measured(results)
        if interval:
            words = (target.text, target.place, target.wanted, str(interval), target.verdict(interval))
            rows.append(words)
    return table(("target", "where", "wanted", "measured", "verdict"), rows)


SUMMARY = (
    "memcpy",
    "raw-socket",
    "tensorferry",
    "sync",
    "sync-tuned",
    "callback",
    "callback-tuned",
    "python",
    "flight",
)


def summary_table(results: Results) -> str:
    """Requests per second as ratios to the limit's, without their intervals."""
    rows = []
    for workload in WORKLOADS:
        for place in workload.places:
            limit = results.limit(place, workload.name)
            if limit is None:
                continue
            ratios = [results.ratio(place, workload.name, c, limit, rate) for c in SUMMARY]
            rows.append([f"{workload.name}, {place}", *(number(r.median) if r else "-" for r in ratios)])
    return table(("requests/s ÷ limit's", *SUMMARY), rows)


def _cell(interval: Interval | None) -> str:
    return str(interval) if interval else "-"


def _row(results: Results, place: str, workload: str, contender: str, nbytes: int) -> list[str]:
    slices = results.of(place, workload, contender)

    def median(measure: Callable[[Slice], float | None]) -> float | None:
        return results.median(place, workload, contender, measure)

    def against(base: str | None) -> str:
        if base is None or base == contender:
            return "1" if base else "-"
        return _cell(results.ratio(place, workload, contender, base, rate))

    served = CONTENDERS[contender].server is not None
    return [
        contender,
        number(median(p50)),
        number(median(p99)),
        number(median(rate)),
        number(median(lambda s: s.rate * nbytes / 1e6)),
        number(median(lambda s: s.cpu_us)) if served else "-",
        number(median(lambda s: s.faults)) if served else "-",
        against(results.limit(place, workload)),
        against("sync"),
        f"{sum(s.disturbed for s in slices)}/{len(slices)}",
    ]


def workload_tables(results: Results) -> str:
    text = ""
    for place in results.places():
        for workload in WORKLOADS:
            measured = results.contenders(place, workload.name)
            if not measured or place not in workload.places:
                continue
            rows = [_row(results, place, workload.name, c, workload.nbytes) for c in CONTENDERS if c in measured]
            text += f"\n### {workload.name}, {place}\n\n{table(HEAD, rows)}"
    return text


def scenario_tables(results: Results) -> str:
    text = ""
    for place in results.places():
        for workload in sorted(
            w for w in results.workloads(place) if w in (scenarios.MIXED, scenarios.FIRST, scenarios.IDLE)
        ):
            rows = [
                [c, *(number(results.median(place, workload, c, m)) for m in (p50, p99))]
                for c in sorted(results.contenders(place, workload))
            ]
            text += f"\n### {workload}, {place}\n\n{table(('contender', 'p50 µs', 'p99 µs'), rows)}"
    return text


def pieces_table(pieces: Iterable[dict[str, object]]) -> str:
    rows = []
    for piece in sorted(pieces, key=lambda p: str(p["run_name"])):
        speed = piece.get("bytes_per_second")
        gb_s = number(float(str(speed)) / 1e9) if speed else "-"
        rows.append((str(piece["run_name"]), number(float(str(piece["cpu_time"]))), gb_s))
    return table(("piece", "ns", "GB/s"), rows)


def report(facts: dict[str, str], slices: Sequence[Slice], pieces: Sequence[dict[str, object]]) -> str:
    results = Results(slices)
    disturbed = sum(s.disturbed for s in slices)
    text = "".join(f"- {name}: {fact}\n" for name, fact in facts.items())
    busy = f"others used more than {MAX_FOREIGN:.0%} of the measured cores, or the host took more than {MAX_STEAL:.0%}"
    text += f"- slices: {len(slices)}, {disturbed} of them disturbed: {busy}\n"
    text += f"\n## Targets\n\n{target_table(results)}"
    text += f"\n## Beside the limit\n\n{summary_table(results)}"
    text += f"\n## Contenders\n{workload_tables(results)}{scenario_tables(results)}"
    if pieces:
        text += f"\n## Pieces of our own code\n\n{pieces_table(pieces)}"
    return text
