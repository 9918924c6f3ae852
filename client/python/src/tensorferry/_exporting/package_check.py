"""What lies in a package: the text of what torch compiled is looked at."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from tensorferry._exporting.job import Job
from tensorferry._exporting.signature import Signature

_Bounds = tuple[int, int | None]  # The least and the largest size; None: any.


def check_sources(file: Path, job: Job, least_rows: int) -> None:
    with zipfile.ZipFile(file) as package:
        sources = [package.read(name).decode() for name in package.namelist() if name.endswith(".cpp")]
    if any(re.search(r"#\s*pragma\s+omp\s+parallel", source) for source in sources):
        raise RuntimeError("torch compiled parallel regions into the package, although cpp.threads is 1")
    signature = job.signature()
    wanted = _wanted(job, signature, least_rows)
    # Code that was compiled for certain sizes may take fewer of them than wanted.
    for number, spec in enumerate(signature.inputs):
        checks = "".join(
            re.findall(rf"static void check_input_{number}\((.*?)\n}}", "".join(sources), re.DOTALL)
        )
        for dim in range(len(spec.shape)):
            least, most = wanted.get((spec.name, dim), (spec.shape[dim], spec.shape[dim]))
            takes_least, takes_most = _compiled(checks, dim)
            if takes_least > least or (takes_most is not None and (most is None or takes_most < most)):
                raise RuntimeError(
                    f"torch compiled the module for {takes_least} to {takes_most or 'any'} as "
                    f"{spec.name}.shape[{dim}], expected {least} to {most or 'any'}: ask for fewer"
                )


def _wanted(job: Job, signature: Signature, least_rows: int) -> dict[tuple[str, int], _Bounds]:
    wanted: dict[tuple[str, int], _Bounds] = {}
    if signature.rows > 1:
        wanted = {(spec.name, 0): (least_rows, signature.rows) for spec in signature.inputs}
    for dim in job.dims:
        wanted |= dict.fromkeys(dim.places, (dim.least or 0, dim.most))
    return wanted


def _compiled(checks: str, dim: int) -> _Bounds:
    """What the checks of an input allow in one dimension."""
    if exactly := re.search(rf"if \((\d+) != \w+_size\[{dim}\]\)", checks):
        return int(exactly[1]), int(exactly[1])
    least = re.search(rf"if \(\w+_size\[{dim}\] < (\d+)\)", checks)
    most = re.search(rf"if \(\w+_size\[{dim}\] > (\d+)\)", checks)
    return int(least[1]) if least else 0, int(most[1]) if most else None
