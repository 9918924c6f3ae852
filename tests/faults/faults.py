"""Presses on servers with hostile loads, restarts, bad callers of TLS and a tenth of a core, and measures."""

from __future__ import annotations

import argparse
import sys

from call_loads import CALL_LOADS
from connection_loads import CONNECTION_LOADS
from measure import Measured, Pace, measure
from model_loads import MODEL_LOADS
from report import loads_table, quota_lines, restarts_table, secured_table, show
from restarts import run_restarts
from secured import run_secured
from threads_model import run_model, tools_are_there
from throttled import run_throttled

LOADS = [*CALL_LOADS, *CONNECTION_LOADS, *MODEL_LOADS]
PARTS = ("model", "loads", "restarts", "secured", "quota")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faults.py", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="a part, repeatable (all)")
    parser.add_argument("--load", default="", help="of the loads those whose names contain this text (all)")
    parser.add_argument("--seconds", type=float, default=4, help="of the probe, alone and beside a load, a round (4)")
    parser.add_argument("--rounds", type=int, default=5, help="for each load (5)")
    parser.add_argument("--restarts", type=int, default=12, help="under busy callers (12)")
    parser.add_argument("--secured-minutes", type=float, default=30, help="with TLS and tokens (30)")
    parser.add_argument("--minutes", type=float, default=60, help="with a quota of processor time (60)")
    parser.add_argument("--share", type=float, default=0.1, help="of one core, with the quota (0.1)")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/security.md")
    return parser.parse_args()


def _model(arguments: argparse.Namespace) -> list[str]:
    if not tools_are_there():
        print("The model of the serving queue is not searched: spin and gcc are not installed.")
        return []
    lines, wrong = run_model()
    show("model", lines, write=arguments.write)
    return wrong


def _loads(arguments: argparse.Namespace) -> list[str]:
    pace, results = Pace(arguments.seconds, arguments.rounds), list[Measured]()
    for load in LOADS:
        if arguments.load in load.name:
            results.append(measure(load, pace))
            print(f"{load.name}: {results[-1].times:.1f} times, {dict(results[-1].calls)}", flush=True)
    show("loads", loads_table(results), write=arguments.write)
    return [text for one in results for text in one.wrong()]


def _restarts(arguments: argparse.Namespace) -> list[str]:
    last, wrong = run_restarts(arguments.restarts)
    show("restarts", restarts_table(arguments.restarts, last), write=arguments.write)
    return wrong


def _secured(arguments: argparse.Namespace) -> list[str]:
    result = run_secured(arguments.secured_minutes)
    show("secured", secured_table(result), write=arguments.write)
    return result.wrong()


def _quota(arguments: argparse.Namespace) -> list[str]:
    tally = run_throttled(arguments.minutes, arguments.share)
    show("quota", quota_lines(tally), write=arguments.write)
    return tally.wrong()


def main() -> int:
    arguments = _arguments()
    run = {"model": _model, "loads": _loads, "restarts": _restarts, "secured": _secured, "quota": _quota}
    wrong = [text for part in arguments.only or PARTS for text in run[part](arguments)]
    print(*(f"WRONG: {text}" for text in wrong), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
