"""Names of the wire's enum values."""

from __future__ import annotations

from typing import Any


def enum_name(enum: Any, value: int) -> str:
    """Returns the name without the enum's prefix ("READY"), or the number where this client has none."""
    known = enum.DESCRIPTOR.values_by_number.get(value)
    if known is None:
        return str(value)
    prefix = enum.DESCRIPTOR.values_by_number[0].name[: -len("UNSPECIFIED")]
    return str(known.name[len(prefix) :])
