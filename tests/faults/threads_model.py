"""Searches the model of the serving queue (tests/spin) with spin, for every case that must hold and every fault."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from harness import REPO_ROOT

MODEL = REPO_ROOT / "tests/spin/serving_queue.pml"
MOST_S = 900  # For one case.


@dataclass(frozen=True)
class Case:
    """A model of some size. `holds` is what the search must find out."""

    what: str
    flags: tuple[str, ...]
    holds: bool = True

    @property
    def by_end_states(self) -> bool:
        """With LOOKS the watch ends, and a lost answer is a state in which all wait. Without, it is a cycle."""
        return any(flag.startswith("LOOKS") for flag in self.flags)


STREAM = ("STREAMS=1", "CALLS=0")
CASES = [
    Case("one thread, two requests on a stream", ("WORKERS=1", *STREAM, "REQUESTS=2", "LOOKS=4")),
    Case("one thread, a stream beside a call", ("WORKERS=1", "STREAMS=1", "CALLS=1", "REQUESTS=1", "LOOKS=2")),
    Case("two threads, a stream", ("WORKERS=2", *STREAM, "REQUESTS=1", "LOOKS=2")),
    Case("one thread, with the watch as it is", ("WORKERS=1", *STREAM, "REQUESTS=1")),
    Case("the same, with an event that does not end", ("WORKERS=1", *STREAM, "REQUESTS=1", "LONG_EVENT")),
    Case(
        "fault: a relief thread ends with its last event",
        ("WORKERS=1", *STREAM, "REQUESTS=2", "LOOKS=4", "LOST_WAKEUP"),
        holds=False,
    ),
    Case(
        "fault: a thread sleeps without asking what waits",
        ("WORKERS=1", *STREAM, "REQUESTS=2", "LOOKS=2", "SLEEP_UNASKED"),
        holds=False,
    ),
    Case(
        "an event that does not end, and a second thread that sleeps",
        ("WORKERS=2", *STREAM, "REQUESTS=1", "LONG_EVENT"),
    ),
]


def tools_are_there() -> bool:
    return all(shutil.which(tool) for tool in ("spin", "gcc"))


def search(case: Case) -> tuple[bool, int]:
    """Whether no answer is lost, and the number of states that were looked at."""
    how = ["-DSAFETY", "-DNOCLAIM"] if case.by_end_states else ["-DNFAIR=3"]
    with tempfile.TemporaryDirectory() as folder:
        spin = ["spin", "-a", *(f"-D{flag}" for flag in case.flags), str(MODEL)]
        subprocess.run(spin, cwd=folder, check=True, capture_output=True)
        subprocess.run(["gcc", "-O1", "-DCOLLAPSE", *how, "-o", "pan", "pan.c"], cwd=folder, check=True)
        pan = ["./pan", "-m1000000", *([] if case.by_end_states else ["-a", "-f"])]
        found = subprocess.run(pan, cwd=folder, check=True, capture_output=True, text=True, timeout=MOST_S).stdout
    assert "max search depth too small" not in found and "out of memory" not in found, found
    errors, states = re.search(r"errors: (\d+)\n\s*(\d+) states, stored", found).groups()
    return errors == "0", int(states)


def run_model() -> tuple[list[str], list[str]]:
    """A line for each case, and what was not found as it should be."""
    lines, wrong = ["| Model | Answers lost | States looked at |", "| --- | --- | --- |"], []
    for case in CASES:
        holds, states = search(case)
        print(f"{case.what}: {states:,} states", flush=True)
        lines.append(f"| {case.what} | {'none' if holds else 'found'} | {states:,} |")
        if holds != case.holds:
            wrong.append(f"{case.what}: answers {'are not' if holds else 'are'} lost")
    return lines, wrong
