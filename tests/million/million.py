"""Sends random requests to a real server, and compares each answer with NumPy, torch, ml_dtypes and xxhash.

A case is what its number and the seed make of it: the same two give the same request again, alone if need be.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import ml_dtypes
import numpy as np
import torch
import xxhash

import tensorferry
from harness import Server
from roads import ROADS, Report, make_case, run_cases

BLOCK = 2000  # Cases that one process takes at a time.
MAX_MISMATCHES = 10
FLAGS = ["--max-message-bytes", "1MiB"]  # So that large tensors come back in chunks.


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="million.py", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="requests (1000000)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="a number; random, and printed")
    parser.add_argument("--case", type=int, help="the only request to send")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes that send")
    arguments = parser.parse_args()
    if arguments.case is not None:
        arguments.count = 1
    return arguments


def _blocks(arguments: argparse.Namespace) -> list[range]:
    if arguments.case is not None:
        return [range(arguments.case, arguments.case + 1)]
    return [range(start, min(start + BLOCK, arguments.count)) for start in range(0, arguments.count, BLOCK)]


def _reports(address: str, arguments: argparse.Namespace) -> Iterator[tuple[range, Report]]:
    """The reports of all blocks, as they come; ends early after enough mismatches."""
    blocks = _blocks(arguments)
    with ProcessPoolExecutor(min(arguments.jobs, len(blocks)), get_context("spawn")) as pool:
        try:
            sent = {pool.submit(run_cases, address, arguments.seed, block): block for block in blocks}
            for done in as_completed(sent):
                yield sent[done], done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _show_mismatches(report: Report, seed: int) -> None:
    for number, road, text in report.mismatches:
        print(f"\nMISMATCH: seed {seed}, case {number}, {road}: {text}")
        print(f"  alone: make test-million MILLION_ARGS='--seed {seed} --case {number}'", flush=True)


def _summary(verdicts: Counter[tuple[str, str]]) -> None:
    print(f"\n{'':22}{'requests':>10}{'converted':>11}{'refused':>9}")
    for road in [*ROADS, "arrays of the command"]:
        counts = {verdict: count for (of, verdict), count in verdicts.items() if of == road}
        total = sum(counts.values())
        print(f"{road:22}{total:>10,}{counts.get('converted', 0):>11,}{total - counts.get('converted', 0):>9,}")
    reasons: Counter[str] = Counter()
    for (_, verdict), count in verdicts.items():
        if verdict.isupper():
            reasons[verdict] += count
    print("refused with " + ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common()))


def _versions(address: str) -> str:
    with tensorferry.Client(address) as client:
        info = client.server_info()
    return (
        f"server {info.version} with torch {info.torch_version}; oracles torch {torch.__version__}, NumPy "
        f"{np.__version__}, ml_dtypes {ml_dtypes.__version__}, xxhash {xxhash.VERSION}"
    )


def main() -> int:
    arguments = _arguments()
    if arguments.case is not None:
        print(make_case(arguments.seed, arguments.case))
    begun = time.monotonic()
    verdicts: Counter[tuple[str, str]] = Counter()
    done = mismatches = 0
    with Server(*FLAGS) as server:
        print(f"seed {arguments.seed}, {arguments.count:,} requests; {_versions(server.address)}", flush=True)
        for block, report in _reports(server.address, arguments):
            done += len(block)
            verdicts.update(report.verdicts)
            mismatches += len(report.mismatches)
            _show_mismatches(report, arguments.seed)
            elapsed = time.monotonic() - begun
            print(f"\r{done:,} requests, {done / elapsed:,.0f}/s, mismatches: {mismatches} ", end="", flush=True)
            if mismatches >= MAX_MISMATCHES:
                break
        assert server.alive(), server.log()
    _summary(verdicts)
    print(f"seed {arguments.seed}: {done:,} requests in {time.monotonic() - begun:,.0f} s, mismatches: {mismatches}")
    return 1 if mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
