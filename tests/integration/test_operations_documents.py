"""What docs/operations.md tells an operator to do works as it stands there: exposing, scraping, and asking why."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness import REPO_ROOT, SERVER, TIMEOUT_S, Server, becomes_true, clean_environment, free_port
from test_prometheus import query

PAGE = (REPO_ROOT / "docs/operations.md").read_text()


def blocks(title: str, language: str) -> list[str]:
    """The blocks of a language in the section of a title."""
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[str]:
    return block.replace("\\\n", "").splitlines()


@dataclass(frozen=True)
class Exposed:
    """The server of the page, and the folder of its files."""

    folder: Path
    server: Server

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Runs a line of the page, with the ports of this server."""
        port = self.server.address.rsplit(":", 1)[1]
        command = command.replace("host.example:8001", f"localhost:{port}").replace("HOST:PORT", f"localhost:{port}")
        command = command.replace("localhost:8002", f"localhost:{self.server.admin.rsplit(':', 1)[1]}")
        return run(command, self.folder)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = clean_environment({"PATH": f"{SERVER.parent}{os.pathsep}{os.environ['PATH']}"})
    words = ["bash", "-ec", f"set -o pipefail\n{command}"]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def done(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, (ended.args, ended.stdout, ended.stderr)
    return ended.stdout


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    folder = tmp_path_factory.mktemp("exposed")
    np.save(folder / "x.npy", np.arange(3))
    (folder / "models").mkdir()
    expose, certificate, _ = blocks("Expose it", "sh")
    done(run(certificate, folder))
    *prepare, serve, _, _ = commands(expose)
    done(run("\n".join(prepare), folder))
    program, *flags = shlex.split(serve.replace("0.0.0.0:8001", "0.0.0.0:0").replace("/models", f"{folder}/models"))
    assert program == "tensorferry-server"
    flags = [str(folder / flag) if (folder / flag).is_file() else flag for flag in flags]
    with Server(*flags, "--admin-listen", "localhost:0") as server:
        yield Exposed(folder, server)
        assert server.stop() == 0


def test_the_server_is_exposed(exposed: Exposed) -> None:
    *_, ping, convert = commands(blocks("Expose it", "sh")[0])
    assert done(exposed.run(ping)) == "SERVING\n"
    assert "digest equal" in done(exposed.run(convert))
    ready, metrics = commands(blocks("Expose it", "sh")[2])
    assert done(exposed.run(ready)) == "ok\n"
    done(exposed.run(metrics))


@contextmanager
def prometheus(config: str, folder: Path) -> Iterator[int]:
    """Prometheus with a configuration, until it is no longer needed; the port at which it answers."""
    port = free_port()
    (folder / "prometheus.yaml").write_text(config)
    words = [f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            ["prometheus", *words, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


def test_prometheus_reads_it_with_the_configuration_of_the_page(exposed: Exposed, tmp_path: Path) -> None:
    (config,) = blocks("Metrics", "yaml")
    for path, file in (("tensorferry-ca.crt", "ca.crt"), ("metrics.token", "metrics.token")):
        assert f"/etc/prometheus/{path}" in config
        config = config.replace(f"/etc/prometheus/{path}", str(exposed.folder / file))
    config = config.replace("localhost:8002", f"localhost:{exposed.server.admin.rsplit(':', 1)[1]}")
    with prometheus(f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n{config}", tmp_path) as port:
        found = becomes_true(lambda: [series["value"][1] for series in query(port, "up")] == ["1"])
        assert found, (tmp_path / "prometheus.log").read_text()
        expiry = "tensorferry_tls_certificate_expiry_timestamp_seconds - time() > 86400"
        assert becomes_true(lambda: query(port, expiry) != []), "after a scrape that is late it is gone for a while"


def test_both_secrets_are_replaced(exposed: Exposed) -> None:
    """As the table of the page says: the new token beside the old one, then without it."""
    convert = commands(blocks("Expose it", "sh")[0])[-1]
    server, folder = exposed.server, exposed.folder
    tokens, token = folder / "tokens", folder / "infer.token"
    done(run(blocks("Expose it", "sh")[1], folder))
    assert becomes_true(lambda: "TLS: reloaded: certificate " in server.log())
    assert "digest equal" in done(exposed.run(convert))
    before = tokens.read_text()
    tokens.write_text(f"{before}infer new-token\n")
    assert becomes_true(lambda: "tokens: reloaded: 4 known" in server.log())
    done(exposed.run(convert))
    old = token.read_text()
    token.write_text("new-token\n")
    done(exposed.run(convert))
    tokens.write_text(before.replace(f"infer {old.strip()}\n", "") + "infer new-token\n")
    assert becomes_true(lambda: "tokens: reloaded: 3 known" in server.log())
    done(exposed.run(convert))
    token.write_text(old)
    assert exposed.run(convert).returncode == 5


def test_why_a_call_was_refused(exposed: Exposed) -> None:
    """Metrics count it by its reason, and its line has reason, peer and what the caller was told."""
    convert = commands(blocks("Expose it", "sh")[0])[-1]
    (exposed.folder / "wrong.token").write_text("wrong\n")
    ended = exposed.run(convert.replace("infer.token", "wrong.token"))
    assert (ended.returncode, "UNAUTHENTICATED" in ended.stderr) == (5, True)
    told = done(exposed.run(commands(blocks("Expose it", "sh")[2])[1].partition(" | ")[0]))
    (count,) = re.findall(r'^tensorferry_auth_failures_total\{reason="UNAUTHENTICATED"\} (\d+)$', told, re.MULTILINE)
    assert int(count) >= 1
    (last,) = re.findall(r"^   ```sh\n(.*?)^   ```", PAGE, re.MULTILINE | re.DOTALL)
    refusals = json.loads(done(exposed.run(last.strip())))["refusals"]
    assert "UNAUTHENTICATED" in [refusal["reason"] for refusal in refusals]
    lines = [json.loads(line) for line in exposed.server.log().splitlines()]
    refused = [line for line in lines if line.get("reason") == "UNAUTHENTICATED"]
    assert refused and refused[-1]["peer"].startswith(("127.0.0.1:", "[::1]:"))
    assert refused[-1]["error"] == "the token of the call is none of this server's"
