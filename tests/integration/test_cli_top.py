"""`tensorferry top`: what it reports of requests that the test sends, and how it leaves the terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections import defaultdict
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import torch

import cli
from admin import ADMIN
from certificates import Authority, Files
from cli import OK, UNREACHABLE, check_message, started
from harness import TIMEOUT_S, Server, becomes_true, connect_stub, free_port
from metrics import Scrape, scrape
from served_models import infer
from wire import convert_unary

KEYS = {"name", "version", "state", "requests_per_s", "failures_per_s", "rows_per_run", "waiting", "queue_us"}
MOST_REPORTS = 300  # Within which what was sent must have been told.
LEAVE = b"\x1b[?7h\x1b[?25h\x1b[?1049l"  # Lines are wrapped again, the cursor is back, and so is what was there before.


def test_rates_are_those_of_the_requests(server: Server) -> None:
    """They count from the first report on, which says that the first look has been taken."""
    sent = 7
    with started("top", "--interval", "100ms", "--json", server=server.address) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with connect_stub(server.address) as stub:
            for _ in range(sent):
                convert_unary(stub, infer("identity", {"x": torch.zeros(3)}))
        seen = 0.0
        for report in map(json.loads, islice(process.stdout, MOST_REPORTS)):
            (model,) = (each for each in report["models"] if each["name"] == "identity")
            assert model.keys() >= KEYS
            assert (model["version"], model["state"]) == ("1", "READY")
            if model["requests_per_s"]:
                assert (model["rows_per_run"], model["failures_per_s"]) == (1, 0)
                assert 0 <= model["queue_us"] <= model["total_us"]
            seen += model["requests_per_s"] * report["interval_s"]
            if round(seen) >= sent:
                break
        assert seen == pytest.approx(sent)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == OK


def test_lines_for_other_programs(server: Server) -> None:
    ran = cli.run("top", "--count", "2", "--interval", "50ms", server=server.address)
    assert (ran.code, ran.stderr) == (OK, "")
    reports = ran.stdout.split("\n\n")[:-1]
    assert len(reports) == 2
    for report in reports:
        head, title, *lines = report.splitlines()
        assert head.startswith(server.address) and head.endswith(" 1 of 1 ready")
        assert title.split() == ["model", "state", "req/s", "fail/s", "rows/run", "waiting", "queue", "µs", "run", "µs"]
        assert [line.split()[0] for line in lines] == ["identity/1", "total"]
        assert max(map(len, report.splitlines())) <= 80


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_terminal_is_left_as_it_was(end: signal.Signals, server: Server) -> None:
    leader, follower = os.openpty()
    with open(leader, "rb", buffering=0) as screen, started("top", server=server.address, stdout=follower) as process:
        os.close(follower)
        shown = b""
        while b"identity/1" not in shown:
            shown += screen.read(4096)
        process.send_signal(end)
        with suppress(OSError):  # The end of a terminal is an input/output error.
            while block := screen.read(4096):
                shown += block
        assert process.wait(TIMEOUT_S) == OK
    assert shown.startswith(b"\x1b[?1049h\x1b[?25l\x1b[?7l")
    assert shown.endswith(LEAVE)


def test_a_server_that_goes_away(tmp_path: Path) -> None:
    with Server() as server, started("top", "--interval", "50ms", server=server.address) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        server.kill()
        process.stdout.read()
        message = process.stderr.read().decode()
        assert process.wait(TIMEOUT_S) == UNREACHABLE
    check_message(cli.Ran(UNREACHABLE, "", message), "UNAVAILABLE")


def test_a_token_for_metrics_is_enough(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("metrics secret\n")
    with Server("--auth-token-file", str(tokens)) as server:
        environment = {"TENSORFERRY_TOKEN": "secret"}
        ran = cli.run("top", "--count", "1", "--interval", "50ms", server=server.address, environment=environment)
    assert (ran.code, ran.stderr) == (OK, "")
    assert "identity/1" in ran.stdout


def expected_quantile(before: Scrape, now: Scrape, share: float) -> float:
    """In microseconds, by NumPy: between the bounds of a bucket in proportion."""
    counts: dict[float, float] = defaultdict(float)
    for scraped, sign in ((before, -1), (now, 1)):
        for labels, count in scraped.named("grpc_server_handling_seconds_bucket"):
            if labels["grpc_method"] in ("Convert", "ConvertStream", "ModelInfer", "ModelStreamInfer"):
                counts[float(labels["le"])] += sign * count
    bounds = sorted(bound for bound in counts if bound < float("inf"))
    ranks = [counts[bound] for bound in bounds]
    last = next(k for k, rank in enumerate(ranks) if rank >= share * ranks[-1])
    low = (bounds[last - 1], ranks[last - 1]) if last else (0.0, 0.0)
    return 1e6 * float(np.interp(share * ranks[-1], [low[1], ranks[last]], [low[0], bounds[last]]))


def test_the_overview_is_what_metrics_say() -> None:
    with Server(*ADMIN) as server, connect_stub(server.address) as stub:
        before = scrape(server)
        flags = ("--interval", "1s", "--json", "--metrics", f"http://{server.admin}")
        with started("top", *flags, server=server.address) as process:
            assert process.stdout is not None
            process.stdout.readline()
            for number in range(40):
                message = infer("identity" if number % 2 else "absent", {"x": torch.zeros(3)})
                convert_unary(stub, message)
            seen: list[dict[str, Any]] = []
            for report in map(json.loads, islice(process.stdout, MOST_REPORTS)):
                if report["overview"]["requests_per_s"]:
                    seen.append({**report["overview"], "interval_s": report["interval_s"]})
                if round(sum(each["requests_per_s"] * each["interval_s"] for each in seen)) >= 40:
                    break
        now = scrape(server)
    assert sum(each["requests_per_s"] * each["interval_s"] for each in seen) == pytest.approx(40)
    refused = sum(each["refused_per_s"].get("MODEL_NOT_FOUND", 0) * each["interval_s"] for each in seen)
    assert refused == pytest.approx(20)
    if len(seen) == 1:  # Else each report has quantiles of a part.
        for key, share in (("p50_us", 0.5), ("p99_us", 0.99)):
            assert seen[0][key] == pytest.approx(expected_quantile(before, now, share))
    assert seen[-1]["budget_bytes"] == now.value("tensorferry_budget_bytes")
    assert {"in_flight", "waiting", "memory_bytes"} < seen[-1].keys()


def test_the_overview_for_people() -> None:
    flags = ("top", "--count", "1", "--interval", "50ms", "--metrics")
    with Server(*ADMIN, "--http-listen", "127.0.0.1:0") as server:
        for address in (server.admin, f"{server.http}/metrics"):
            ran = cli.run(*flags, f"http://{address}", server=server.address)
            assert (ran.code, ran.stderr) == (OK, "")
            _, requests, memory, refused, title, *_ = ran.stdout.splitlines()
            assert requests == "0.0 req/s, p50 -, p99 -; 0 in flight, 0 waiting"
            assert re.fullmatch(r"memory: 0 B of \d+\.\d [MGT]iB", memory)
            assert (refused, title.split()[0]) == ("refused/s: none", "model")
        ran = cli.run(*flags, f"http://{server.http}/v2", server=server.address)
        assert ran.code == cli.REFUSED
        check_message(ran, "is not what a tensorferry server says at /metrics")
    ran = cli.run(*flags, "http://127.0.0.1:1", server=server.address)
    assert ran.code == UNREACHABLE


class Metrics(BaseHTTPRequestHandler):
    """Answers with what the server of `url` says at /metrics."""

    url: str

    def do_GET(self) -> None:
        with urlopen(self.url, timeout=TIMEOUT_S) as answer:
            body = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing on standard error."""


