"""A module as a TorchScript file."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch.jit import TracerWarning  # type: ignore[attr-defined]

from tensorferry._exporting.evaluation import copied
from tensorferry._exporting.job import Job
from tensorferry._exporting.notices import first_line, pass_on, recorded, warn

# torch ignores what its own modules look at, which are shapes as a rule. But what the user's code asks for is
# looked at in torch._tensor.
_IGNORED_MODULES = r"torch\.(?!_tensor$)"


def write_torchscript(job: Job, file: Path) -> None:
    """Scripts the module, or where that fails traces it: extra/tensorferry.json in the file says which."""
    method = "scripted"
    with recorded() as seen:
        try:
            exported = _scripted(job)
        except Exception as error:  # Whatever torch's compiler of Python throws at what it does not know.
            seen.clear()
            method = "traced"
            exported = _traced(job, error)
            _warn_of_trace(error)
        made_by = json.dumps({"method": method, "torch": torch.__version__})
        torch.jit.save(exported, str(file), _extra_files={"tensorferry.json": made_by})
        loaded = torch.jit.load(str(file))  # type: ignore[no-untyped-call]
    pass_on(seen)
    job.check(loaded, job.cases)
    job.check_refusals(loaded)


def _scripted(job: Job) -> Any:
    if not isinstance(job.result, (torch.Tensor, dict, list, tuple)):
        raise TypeError(f"it returns {type(job.result).__name__}, which TorchScript has not")
    return torch.jit.script(job.module)


def _warn_of_trace(error: Exception) -> None:
    warn(
        "the module cannot be scripted, so it was traced: the file holds the operators that ran for the "
        "example, and nothing of what Python code decides for other inputs. Why it cannot be scripted: "
        f"{first_line(error)}"
    )


def _traced(job: Job, not_scripted: Exception) -> Any:
    with recorded() as seen, job.with_plain_results() as module:
        warnings.filterwarnings("ignore", category=TracerWarning, module=_IGNORED_MODULES)
        try:
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                module, example_kwarg_inputs=copied(job.recorded), strict=False, check_trace=False
            )
        except Exception as error:
            raise RuntimeError(
                f"the module can be neither scripted ({first_line(not_scripted)}) nor traced "
                f"({first_line(error)}); format='exported' may take it"
            ) from error
    frozen = [each for each in seen if issubclass(each.category, TracerWarning)]
    if frozen and not job.options.allow_tracer_warnings:
        raise RuntimeError(_frozen(frozen, not_scripted))
    pass_on(seen)
    return traced


def _frozen(seen: list[warnings.WarningMessage], not_scripted: Exception) -> str:
    places = {f"{each.filename}:{each.lineno}: {_what(str(each.message))}" for each in seen}
    return "\n".join(
        [
            "the module's Python code looks at values, and tracing keeps for all inputs what it decided for "
            "the example:",
            *(f"  {place}" for place in sorted(places)),
            f"It was traced because it cannot be scripted: {first_line(not_scripted)}",
            "Use torch.where in its place, or make the module one that torch.jit.script takes. If it looks "
            "at nothing but shapes that are always the same, allow_tracer_warnings=True exports it.",
        ]
    )


def _what(text: str) -> str:
    return text.split(" might cause the trace")[0].split(". ")[0]
