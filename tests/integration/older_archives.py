"""Archives in the forms in which older versions of torch.export.save wrote them, made by the torch at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch._export.serde.serialize import SerializedArtifact, serialize
from torch.export import ExportedProgram

from served_models import entries_of, zipped

Members = dict[str, bytes]


def _of_torch_2_7(program: SerializedArtifact) -> Members:
    """The members of an archive of torch 2.6 and 2.7: without a folder, and each dictionary of tensors a pickle."""
    return {
        "serialized_exported_program.json": program.exported_program,
        "serialized_state_dict.pt": program.state_dict,
        "serialized_constants.pt": program.constants,
        "serialized_example_inputs.pt": program.example_inputs,
        "version": b"8.7",
    }


def _of_torch_2_8(program: SerializedArtifact) -> Members:
    """The members of an archive of torch 2.8: those of later versions, but for the tensors."""
    return {
        "model/models/model.json": program.exported_program,
        "model/data/weights/model.pt": program.state_dict,
        "model/data/constants/model.pt": program.constants,
        "model/data/sample_inputs/model.pt": program.example_inputs,
        "model/archive_format": b"pt2",
        "model/archive_version": b"0",
        "model/.data/version": b"3\n",
        "model/byteorder": b"little",
    }


FORMS: dict[str, Callable[[SerializedArtifact], Members]] = {"2.7": _of_torch_2_7, "2.8": _of_torch_2_8}


def save(program: ExportedProgram, file: Path, form: str) -> None:
    file.write_bytes(zipped(FORMS[form](serialize(program))))


def with_pickle(content: bytes, instructions: bytes) -> bytes:
    """The archive of torch 2.7 with another pickle in the place of its weights'."""
    members = entries_of(content)
    parts = entries_of(members["serialized_state_dict.pt"])
    members["serialized_state_dict.pt"] = zipped({**parts, "archive/data.pkl": instructions})
    return zipped(members)
