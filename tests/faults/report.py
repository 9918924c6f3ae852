"""The figures as tables of docs/security.md, printed, and written there if that is wished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness import REPO_ROOT
from measure import MOST_TIMES, Measured
from secured import Secured
from throttled import LOST_S, Tally

PAGE = REPO_ROOT / "docs/security.md"


def loads_table(loads: Sequence[Measured]) -> list[str]:
    rows = [
        "| Load | Its calls | p50, p99 alone, ms | p50, p99 beside it, ms | p99, times | MiB before, most, after |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in loads:
        calls = f"{one.calls.total():,}"
        latencies = " | ".join(
            f"{1e3 * probed.percentile(50):.1f}, {1e3 * probed.percentile(99):.0f}"
            for probed in (one.alone, one.beside)
        )
        times = f"{one.times:.1f}" if not one.wrong() else f"**{one.times:.1f}**"
        memory = f"{one.before.rss:.0f}, {one.peak.rss:.0f}, {one.after.rss:.0f}"
        rows.append(f"| {one.load} | {calls} | {latencies} | {times} | {memory} |")
    return [*rows, "", *_notes(loads)]


def _notes(loads: Sequence[Measured]) -> list[str]:
    wrong = [text for one in loads for text in one.wrong()]
    threads = max(one.peak.threads for one in loads)
    left = max(one.after.descriptors - one.before.descriptors for one in loads)
    return [
        f"At most {threads} threads; at most {left} descriptors more after a load than before it. Not as it should be:",
        "",
        *([f"- {text}" for text in wrong] or [f"- nothing: no answer lost or wrong, no p99 of {MOST_TIMES} times."]),
    ]


def restarts_table(turns: int, last: Counter[tuple[str, str]]) -> list[str]:
    rows = [f"| Callers of {turns} servers | told last | how many |", "| --- | --- | --- |"]
    return rows + [f"| {kind} | {told} | {count} |" for (kind, told), count in sorted(last.items())]


def secured_table(result: Secured) -> list[str]:
    rows = ["| Callers, for " + f"{result.minutes:g} minutes | were told | how often |", "| --- | --- | --- |"]
    rows += [
        f"| {name.replace('_', ' ')} | {told} | {count:,} |"
        for name, counts in result.counts.items()
        for told, count in sorted(counts.items())
    ]
    parts = [("when it was warm", result.warm), ("at most", result.peak), ("after it", result.after)]
    figures = "; ".join(f"{when} {one.rss:.0f} MiB, {one.threads}, {one.descriptors}" for when, one in parts)
    return [
        *rows,
        "",
        f"Resident memory, threads and descriptors of the server: {figures}.",
        f"Certificate and tokens were replaced {result.rotations:,} times meanwhile.",
    ]


def quota_lines(tally: Tally) -> list[str]:
    counts = ", ".join(f"{text} {count:,}" for text, count in sorted(tally.counts.items()))
    return [
        f"{tally.minutes:g} minutes at {tally.share:g} of a core ({tally.means}; the server used {tally.cores:.3f} and",
        f"wanted more in {100 * tally.throttled:.0f} % of the periods):",
        f"{counts}. The slowest answer took {tally.slowest:.2f} s, {LOST_S} s would count as lost; the program's own",
        f"threads were late by at most {tally.lag:.2f} s.",
    ]


def show(section: str, lines: Sequence[str], *, write: bool) -> None:
    """Prints the lines, and puts them in the place of what stands between the section's marks on the page."""
    print(*lines, "", sep="\n", flush=True)
    if write:
        begin, end = f"<!-- figures: {section} -->\n", f"<!-- end: {section} -->\n"
        before, _, rest = PAGE.read_text().partition(begin)
        _, _, after = rest.partition(end)
        Path(PAGE).write_text(before + begin + "\n".join(lines) + "\n" + end + after)
