"""The Kubernetes manifests hold to the schemas of Kubernetes, of the Prometheus operator and of KServe."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from files import KSERVE, ROOT, RUNTIMES, documents, runtime
from kustomizations import (
    BASE,
    KUBERNETES,
    MONITORING,
    SECURED,
    SECURED_MONITORING,
    SIDECAR,
    assert_restricted,
    by_kind,
    by_kustomize,
    containers,
    environment,
    lists_in_order,
    pod,
    resources,
    server,
)

SERVICES = ["inference-service.yaml", "inference-service-http.yaml"]
NODE_MODULES = Path(os.environ.get("TENSORFERRY_NODE_MODULES", ROOT / "build/node/node_modules"))
KSERVE_PYTHON = Path(os.environ.get("TENSORFERRY_OIP_ENVIRONMENTS", ROOT / "build/oip")) / "kserve/bin/python"
OLDEST = "1.29"  # The oldest one that the manifests are checked against.


@pytest.mark.parametrize("version", [OLDEST, "1.36"])
def test_resources_are_those_of_kubernetes(version: str) -> None:
    assert len(resources(BASE)) == 6
    for resource in [*resources(BASE), *resources(SECURED), *resources(SIDECAR)]:
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_schema_knows_what_is_wrong() -> None:
    wrong = by_kind("Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, OLDEST, strict=True)


@pytest.mark.parametrize("folder", [BASE, SECURED, MONITORING, SECURED_MONITORING, SIDECAR], ids=lambda one: one.name)
def test_kustomize_makes_the_same_resources(folder: Path) -> None:
    made = by_kustomize(folder)
    assert len(made) == len(resources(folder))
    for one in resources(folder):
        assert lists_in_order(made[one["kind"]]["spec"]) == lists_in_order(one["spec"])
        if folder in (BASE, SECURED):
            assert made[one["kind"]]["metadata"]["labels"]["app.kubernetes.io/name"] == "tensorferry"


def test_every_file_of_a_folder_is_part_of_it() -> None:
    values = {MONITORING / "adapter.yaml"}  # These are values for a chart.
    for file in KUBERNETES.glob("*/kustomization.yaml"):
        (kustomization,) = documents(file)
        patches = [patch["path"] for patch in kustomization.get("patches", [])]
        named = [*kustomization.get("resources", []), *patches]
        assert {file.parent / name for name in named} >= set(file.parent.glob("*.yaml")) - {file} - values


def test_all_parts_speak_of_the_same_pods() -> None:
    labels = by_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert by_kind("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert by_kind("Service")["spec"]["selector"] == labels
    assert by_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert by_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert by_kind("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "tensorferry"
    assert by_kind("ServiceMonitor", MONITORING)["spec"]["selector"]["matchLabels"] == labels


def test_all_parts_speak_of_the_same_ports() -> None:
    ports = {port["name"] for port in server(BASE)["ports"]}
    assert ports == {"grpc", "admin"}
    assert {port["targetPort"] for port in by_kind("Service")["spec"]["ports"]} == ports
    allowed = {port["port"] for rule in by_kind("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]}
    assert allowed == ports
    probes = {server(BASE)[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert probes == {"/startupz", "/readyz", "/livez"}


def drain_s(container: dict[str, Any]) -> int:
    """The most seconds that a server takes to stop."""
    given = {"--drain-delay": "0s", "--drain-grace": "30s"}
    given |= dict(argument.split("=") for argument in container.get("args", []) if "=" in argument)
    for name, value in environment(container).items():
        given["--" + name.removeprefix("TENSORFERRY_").lower().replace("_", "-")] = value
    return sum(int(given[name].removesuffix("s")) for name in ("--drain-delay", "--drain-grace"))


def pods() -> dict[str, dict[str, Any]]:
    """All that the manifests make, by folder or file. Of KServe's the runtime says the containers alone."""
    return {folder.name: pod(folder) for folder in (BASE, SECURED, SIDECAR)} | {
        name: {"containers": [runtime(name)]} for name in RUNTIMES
    }


@pytest.mark.parametrize("name", pods())
def test_a_pod_is_given_the_time_that_a_drain_takes(name: str) -> None:
    one = pods()[name]
    servers = [each for each in containers(one) if each["name"] in ("server", "kserve-container")]
    assert len(servers) == 1
    assert one.get("terminationGracePeriodSeconds", 30) > drain_s(servers[0])


