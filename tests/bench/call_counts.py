"""Where a small call's time goes, in counts that do not depend on how busy the machine is.

    .venv/bin/python tests/bench/call_counts.py [--outstanding N] [--functions N]

Callgrind counts, in user space and per call of 64 bytes, the instructions of the empty gRPC server and of ours, and
the lines that a first cache of 32 KiB, for code and for data, would lack. strace counts the system calls. Needs the
programs of `make bench` (scripts/build.sh bench), valgrind and strace. docs/performance.md has the results.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from servers import BIN

CACHE = "32768,8,64"  # Bytes, ways, bytes per line.
EVENTS = ("Ir", "I1mr", "D1mr", "D1mw")
LEAST_SHOWN = 0.01  # System calls per request.
OURS = re.compile(r"tensorferry::")
TORCH = re.compile(r"lib(torch|c10)")
LIBRARIES = re.compile(r"libc\.so|libstdc\+\+|ld-linux|/malloc/|/string/|/nptl/")


@dataclass
class Counts:
    """What one call costs one server."""

    totals: dict[str, float]
    by_part: Counter[str] = field(default_factory=Counter)  # Instructions.
    functions: list[tuple[float, float, str]] = field(default_factory=list)  # Instructions, lines of code, name.


def part_of(function: str) -> str:
    if OURS.search(function):
        return "tensorferry"
    if TORCH.search(function):
        return "torch"
    return "the C and C++ libraries" if LIBRARIES.search(function) else "gRPC"


def number(text: str) -> int:
    return 0 if text == "." else int(text.replace(",", ""))


def read_profile(profile: Path, calls: int) -> Counts:
    """Each line of callgrind_annotate has a column for each event, its share in brackets, then the function."""
    command = ["callgrind_annotate", "--threshold=100", "--auto=no", f"--show={','.join(EVENTS)}", str(profile)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    column = r"\s*([\d,]+|\.)\s*(?:\([^)]*\))?"
    line_of_function = re.compile(column * len(EVENTS) + r"\s+(\S.*)$")
    counts = Counts(dict.fromkeys(EVENTS, 0.0))
    for line in lines:
        if (match := line_of_function.match(line)) is None or "PROGRAM TOTALS" in line:
            continue
        values = [number(text) / calls for text in match.groups()[: len(EVENTS)]]
        function = match[len(EVENTS) + 1]
        for event, value in zip(EVENTS, values, strict=True):
            counts.totals[event] += value
        counts.by_part[part_of(function)] += values[0]
        counts.functions.append((values[0], values[1], function))
    return counts


class Server:
    """A server on one TCP address, under a program that watches it. The end of the `with` block ends it."""

    def __init__(self, watcher: list[str], program: str) -> None:
        ours = program == "tensorferry-server"
        address = ["--listen", "127.0.0.1:0", "--admin-listen", "off"] if ours else ["127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*watcher, str(BIN / program), *address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        ready = re.search(r"grpc=(\S+)", self.process.stdout.readline())
        if ready is None:
            self.stop()
            raise SystemExit(f"{program} did not start")
        self.address = ready[1]

    def load(self, outstanding: int, seconds: float) -> int:
        """Sends requests of 64 bytes for so long, and returns how many were answered."""
        command = [BIN / "tensorferry", "bench", "--server", self.address, "--size", "64B", "--json"]
        command += ["--outstanding", str(outstanding), "--warmup", "0s", "--duration", f"{int(seconds * 1000)}ms"]
        result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return int(result["sizes"][0]["requests"])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def count_instructions(program: str, outstanding: int, folder: Path) -> Counts:
    profile = folder / f"{program}.callgrind"
    caches = ["--cache-sim=yes", f"--I1={CACHE}", f"--D1={CACHE}", "--LL=1048576,16,64"]
    flags = ["--tool=callgrind", "--instr-atstart=no", *caches, f"--callgrind-out-file={profile}"]
    with Server(["valgrind", *flags], program) as server:
        server.load(outstanding, 1)
        control = ["callgrind_control", "--instr=on", str(server.process.pid)]
        subprocess.run(control, check=True, capture_output=True)
        calls = server.load(outstanding, 5)
        control[1] = "--instr=off"
        subprocess.run(control, check=True, capture_output=True)
    return read_profile(profile, calls)


def count_system_calls(program: str, outstanding: int, folder: Path) -> dict[str, float]:
    """System calls per request, by name."""
    summary = folder / f"{program}.strace"
    with Server([], program) as server:
        server.load(outstanding, 0.3)
        command = ["strace", "-f", "-c", "-U", "name,calls", "-o", str(summary), "-p", str(server.process.pid)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as strace:
            while "TracerPid:\t0\n" in Path(f"/proc/{server.process.pid}/status").read_text():
                time.sleep(0.05)
            calls = server.load(outstanding, 1)
            strace.send_signal(signal.SIGINT)
    rows = re.findall(r"^ *(\w+) +(\d+)$", summary.read_text(), re.MULTILINE)
    return {name: int(seen) / calls for name, seen in rows if name != "total"}


def report(program: str, outstanding: int, most_functions: int, folder: Path) -> None:
    counts = count_instructions(program, outstanding, folder)
    totals = counts.totals
    print(f"{program}, {outstanding} outstanding, per call of 64 bytes:")
    print(f"  {totals['Ir']:8.0f} instructions, of them")
    for part, instructions in counts.by_part.most_common():
        print(f"  {instructions:8.0f} in {part}")
    print(f"  {totals['I1mr']:8.0f} lines of code that were not in the first cache")
    print(f"  {totals['D1mr'] + totals['D1mw']:8.0f} lines of data that were not in the first cache")
    for instructions, lines, function in sorted(counts.functions, key=lambda row: -row[1])[:most_functions]:
        print(f"    {instructions:6.0f} instructions, {lines:5.1f} lines: {function[:120]}")
    for system_call, seen in count_system_calls(program, outstanding, folder).items():
        if seen >= LEAST_SHOWN:
            print(f"  {seen:8.2f} times {system_call}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outstanding", type=int, default=1)
    parser.add_argument("--functions", type=int, default=0, help="also list the functions that miss the most code")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for program in ("limit_server", "tensorferry-server"):
            report(program, args.outstanding, args.functions, Path(name))


if __name__ == "__main__":
    main()
