"""Tables for notebooks: escaped text, no script, and the colours of the page, be it light or dark."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_LEFT = 'style="text-align: left"'  # Notebooks align numbers, and so all cells, to the right.


def table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """Returns a table with a name and a value in each row. Rows without a value are left out."""
    cells = (
        f'<tr><th scope="row" {_LEFT}>{escape(name)}</th><td {_LEFT}>{escape(value)}</td></tr>'
        for name, value in rows
        if value
    )
    return f"<table><caption {_LEFT}>{escape(caption)}</caption><tbody>{''.join(cells)}</tbody></table>"
