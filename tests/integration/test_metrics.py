"""What metrics say, judged by promtool, by the parsers of Prometheus's Python client, and by what the tests do."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import torch

import oracle
from admin import ADMIN, ask, bearer
from certificates import Authority, Files
from collector import Collector
from harness import REPO_ROOT, TIMEOUT_S, Server, becomes_true, connect, connect_stub
from metrics import OPENMETRICS, Scrape, families_of, openmetrics_of, scrape, text_of
from served_models import Plus, infer, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, convert_unary, request

POLL = ("--model-control", "poll", "--model-poll-interval", "50ms")
GOOD = request(array("<f4", (4,), oracle.random_bytes("<f4", 4)))
X = {"x": torch.arange(4.0)}
# A server without credentials and without a collector of traces has no series of these.
WITHOUT_SERIES = ("tensorferry_credentials_reload_failures_total", "tensorferry_traced_requests_total")
# These change by themselves from one scrape to the next.
RESTLESS = re.compile("process_|tensorferry_(inflight|pool)_")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has converted an array and run a model."""
    folder = tmp_path_factory.mktemp("metrics")
    put(folder / "plus", Plus(1))
    with Server(*ADMIN, "--model-dir", str(folder)) as running:
        with connect_stub(running.address) as stub:
            assert convert_unary(stub, GOOD).refusal is None
            assert convert_unary(stub, infer("plus", X)).refusal is None
        yield running
        assert running.stop() == 0


def test_promtool_finds_nothing_wrong(served: Server) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text_of(served), capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_both_formats_say_the_same(served: Server) -> None:
    text = Scrape.of(families_of(text_of(served))).samples
    openmetrics = Scrape.of(openmetrics_of(text_of(served, OPENMETRICS))).samples

    def comparable(samples: dict[tuple[str, frozenset[tuple[str, str]]], float]) -> dict[object, float]:
        # The bounds of a histogram are written in two ways: "1024" and "1024.0".
        return {
            (name, frozenset((key, float(value)) if key == "le" else (key, value) for key, value in labels)): sample
            for (name, labels), sample in samples.items()
            if not RESTLESS.match(name)
        }

    assert comparable(text) == pytest.approx(comparable(openmetrics), rel=1e-14)
    assert len(text) > 1000


def test_the_operations_page_has_every_metric_as_it_comes(served: Server) -> None:
    row = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$", re.MULTILINE)
    page = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)), meaning)
        for name, kind, labels, meaning in row.findall((REPO_ROOT / "docs/operations.md").read_text())
    }
    families = families_of(text_of(served))
    come = {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
            family.documentation,
        )
        for family in families
    }
    assert set(come) == set(page)
    for name, (kind, labels, meaning) in come.items():
        assert (kind, meaning) == (page[name][0], page[name][2]), name
        assert labels == page[name][1] or name in WITHOUT_SERIES, name


def test_made_up_names_add_no_series(served: Server) -> None:
    before = scrape(served)
    with connect_stub(served.address) as stub:
        for number in range(2000):
            assert convert_unary(stub, infer(f"made-up-{number}", X)).reason == "MODEL_NOT_FOUND"
    with connect(served.address) as channel:
        for number in range(100):
            with pytest.raises(grpc.RpcError) as raised:
                channel.unary_unary(f"/made.up.Service/Method{number}")(b"", timeout=TIMEOUT_S)
            assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    after = scrape(served)
    assert set(after.samples) == set(before.samples)
    refused = {"reason": "MODEL_NOT_FOUND"}
    assert after.value("tensorferry_rejected_total", **refused) - before.value(
        "tensorferry_rejected_total", **refused
    ) == pytest.approx(2000)


def test_a_model_that_has_run(served: Server) -> None:
    now = scrape(served)
    plus = {"model": "plus", "version": "1"}
    assert now.value("tensorferry_model_requests_total", **plus, outcome="success") >= 1
    assert now.value("tensorferry_model_executions_total", **plus) >= 1
    assert now.value("tensorferry_model_compute_seconds_total", **plus, part="infer") > 0
    assert now.value("tensorferry_model_load_seconds", **plus) > 0
    assert now.value("tensorferry_queue_depth", **plus) == 0
    for told, counted in (("count", "requests_total"), ("sum", "request_seconds_total")):
        counted_value = now.value(f"tensorferry_model_{counted}", **plus, outcome="success")
        assert now.value(f"tensorferry_model_answered_seconds_{told}", **plus) == pytest.approx(counted_value)
    assert now.value("tensorferry_model_answered_seconds_bucket", **plus, le="+Inf") >= 1
    states = {
        labels["state"]: value
        for labels, value in now.named("tensorferry_model_state")
        if plus.items() <= labels.items()
    }
    assert states == {"loading": 0, "ready": 1, "unavailable": 0, "unloading": 0}
    (info,) = (labels for labels, _ in now.named("tensorferry_model_info") if plus.items() <= labels.items())
    with connect_stub(served.address) as stub:
        (model,) = (each for each in stub.ListModels(pb.ListModelsRequest()).models if each.name == "plus")
    assert (info["platform"], info["sha256"]) == (model.platform, model.sha256)


