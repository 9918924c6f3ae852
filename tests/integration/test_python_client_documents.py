"""The Python client's page: its examples run as they stand there, and print what their comments say."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from harness import REPO_ROOT, TIMEOUT_S, Server, clean_environment

PAGE = (REPO_ROOT / "client/python/README.md").read_text().partition("## From a module")[0]
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def printed_comments(code: str) -> list[str]:
    return re.findall(r"^\s*print\(.*\)  # (.+)$", code, re.MULTILINE)


@pytest.mark.parametrize("count", range(1, len(EXAMPLES) + 1))
def test_the_examples_up_to_here_run_and_print_what_they_say(count: int, server: Server) -> None:
    """Later examples use the imports of earlier ones."""
    code = "".join(EXAMPLES[:count])
    assert '"localhost:8001"' in EXAMPLES[count - 1]
    ran = subprocess.run(
        [sys.executable, "-c", code.replace("localhost:8001", server.address)],
        env=clean_environment({"PYTHONPATH": str(REPO_ROOT / "client/python/src")}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = iter(ran.stdout.splitlines())
    for wanted in printed_comments(code):
        assert wanted in lines
