"""Serves programs of torch.export that were changed at random. Each is READY or refused, and the server goes on.

A file is what its number and the seed make of a program: the same two give the same file again.
"""

from __future__ import annotations

import argparse
import random
import resource
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import torch
from torch import Tensor

import exported_suite
import older_archives
from exported_suite import PROGRAMS, tensors
from harness import REPO_ROOT, TIMEOUT_S, Server, connect
from mutants import Mutant, mutant
from oip_messages import RepositoryModelLoadRequest, RepositoryModelLoadResponse
from served_models import dtype_name, elements, infer, listed
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import Outcome, convert_unary

MODEL = "mutant"
MORE_MEMORY = 8 << 30  # Bytes of address space that a server may take: a changed size may ask for any number.
ASKED = (
    "perceptron",
    "branch-of-any-size",
    "three-dimensions",
    "buffers",
    "nested",
    "nested-arguments",
    "number-read",
    "joined",
    "views-of-an-output",
    "dtype-bfloat16",
)


@dataclass
class Base:
    """A program that is right: its file, what it is asked and what it answers."""

    content: bytes
    inputs: list[Tensor]
    outputs: list[Tensor]


@dataclass
class Report:
    verdicts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def bases(folder: Path, form: str | None = None) -> list[Base]:
    """`folder`: where all programs lie. `form`: in which older form they are to be instead, such as "2.7"."""
    found = []
    for name in ASKED:
        program, file = PROGRAMS[name], folder / f"{name}.pt2"
        outputs = exported_suite.run(file, program)[0]
        if form is not None:
            older_archives.save(torch.export.load(file), file := folder / f"{name}.torch-{form}.pt2", form)
        found.append(Base(file.read_bytes(), tensors((program.inputs, dict(program.keywords))), outputs))
    return found


def _limit_memory(pid: int) -> None:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MORE_MEMORY
    resource.prlimit(pid, resource.RLIMIT_AS, (most, most))


class Trial:
    """A server with a single model, whose file is replaced again and again."""

    def __init__(self, root: Path) -> None:
        self._file = root / MODEL / "1" / "model.pt2"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._server = Server(
            *("--model-dir", str(root), "--model-control", "explicit", "--load-model", "none"),
            *("--intra-op-threads", "1", "--log-level", "error"),
        )
        _limit_memory(self._server.process.pid)
        self._closing = ExitStack()
        channel = self._closing.enter_context(connect(self._server.address))
        self._load = channel.unary_unary(
            "/inference.GRPCInferenceService/RepositoryModelLoad",
            RepositoryModelLoadRequest.SerializeToString,
            RepositoryModelLoadResponse.FromString,
        )
        self._stub = TensorServiceStub(channel)

    def verdict(self, changed: Mutant, base: Base) -> str:
        """What became of it, in words. Raises grpc.RpcError if nobody answers any more."""
        new = self._file.with_name(".new")
        new.write_bytes(changed.content)
        new.replace(self._file)
        try:
            self._load(RepositoryModelLoadRequest(model_name=MODEL), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED) and not self.lives():
                raise
            return "refused at load"
        inputs = listed(self._stub)[MODEL]["1"].inputs
        names = [spec.name for spec in inputs]
        asked = dict(zip(names, [x.resolve_conj() for x in base.inputs], strict=False))
        outcome = convert_unary(self._stub, infer(MODEL, asked))
        if not self.lives():
            raise ConnectionError("the server has ended")
        if outcome.refusal is not None:
            return f"refused in a run: {outcome.refusal.reason}"
        return "the same answer" if _is_same(outcome, base.outputs) else "another answer"

    def lives(self) -> bool:
        return bool(self._server.alive())

    def log(self) -> str:
        return str(self._server.log())

    def stop(self) -> None:
        self._closing.close()
        self._server.kill()


def _is_same(outcome: Outcome, expected: list[Tensor]) -> bool:
    plain = [tensor.resolve_conj().resolve_neg() for tensor in expected]
    return [(output.metadata.dtype, tuple(output.metadata.shape), output.data) for output in outcome.outputs] == [
        (dtype_name(tensor), tuple(tensor.shape), elements(tensor)) for tensor in plain
    ]


@contextmanager
def _trial(root: Path) -> Iterator[list[Trial]]:
    """A list of one, so that a server that has ended can be replaced."""
    held = [Trial(root)]
    try:
        yield held
    finally:
        held[0].stop()


def run_cases(found: list[Base], seed: int, cases: Iterable[int]) -> Report:
    report = Report()
    with tempfile.TemporaryDirectory() as folder, _trial(Path(folder)) as held:
        for case in cases:
            chance = random.Random(f"{seed} {case}")
            base = chance.choice(found)
            changed = mutant(base.content, chance)
            try:
                verdict = held[0].verdict(changed, base)
            except (grpc.RpcError, ConnectionError, OSError) as error:
                report.faults.append(
                    f"case {case} ({changed.how}) ended the server: {error!r}\n{held[0].log()[-2000:]}"
                )
                held[0].stop()
                held[0] = Trial(Path(folder))
                continue
            report.verdicts[verdict] += 1
            if changed.is_damaged and verdict == "another answer":
                report.faults.append(f"case {case} ({changed.how}): a damaged file was served, with another answer")
    return report


def _cases(arguments: argparse.Namespace) -> Iterator[int]:
    """The numbers of the files to serve, as long as there is time. Several runs may share the files of one seed."""
    end = time.monotonic() + arguments.minutes * 60
    for case in range(arguments.first, arguments.first + arguments.count):
        if time.monotonic() > end:
            print(f"--minutes are over: file {case} is the first that was not served")
            return
        yield case


def main() -> None:
    parser = argparse.ArgumentParser(prog="mutations.py", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="files (100000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first file (0)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after so long, with fewer files")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="a number; random, and printed")
    parser.add_argument("--form", choices=older_archives.FORMS, help="change archives of an older torch's form")
    parser.add_argument("--case", type=int, help="the only file to serve")
    arguments = parser.parse_args()
    cases = _cases(arguments) if arguments.case is None else [arguments.case]
    print(f"seed {arguments.seed}", flush=True)
    sys.setrecursionlimit(20_000)  # A description may get lists within lists in several places, one within another.
    folder = REPO_ROOT / "build/test-mutations"
    folder.mkdir(parents=True, exist_ok=True)
    exported_suite.save_all(folder, ASKED)
    report = run_cases(bases(folder, arguments.form), arguments.seed, cases)
    for verdict, count in report.verdicts.most_common():
        print(f"{count:>8}  {verdict}")
    for fault in report.faults:
        print(fault)
    if report.faults:
        sys.exit(f"{len(report.faults)} faults; one alone: --seed {arguments.seed} --case NUMBER")


if __name__ == "__main__":
    main()
