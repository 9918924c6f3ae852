"""The Kubernetes manifests hold to the schemas of Kubernetes, of the Prometheus operator and of KServe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from files import DOCKER, ROOT, documents, flags, settings

BASE = DOCKER / "kubernetes/base"
MONITORING = DOCKER / "kubernetes/monitoring"
SIDECAR = DOCKER / "kubernetes/sidecar"
KSERVE = DOCKER / "kserve"
RUNTIMES = ["serving-runtime.yaml", "serving-runtime-http.yaml"]
SERVICES = ["inference-service.yaml", "inference-service-http.yaml"]
NODE_MODULES = Path(os.environ.get("TENSORFERRY_NODE_MODULES", ROOT / "build/node/node_modules"))
KSERVE_PYTHON = Path(os.environ.get("TENSORFERRY_OIP_ENVIRONMENTS", ROOT / "build/oip")) / "kserve/bin/python"
KUBERNETES = "1.29"  # The oldest one that the manifests are checked against.


def resources(folder: Path) -> list[dict[str, Any]]:
    """What a kustomization names; every file of its folder must be named."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    return [document for name in kustomization["resources"] for document in documents(folder / name)]


def by_kind(kind: str) -> dict[str, Any]:
    (found,) = [resource for resource in resources(BASE) if resource["kind"] == kind]
    return found


def container() -> dict[str, Any]:
    (found,) = by_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("version", [KUBERNETES, "1.36"])
def test_resources_are_those_of_kubernetes(version: str) -> None:
    assert len(resources(BASE)) == 6
    for resource in [*resources(BASE), *resources(SIDECAR)]:
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_schema_knows_what_is_wrong() -> None:
    wrong = by_kind("Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


@pytest.mark.parametrize("folder", [BASE, MONITORING, SIDECAR])
def test_kustomize_makes_the_same_resources(folder: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    built = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    if 'unknown field "labels"' in built.stderr:
        pytest.skip("this kubectl has kustomize from before 4.1, as Debian 12's has")
    assert built.returncode == 0, built.stderr
    made = list(yaml.safe_load_all(built.stdout))
    assert sorted(one["kind"] for one in made) == sorted(one["kind"] for one in resources(folder))
    assert {one["metadata"]["labels"]["app.kubernetes.io/name"] for one in made if folder == BASE} <= {"tensorferry"}


def test_all_parts_speak_of_the_same_pods() -> None:
    labels = by_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert by_kind("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert by_kind("Service")["spec"]["selector"] == labels
    assert by_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert by_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert by_kind("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "tensorferry"
    (monitor,) = resources(MONITORING)
    assert monitor["spec"]["selector"]["matchLabels"] == labels


def test_all_parts_speak_of_the_same_ports() -> None:
    ports = {port["name"] for port in container()["ports"]}
    assert ports == {"grpc", "admin"}
    assert {port["targetPort"] for port in by_kind("Service")["spec"]["ports"]} == ports
    allowed = {port["port"] for rule in by_kind("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]}
    assert allowed == ports
    probes = {container()[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert probes == {"/startupz", "/readyz", "/livez"}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_a_pod_is_given_the_time_that_a_drain_takes() -> None:
    values = {variable["name"]: variable["value"] for variable in container()["env"]}
    drain = seconds(values["TENSORFERRY_DRAIN_DELAY"]) + seconds(values["TENSORFERRY_DRAIN_GRACE"])
    assert by_kind("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > drain


def test_the_pods_are_as_restricted_as_kubernetes_asks() -> None:
    """What the profile `restricted` of the Pod Security Standards asks."""
    for pod in (by_kind("Deployment")["spec"]["template"]["spec"], sidecar_pod()):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for one in [*pod.get("initContainers", []), *pod["containers"]]:
            assert one["securityContext"]["allowPrivilegeEscalation"] is False
            assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def sidecar_pod() -> dict[str, Any]:
    (deployment,) = resources(SIDECAR)
    return deployment["spec"]["template"]["spec"]


def test_the_sidecar_and_its_caller_meet_at_one_socket() -> None:
    pod = sidecar_pod()
    (server,), (caller,) = pod["initContainers"], pod["containers"]
    assert server["restartPolicy"] == "Always"
    addresses = {
        variable["value"]
        for one, name in ((server, "TENSORFERRY_LISTEN"), (caller, "TENSORFERRY_SERVER"))
        for variable in one["env"]
        if variable["name"] == name
    }
    (address,) = addresses
    for one in (server, caller):
        folders = {mount["mountPath"]: mount["name"] for mount in one["volumeMounts"]}
        assert folders[str(Path(address.removeprefix("unix:")).parent)] == "socket"
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]


def test_variables_and_flags_are_settings_of_the_server() -> None:
    runtimes = [document for name in RUNTIMES for document in documents(KSERVE / name)]
    of_kserve = [one for runtime in runtimes for one in runtime["spec"]["containers"]]
    containers = [container(), *of_kserve, *sidecar_pod()["initContainers"]]
    # A server without an admin port, and so without these probes, does not know the variable.
    known = settings()
    for one in containers:
        assert {variable["name"] for variable in one["env"]} <= known
        assert {argument.split("=")[0] for argument in one.get("args", [])} <= flags()


@pytest.mark.parametrize("change", [{}, {"endpoints": [{"port": 8002}]}], ids=["right", "wrong"])
def test_the_monitor_is_that_of_the_prometheus_operator(change: dict[str, Any]) -> None:
    (monitor,) = resources(MONITORING)
    monitor["spec"].update(change)
    ran = subprocess.run(
        ["node", Path(__file__).with_name("monitor.mjs")],
        env={**os.environ, "TENSORFERRY_NODE_MODULES": str(NODE_MODULES)},
        input=json.dumps(monitor),
        capture_output=True,
        text=True,
        check=False,
    )
    if change:
        assert "port must be string" in ran.stderr
    else:
        assert (ran.returncode, ran.stderr) == (0, "")


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
