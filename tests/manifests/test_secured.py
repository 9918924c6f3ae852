"""A real server, with the settings of docker/kubernetes/secured: probes, Prometheus and callers reach it."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import tensorferry
from certificates import Authority, Files
from harness import TIMEOUT_S, Server, run_to_exit
from kustomizations import SECURED, SECURED_MONITORING, by_kind, environment, pod
from kustomizations import server as container
from test_settings import of_the_image

EVERYWHERE = ("--listen", "0.0.0.0:0", "--admin-listen", "0.0.0.0:0")  # As in a pod, but for the ports.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def secrets(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pod's volumes of secrets hold."""
    folder = tmp_path_factory.mktemp("secrets")
    for name in ("tls", "tokens"):
        (folder / name).mkdir()
    Files(folder / "tls", authority.sign("tensorferry"))
    (folder / "tokens/tokens").write_text("infer for-callers\nmetrics for-prometheus\n")
    return folder


def variables(secrets: Path) -> dict[str, str]:
    """The container's variables, with the secrets in this folder instead of /secrets, and without models."""
    every = {**of_the_image(), **environment(container(SECURED))}
    del every["TENSORFERRY_MODEL_DIR"]
    return {name: value.replace("/secrets", str(secrets)) for name, value in every.items()}


@pytest.fixture(scope="module")
def server(secrets: Path) -> Iterator[Server]:
    with Server(*EVERYWHERE, environment={**variables(secrets), "TENSORFERRY_MODEL_CONTROL": "none"}) as running:
        yield running


def local(address: str) -> str:
    return address.replace("0.0.0.0", "localhost")


def get(server: Server, scheme: str, path: str, *, context: ssl.SSLContext, token: str = "") -> int:
    """The status with which the admin port answers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{scheme.lower()}://{local(server.admin)}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=context) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("name", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_succeed(name: str, server: Server) -> None:
    """The kubelet does not look at the certificate, and has no token."""
    asked = container(SECURED)[name]["httpGet"]
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    assert get(server, asked["scheme"], asked["path"], context=unchecked) == 200


def test_prometheus_is_let_in_by_its_token(server: Server, authority: Authority) -> None:
    (endpoint,) = by_kind("ServiceMonitor", SECURED_MONITORING)["spec"]["endpoints"]
    checked = ssl.create_default_context(cafile=str(authority.certificate))
    assert get(server, endpoint["scheme"], endpoint["path"], context=checked, token="for-prometheus") == 200
    assert get(server, endpoint["scheme"], endpoint["path"], context=checked) == 401


def test_callers_need_a_token(server: Server, authority: Authority) -> None:
    tls = tensorferry.TLS(ca=authority.certificate)
    with tensorferry.Client(local(server.address), tls=tls, token="for-callers") as client:
        assert client.convert(np.arange(3)).digest_equal
    with tensorferry.Client(local(server.address), tls=tls) as client:
        with pytest.raises(tensorferry.RefusedError) as refused:
            client.convert(np.arange(3))
        assert refused.value.code == grpc.StatusCode.UNAUTHENTICATED


def test_a_pod_without_certificate_and_tokens_does_not_start(secrets: Path) -> None:
    """Whatever the image allows."""
    guards = ("TENSORFERRY_TLS_CERT", "TENSORFERRY_TLS_KEY", "TENSORFERRY_AUTH_TOKEN_FILE")
    without = {name: value for name, value in variables(secrets).items() if name not in guards}
    ended = run_to_exit(*EVERYWHERE, environment=without)
    assert ended.returncode == 3
    assert "other machines could reach it" in ended.stderr


def test_what_is_named_is_mounted() -> None:
    """Each file that a variable names lies in a folder that the pod mounts, of a secret that has it."""
    mounts = {mount["mountPath"]: mount["name"] for mount in container(SECURED)["volumeMounts"]}
    volumes = {volume["name"]: volume["secret"] for volume in pod(SECURED)["volumes"] if "secret" in volume}
    named = [Path(value) for value in environment(container(SECURED)).values() if value.startswith("/secrets/")]
    assert len(named) == 3
    for file in named:
        secret = volumes[mounts[str(file.parent)]]
        assert {"key": file.name, "path": file.name} in secret.get("items", [{"key": file.name, "path": file.name}])
        assert oct(secret["defaultMode"]) == "0o440"


def test_the_monitor_knows_the_certificate_of_the_pods() -> None:
    (endpoint,) = by_kind("ServiceMonitor", SECURED_MONITORING)["spec"]["endpoints"]
    (tls,) = [volume["secret"]["secretName"] for volume in pod(SECURED)["volumes"] if volume["name"] == "tls"]
    assert endpoint["tlsConfig"]["ca"]["secret"]["name"] == tls
    assert endpoint["tlsConfig"]["serverName"] == by_kind("Service", SECURED)["metadata"]["name"]
