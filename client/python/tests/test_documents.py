"""Names in documents and docstrings are those of the package, typed as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
PROJECT = PACKAGE.parents[1]
DOCUMENTS = [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *(PROJECT / "client").glob("*.md")]
NAME = re.compile(r"(?<![/\w.-])(?<!-m )tensorferry(?:\.[a-zA-Z]\w*)+")  # `python -m` runs modules.
SERVICE = "tensorferry.v1."  # With this begin names of gRPC, which are no names of Python.


def names() -> Iterator[str]:
    for path in [PACKAGE / "README.md", *DOCUMENTS, *(PACKAGE / "src/tensorferry").glob("*.py")]:
        text = path.read_text()
        # A user need not type what modules import: only the modules' docstrings are documents.
        for part in re.findall(r'"""(.*?)"""', text, re.DOTALL) if path.suffix == ".py" else [text]:
            yield from (name for name in NAME.findall(part) if not name.startswith(SERVICE))


@pytest.mark.parametrize("name", sorted(set(names())))
def test_a_documented_name_is_there_after_the_import_of_the_package_alone(name: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", f"import tensorferry; {name}"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_documents_name_both_clients() -> None:
    assert {"tensorferry.Client", "tensorferry.aio.Client", "tensorferry.export"} <= set(names())