def test_the_state_of_the_process(served: Server) -> None:
    def value(name: str) -> float:
        return scrape(served).value(name)

    assert becomes_true(lambda: value("process_threads") == served.threads())
    # A scrape has a connection, which /proc no longer shows to those who look afterwards.
    assert becomes_true(lambda: abs(value("process_open_fds") - served.descriptors()) <= 2)
    assert becomes_true(lambda: value("process_resident_memory_bytes") == pytest.approx(served.rss(), rel=0.2))
    # What the calls of the tests before hold is given back when their answers have been sent, or later.
    assert becomes_true(lambda: value("tensorferry_inflight_requests") == value("tensorferry_inflight_bytes") == 0)
    now = scrape(served)
    assert now.value("tensorferry_ready") == 1
    assert now.value("tensorferry_draining") == 0
    ((build, _),) = now.named("tensorferry_build_info")
    assert build["torch_version"] == torch.__version__.partition("+")[0]
    assert build["version"] == ask(served, "/version").json()["version"]


def test_the_series_of_a_model_end_with_it(tmp_path: Path) -> None:
    put(tmp_path / "stays", Plus(1))
    put(tmp_path / "goes", Plus(2))
    with Server(*ADMIN, "--model-dir", str(tmp_path), *POLL) as server:
        models = {labels["model"] for labels, _ in scrape(server).named("tensorferry_model_executions_total")}
        assert models == {"stays", "goes", "identity"}
        shutil.rmtree(tmp_path / "goes")
        assert becomes_true(lambda: 'model="goes"' not in text_of(server))
        assert 'model="stays"' in text_of(server)
        put(tmp_path / "comes", Plus(3))
        assert becomes_true(lambda: scrape(server).has("tensorferry_queue_depth", model="comes", version="1"))


def test_a_version_that_cannot_be_loaded(tmp_path: Path) -> None:
    put(tmp_path / "damaged", Plus(1)).write_bytes(b"no model")
    with Server(*ADMIN, "--model-dir", str(tmp_path)) as server:
        now = scrape(server)
        damaged = {"model": "damaged", "version": "1"}
        assert now.value("tensorferry_model_state", **damaged, state="unavailable") == 1
        assert not now.has("tensorferry_model_executions_total", **damaged)


def test_a_server_that_drains() -> None:
    with Server(*ADMIN, "--drain-delay", "1m") as server:
        server.terminate()
        assert becomes_true(lambda: scrape(server).value("tensorferry_draining") == 1)
        assert scrape(server).value("tensorferry_ready") == 0
        server.terminate()
        assert server.wait() == 128 + signal.SIGTERM


