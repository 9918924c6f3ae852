"""Prometheus takes the configuration and the alerts, Grafana knows the dashboard, and all speak of real metrics."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from files import DOCKER, documents, metric_names
from kustomizations import BASE, MONITORING, by_kind

PROMETHEUS = DOCKER / "prometheus"
DASHBOARD = DOCKER / "grafana/dashboards/tensorferry.json"
COLLECTOR = DOCKER / "otel/collector.yaml"
NAME = re.compile(r"\b(?:tensorferry|grpc_server|process)_[a-z_]+\b")


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)


def test_prometheus_takes_its_configuration() -> None:
    checked = promtool("check", "config", PROMETHEUS / "prometheus.yaml")
    assert checked.returncode == 0, checked.stderr
    assert "15 rules found" in checked.stdout


def test_prometheus_takes_what_the_collector_scrapes(tmp_path: Path) -> None:
    """The collector's receiver reads Prometheus' own configuration. Of the rest no package has a schema."""
    (collector,) = documents(COLLECTOR)
    scraping = collector["receivers"]["prometheus"]["config"]
    (tmp_path / "scrape.yaml").write_text(yaml.safe_dump(scraping))
    checked = promtool("check", "config", tmp_path / "scrape.yaml")
    assert checked.returncode == 0, checked.stderr
    (compose,) = documents(DOCKER / "compose.yaml")
    (name, port) = scraping["scrape_configs"][0]["static_configs"][0]["targets"][0].split(":")
    assert compose["services"][name]["environment"]["TENSORFERRY_ADMIN_LISTEN"].endswith(f":{port}")


def test_the_collector_uses_all_that_it_defines() -> None:
    (collector,) = documents(COLLECTOR)
    pipelines = collector["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert {name for pipeline in pipelines for name in pipeline[kind]} == set(collector[kind])


def test_alerts_fire_when_they_should() -> None:
    tested = promtool("test", "rules", Path(__file__).with_name("alerts_test.yaml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_has_a_case() -> None:
    (rules,) = documents(PROMETHEUS / "alerts.yaml")
    (cases,) = documents(Path(__file__).with_name("alerts_test.yaml"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    fired = {case["alertname"] for test in cases["tests"] for case in test["alert_rule_test"] if case.get("exp_alerts")}
    assert fired == alerts


def test_the_operator_has_the_same_alerts() -> None:
    (rules,) = documents(PROMETHEUS / "alerts.yaml")
    assert by_kind("PrometheusRule", MONITORING)["spec"] == rules


def test_the_alert_of_a_server_that_is_down_knows_its_job() -> None:
    """Prometheus calls it as its configuration says, and the operator by the name of the service."""
    (configuration,) = documents(PROMETHEUS / "prometheus.yaml")
    jobs = {scraped["job_name"] for scraped in configuration["scrape_configs"]}
    assert jobs == {by_kind("Service", BASE)["metadata"]["name"]}
    (down,) = re.findall(r'up\{job="(\w+)"\}', (PROMETHEUS / "alerts.yaml").read_text())
    assert jobs == {down}


def test_operations_page_has_the_alerts() -> None:
    """Each with its expression and how long it has to hold."""
    (rules,) = documents(PROMETHEUS / "alerts.yaml")
    alerts = {
        rule["alert"]: (" ".join(rule["expr"].split()), rule.get("for", ""))
        for group in rules["groups"]
        for rule in group["rules"]
    }
    page = (DOCKER.parent / "docs/operations.md").read_text()
    rows = re.findall(r"^\| `(Tensorferry\w+)` \| `(.+)`(?:, for (\w+))? \| .+ \|$", page, re.MULTILINE)
    assert {name: (expression.replace("\\|", "|"), time) for name, expression, time in rows} == alerts


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """Where `before` has something that `after` has not."""
    if isinstance(before, dict):
        return [
            place
            for key, value in before.items()
            for place in (lost(value, after[key], f"{path}.{key}") if key in after else [f"{path}.{key}"])
        ]
    if isinstance(before, list):
        pairs = enumerate(zip(before, after, strict=True))
        return [place for i, (one, other) in pairs for place in lost(one, other, f"{path}[{i}]")]
    return [] if before == after else [path]


def through_grafana(dashboard: dict[str, Any]) -> Any:
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


def test_grafana_knows_every_field_of_the_dashboard() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert lost(dashboard, through_grafana(dashboard)) == []
    dashboard["panels"][0]["fieldConfigs"] = {}
    assert lost(dashboard, through_grafana(dashboard)) == [".panels[0].fieldConfigs"]


def sources(value: Any) -> list[Any]:
    """What the parts of a dashboard name as their source, wherever they do."""
    if isinstance(value, list):
        return [source for one in value for source in sources(one)]
    if not isinstance(value, dict):
        return []
    own = [value["datasource"]] if "datasource" in value else []
    return own + [source for one in value.values() for source in sources(one)]


def test_the_dashboard_asks_the_prometheus_that_its_viewer_chooses() -> None:
    """Of a Grafana that runs already nobody knows the uid of its Prometheus. The choice comes before what needs it."""
    dashboard = json.loads(DASHBOARD.read_text())
    first = dashboard["templating"]["list"][0]
    assert (first["type"], first["query"]) == ("datasource", "prometheus")
    chosen = {"type": "prometheus", "uid": f"${{{first['name']}}}"}
    found = sources(dashboard)
    assert found == [chosen] * len(found)
    assert len(found) > 2 * len(dashboard["panels"])


def expressions() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("expression", expressions())
def test_prometheus_reads_the_expressions_of_the_dashboard(expression: str, tmp_path: Path) -> None:
    expression = expression.replace("$instance", ".*").replace("$__rate_interval", "1m").replace("$__range", "1h")
    rules = {"groups": [{"name": "dashboard", "rules": [{"record": "panel", "expr": expression}]}]}
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    checked = promtool("check", "rules", tmp_path / "rules.yaml")
    assert checked.returncode == 0, checked.stderr


def used_metrics() -> set[str]:
    texts = [DASHBOARD.read_text(), *(path.read_text() for path in PROMETHEUS.glob("*.yaml"))]
    texts += [path.read_text() for path in (DOCKER / "kubernetes").rglob("*.yaml")]
    names = {name for text in texts for name in NAME.findall(text)}
    return {re.sub("_(bucket|sum|count)$", "", name) for name in names}


def test_metrics_are_those_of_the_server() -> None:
    known = metric_names()
    assert len(used_metrics()) > 15
    assert used_metrics() <= known


def test_the_autoscaler_asks_for_what_the_adapter_offers() -> None:
    (adapter,) = documents(DOCKER / "kubernetes/monitoring/adapter.yaml")
    offered = {NAME.match(rule["seriesQuery"])[0] for rule in adapter["rules"]["custom"]}
    (scaler,) = documents(DOCKER / "kubernetes/base/autoscaler.yaml")
    assert {metric["pods"]["metric"]["name"] for metric in scaler["spec"]["metrics"]} == offered
