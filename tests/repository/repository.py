"""Where things are in the checkout, and how they are read."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def reasons() -> list[tuple[str, str]]:
    """Names and status codes of server/base/reason.h, in the table's order: ("BAD_DTYPE", "INVALID_ARGUMENT")."""
    rows = re.findall(r'\{Reason::k\w+, "(\w+)", absl::StatusCode::k(\w+)\}', text("server/base/reason.h"))
    return [(name, re.sub(r"(?<!^)(?=[A-Z])", "_", code).upper()) for name, code in rows]


def metrics() -> list[tuple[str, str, str]]:
    """Names, types and helps of server/metrics/metric.h, in the table's order."""
    rows = re.findall(r'\{Metric::k\w+,\s+"(\w+)",\s+k(\w+),\s+"([^"]*)"\}', text("server/metrics/metric.h"))
    return [(name, kind.lower(), help_) for name, kind, help_ in rows]


def dtypes() -> list[dict[str, str]]:
    """The rows of server/payload/dtype.h."""
    row = re.compile(
        r'\{DType::k\w+, "(?P<name>\w+)", "(?P<descr>[^"]*)", (?P<itemsize>\d+), \d+, \w+, "(?P<oip>\w+)"\}'
    )
    return [match.groupdict() for match in row.finditer(text("server/payload/dtype.h"))]
