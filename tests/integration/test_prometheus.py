"""Prometheus itself scrapes a server."""

from __future__ import annotations

import subprocess
import urllib.parse
from pathlib import Path
from typing import Any

from admin import ADMIN, ask
from harness import TIMEOUT_S, Server, becomes_true, free_port

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: tensorferry
    authorization: {{credentials: t-metrics}}
    static_configs: [{{targets: ["{admin}"]}}]
"""


def query(port: int, expression: str) -> list[dict[str, Any]]:
    """The series of an expression by now; none while Prometheus starts."""
    try:
        answer = ask(f"127.0.0.1:{port}", f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    except ConnectionError:
        return []
    return answer.json()["data"]["result"] if answer.status == 200 else []


def test_prometheus_scrapes(tmp_path: Path) -> None:
    tokens, config, port = tmp_path / "tokens", tmp_path / "prometheus.yml", free_port()
    tokens.write_text("metrics t-metrics\n")
    with Server(*ADMIN, "--auth-token-file", str(tokens)) as server:
        config.write_text(CONFIG.format(admin=server.admin))
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
                   f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
        with (tmp_path / "log").open("w") as log:
            prometheus = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            # A server that Prometheus cannot read is "down", and has the value 0.
            found = becomes_true(lambda: [series["value"][1] for series in query(port, "up")] == ["1"])
            assert found, (tmp_path / "log").read_text()
            # After a scrape that is late the series are gone for a while.
            build = "tensorferry_build_info"
            assert becomes_true(lambda: [series["metric"]["job"] for series in query(port, build)] == ["tensorferry"])
            mismatches = "tensorferry_dtype_mismatch_total"
            assert becomes_true(lambda: [series["value"][1] for series in query(port, mismatches)] == ["0"])
        finally:
            prometheus.terminate()
            prometheus.wait(TIMEOUT_S)
