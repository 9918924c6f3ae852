"""What a server will show of a version, for people."""

from __future__ import annotations

from tensorferry._exporting.config_merge import Merged
from tensorferry._exporting.job import Job


def summary(name: str, number: int, job: Job, config: Merged) -> str:
    inputs, outputs, _ = job.signature()
    batches = f", batches of up to {config.rows} rows" if config.rows else ""
    lines = [f"{name}, version {number}: {job.options.format}{batches}"]
    rows = [(kind, spec) for kind, specs in (("input", inputs), ("output", outputs)) for spec in specs]
    width = max(len(spec.name) for _, spec in rows)
    for kind, spec in rows:
        open_sizes = _open_sizes(job, spec.name) if kind == "input" else ""
        shape = str(spec.shape).replace(",)", ")")
        lines.append(f"  {kind:<6}  {spec.name:<{width}}  {spec.dtype} {shape}{open_sizes}")
    lines += [f"  config.pbtxt keeps {each}" for each in config.kept]
    return "\n".join(lines)


def _open_sizes(job: Job, name: str) -> str:
    """Which sizes callers choose, beside the batch."""
    ranges = [
        f", shape[{number}] is {_range(dim.least, dim.most)}"
        for dim in job.dims
        for input, number in dim.places
        if input == name
    ]
    return "".join(ranges)


def _range(least: int | None, most: int | None) -> str:
    first = 1 if least is None else least
    return f"at least {first}" if most is None else f"from {first} to {most}"