@pytest.mark.parametrize("name", pods())
def test_the_pods_are_as_restricted_as_kubernetes_asks(name: str) -> None:
    assert_restricted(pods()[name])


def test_the_sidecar_and_its_caller_meet_at_one_socket() -> None:
    beside, (caller,) = server(SIDECAR), pod(SIDECAR)["containers"]
    assert beside["restartPolicy"] == "Always"
    address = environment(beside)["TENSORFERRY_LISTEN"]
    assert address == environment(caller)["TENSORFERRY_SERVER"]
    for one in (beside, caller):
        folders = {mount["mountPath"]: mount["name"] for mount in one["volumeMounts"]}
        assert folders[str(Path(address.removeprefix("unix:")).parent)] == "socket"
    assert pod(SIDECAR)["securityContext"]["fsGroup"] == pod(SIDECAR)["securityContext"]["runAsGroup"]


def the_operator_reads(resource: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", Path(__file__).with_name("operator.mjs")],
        env={**os.environ, "TENSORFERRY_NODE_MODULES": str(NODE_MODULES)},
        input=json.dumps(resource),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("folder", [MONITORING, SECURED_MONITORING], ids=lambda folder: folder.name)
@pytest.mark.parametrize("kind", ["ServiceMonitor", "PrometheusRule"])
def test_the_prometheus_operator_knows_every_field(kind: str, folder: Path) -> None:
    ran = the_operator_reads(by_kind(kind, folder))
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("kind", "change", "complaint"),
    [
        ("ServiceMonitor", {"endpoints": [{"port": 8002}]}, "port must be string"),
        ("PrometheusRule", {"groups": [{"rules": []}]}, "must have required property name"),
        ("PrometheusRule", {"groups": [{"name": "x", "rules": [{"expr": "1", "for": "2"}]}]}, "must match pattern"),
    ],
)
def test_the_prometheus_operator_complains_of_others(kind: str, change: dict[str, Any], complaint: str) -> None:
    wrong = by_kind(kind, MONITORING)
    wrong["spec"].update(change)
    assert complaint in the_operator_reads(wrong).stderr


def misspelt(name: str) -> dict[str, Any]:
    (resource,) = documents(KSERVE / name)
    resource["spec"]["protocolVersoins"] = ["grpc-v2"]
    return resource


@pytest.fixture(scope="module")
def complaints() -> dict[str, list[str]]:
    """What the models of KServe's own SDK say of each file, and of two with a field that they do not know."""
    resources = {name: documents(KSERVE / name)[0] for name in (*RUNTIMES, *SERVICES)}
    resources |= {f"misspelt {name}": misspelt(name) for name in (RUNTIMES[0], SERVICES[0])}
    return dict(zip(resources, kserve_complains(list(resources.values())), strict=True))


@pytest.mark.parametrize("name", [*RUNTIMES, *SERVICES])
def test_kserve_knows_every_field(name: str, complaints: dict[str, list[str]]) -> None:
    assert complaints[name] == []


@pytest.mark.parametrize("name", [RUNTIMES[0], SERVICES[0]])
def test_kserve_complains_of_a_field_that_it_does_not_know(name: str, complaints: dict[str, list[str]]) -> None:
    (path,) = complaints[f"misspelt {name}"]
    assert path.endswith(".spec.protocolVersoins")


@pytest.mark.parametrize(("runtime", "service"), list(zip(RUNTIMES, SERVICES, strict=True)))
def test_a_service_asks_for_what_its_runtime_speaks(runtime: str, service: str) -> None:
    (offered,), (wanted,) = documents(KSERVE / runtime), documents(KSERVE / service)
    model = wanted["spec"]["predictor"]["model"]
    assert model["runtime"] == offered["metadata"]["name"]
    assert [model["protocolVersion"]] == offered["spec"]["protocolVersions"]
    assert model["modelFormat"]["name"] in {one["name"] for one in offered["spec"]["supportedModelFormats"]}


def kserve_complains(resources: list[dict[str, Any]]) -> list[list[str]]:
    """The fields of each resource that KServe's SDK does not know; the SDK lives in an environment of its own."""
    if not KSERVE_PYTHON.exists():
        pytest.fail(f"{KSERVE_PYTHON} is not there: run tests/integration/oip/environments.sh clients")
    ran = subprocess.run(
        [KSERVE_PYTHON, Path(__file__).with_name("kserve_models.py")],
        input=json.dumps(resources),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    complaints: list[list[str]] = json.loads(ran.stdout)
    return complaints
