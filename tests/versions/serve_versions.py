"""Serves programs that several versions of torch wrote, and compares each bit with what this torch computes with them.

serve_versions.py FOLDER: has a folder for each version, with the files that version_programs.py wrote with it.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import torch
from torch import Tensor

import exported_suite
from exported_program import Program
from harness import Server, connect_stub
from served_models import entries_of, listed
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from version_programs import PROGRAMS


def schema(file: Path) -> str:
    """The version of the format: what the program in the archive says of itself."""
    members = entries_of(file)
    (program,) = (name for name in members if "/models/" in name or name == "serialized_exported_program.json")
    version = json.loads(members[program])["schema_version"]
    return f"{version['major']}.{version['minor']}"


def answers_of(file: Path, program: Program) -> tuple[list[list[Tensor]], str]:
    """What PyTorch computes with the file; if it does not load it, what the module computes, and words that say so."""
    try:
        return exported_suite.run(file, program), ""
    except Exception:  # torch raises what it likes.
        torch.manual_seed(0)
        return exported_suite.run_module(program.make().eval(), program), "PyTorch itself does not load it"


def verdict(stub: TensorServiceStub, model: pb.ModelInfo, file: Path) -> tuple[str, str]:
    """What is wrong with what the server answers, if anything is, and what else there is to say."""
    if model.state != pb.MODEL_STATE_READY:
        return f"refused: {model.reason}", ""
    program = Program(*PROGRAMS[file.stem])
    answers, remark = answers_of(file, program)
    try:
        exported_suite.check(stub, model, program, answers)
    except AssertionError as error:
        return f"another answer than PyTorch's: {str(error).splitlines()[0]}", remark
    return "", remark


def main(root: Path) -> None:
    logging.disable()  # torch's words about each older form.
    faults = 0
    for folder in sorted(root.iterdir(), key=lambda folder: [int(part) for part in folder.name.split(".")]):
        files = sorted(folder.glob("*.pt2"))
        with (
            Server("--model-dir", f"{folder}", "--intra-op-threads", "1") as server,
            connect_stub(server.address) as stub,
        ):
            models = listed(stub)
            verdicts = {file.stem: verdict(stub, models[file.stem]["1"], file) for file in files}
        wrong = {name: what for name, (what, _) in verdicts.items() if what}
        print(f"torch {folder.name:<7} schema {schema(files[0]):<5} {len(files) - len(wrong)} of {len(files)} programs "
              f"answer with the bits of PyTorch {torch.__version__}")  # fmt: skip
        for name, said in verdicts.items():
            if any(said):
                print(f"    {name}: {'; '.join(filter(None, said))}")
        faults += len(wrong)
    if faults:
        sys.exit(f"{faults} programs were not served, or not with the same bits")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