def test_who_may_scrape_and_who_was_refused(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("infer t-infer\nmetrics t-metrics\n")
    with Server(*ADMIN, "--auth-token-file", str(tokens)) as server, connect(server.address) as channel:
        assert ask(server, "/metrics").status == 401
        assert ask(server, "/metrics", headers=bearer("t-infer")).status == 403

        def now() -> Scrape:
            answer = ask(server, "/metrics", headers=bearer("t-metrics"))
            assert answer.status == 200
            return Scrape.of(families_of(answer.body.decode()))

        def convert(token: str) -> None:
            stub = TensorServiceStub(channel)
            stub.Convert(GOOD, timeout=TIMEOUT_S, metadata=[("authorization", f"Bearer {token}")])

        convert("t-infer")
        for token in ("wrong", "t-metrics", "wronger"):
            with pytest.raises(grpc.RpcError):
                convert(token)
        refused = {"UNAUTHENTICATED": 2, "PERMISSION_DENIED": 1}
        assert now().by("tensorferry_auth_failures_total", "reason") == refused
        assert now().by("tensorferry_rejected_total", "reason") == refused
        tokens.write_text("nobody t\n")  # The file may be seen while it is empty, which is a failure of its own.
        failures = "tensorferry_credentials_reload_failures_total"
        assert becomes_true(lambda: now().by(failures, "kind") in ({"tokens": 1}, {"tokens": 2}))


def test_when_the_certificate_ends(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    files = Files(tmp_path, authority.sign("first", end="20980203040506Z"))
    trusted = ssl.create_default_context(cafile=str(authority.certificate))
    with Server(*ADMIN, *files.flags) as server:

        def now() -> Scrape:
            connection = http.client.HTTPSConnection(server.admin, context=trusted, timeout=TIMEOUT_S)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
            return Scrape.of(families_of(text))

        ends = "tensorferry_tls_certificate_expiry_timestamp_seconds"
        assert now().value(ends) == datetime(2098, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp()
        files.replace(authority.sign("second", end="20970203040506Z"))
        second = datetime(2097, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp()
        assert becomes_true(lambda: now().value(ends) == second)
        # Files that are replaced one after the other may be seen in between.
        failures = {"kind": "tls"}
        before = now().value("tensorferry_credentials_reload_failures_total", **failures)
        assert before <= 1
        files.certificate.write_text("garbage")
        assert becomes_true(
            lambda: now().value("tensorferry_credentials_reload_failures_total", **failures) == before + 1
        )
        assert now().value(ends) == second


def test_requests_whose_spans_were_exported_or_dropped() -> None:
    with Collector() as collector, tracing_server(collector) as server:
        with connect_stub(server.address) as stub:
            convert_unary(stub, GOOD)
        exported = {"exported": 1.0}
        assert becomes_true(lambda: scrape(server).by("tensorferry_traced_requests_total", "outcome") == exported)
    with Collector(answer=lambda: (400, {})) as collector, tracing_server(collector) as server:
        with connect_stub(server.address) as stub:
            convert_unary(stub, GOOD)
        dropped = {"dropped": 1.0}
        assert becomes_true(lambda: scrape(server).by("tensorferry_traced_requests_total", "outcome") == dropped)


def tracing_server(collector: Collector) -> Server:
    return Server(*ADMIN, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint})


def test_open_streams_are_counted(served: Server) -> None:
    def is_now(count: int) -> bool:
        return becomes_true(lambda: scrape(served).value("tensorferry_open_streams") == count)

    assert is_now(0)
    with connect(served.address) as channel:
        infer_stream = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        held = threading.Event()
        streams = [stream(wait_for(held)) for stream in (TensorServiceStub(channel).ConvertStream, infer_stream)]
        assert is_now(2)
        streams[0].cancel()
        assert is_now(1)
        held.set()
        assert list(streams[1]) == []
        assert is_now(0)


def wait_for(event: threading.Event) -> Iterator[Any]:
    """A stream's requests: none, until the event ends them."""
    event.wait(TIMEOUT_S)
    yield from ()


def test_what_the_admin_port_refuses_is_counted_by_status(served: Server) -> None:
    def counts() -> dict[str, float]:
        return {labels["status"]: count for labels, count in scrape(served).named("tensorferry_admin_refusals_total")}

    before = counts()
    evil = {"Host": "evil.example"}
    for path, method, headers, times in (("/no", "GET", {}, 3), ("/livez", "PUT", {}, 2), ("/configz", "GET", evil, 1)):
        for _ in range(times):
            ask(served, path, method=method, headers=headers)
    after = counts()
    assert after.keys() == before.keys()
    assert {status: after[status] - before[status] for status in after if after[status] != before[status]} == {
        "404": 3,
        "405": 2,
        "421": 1,
    }


def test_what_the_http_port_refuses_is_counted_by_status(tmp_path: Path) -> None:
    """Whoever refuses, so that requests without a token are seen, which have no line in the log."""
    tokens = tmp_path / "tokens"
    tokens.write_text("infer tf-http-infer\nmetrics tf-http-metrics\n")
    with Server(*ADMIN, "--http-listen", "127.0.0.1:0", "--auth-token-file", str(tokens)) as server:
        for path, token, times in (
            ("/v2", "none-of-these", 3),
            ("/v2", "tf-http-metrics", 2),
            ("/v2", "tf-http-infer", 1),
            ("/v2/no", "tf-http-infer", 1),
            ("/v2/models/no-such", "tf-http-infer", 1),
        ):
            for _ in range(times):
                connection = http.client.HTTPConnection(str(server.http), timeout=TIMEOUT_S)
                connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
                connection.getresponse().read()
                connection.close()
        now = scrape(server, token="tf-http-metrics")
        assert server.stop() == 0
    counted = {labels["status"]: count for labels, count in now.named("tensorferry_http_refusals_total") if count}
    assert counted == {"401": 3, "403": 2, "404": 2}
    assert now.by("tensorferry_rejected_total", "reason") == {"MODEL_NOT_FOUND": 1}