def test_metrics_that_are_waited_for() -> None:
    """Their port begins to serve after that of gRPC."""
    port = free_port()
    flags = ("--count", "1", "--interval", "50ms", "--timeout", "1m", "--metrics", f"http://127.0.0.1:{port}")
    with Server(*ADMIN) as server:
        with started("top", "--wait", *flags, server=server.address) as process:
            asked = {"grpc_method": "ModelStatistics", "grpc_code": "OK"}
            assert becomes_true(
                lambda: any(
                    asked.items() <= labels.items() and count
                    for labels, count in scrape(server).named("grpc_server_handled_total")
                )
            )
            handler = type("Handler", (Metrics,), {"url": f"http://{server.admin}/metrics"})
            with HTTPServer(("127.0.0.1", port), handler) as late:
                serving = threading.Thread(target=late.serve_forever)
                serving.start()
                try:
                    out, error = process.communicate(timeout=TIMEOUT_S)
                finally:
                    late.shutdown()
                    serving.join()
        assert (process.returncode, error) == (OK, b"")
        assert b"memory: 0 B of" in out
        assert cli.run("top", *flags, server=server.address).code == UNREACHABLE


def test_the_overview_over_tls_with_a_token(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    files = Files(tmp_path, authority.sign("server"))
    client = authority.sign("client", kind="client")
    tokens = tmp_path / "tokens"
    tokens.write_text("metrics tf-top-metrics\ninfer tf-top-infer\n")
    flags = (*ADMIN, *files.flags, "--tls-client-ca", str(authority.certificate), "--auth-token-file", str(tokens))
    shell = 'exec "$@" --ca <(cat "$CA") --cert <(cat "$CERT") --key <(cat "$KEY")'
    paths = {"CA": authority.certificate, "CERT": client.certificate, "KEY": client.key}
    with Server(*flags) as server:

        def top(token: str) -> cli.Ran:
            """Pipes give what they hold once: certificates and keys are read at the start alone."""
            words = ("--count", "2", "--interval", "50ms", "--metrics", f"https://{server.admin}")
            environment = {"TENSORFERRY_TOKEN": token, **{key: str(path) for key, path in paths.items()}}
            starter = ("bash", "-c", shell, "bash")
            return cli.run("top", *words, server=server.address, environment=environment, starter=starter)

        ran = top("tf-top-metrics")
        assert (ran.code, ran.stderr) == (OK, "")
        assert "memory: 0 B of" in ran.stdout
        ran = top("tf-top-infer")
        assert ran.code == cli.REFUSED
        check_message(ran, "HTTP's status 403")
