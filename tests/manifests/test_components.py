"""A kustomization of somebody's own, of the base and components, and the pod that writes models into the claim."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import kubernetes_validate
import pytest

from files import documents
from kustomizations import (
    BASE,
    KUBERNETES,
    OBJECT_STORAGE,
    SECURED,
    assert_restricted,
    by_kind,
    by_kustomize,
    environment,
    lists_in_order,
    pod,
    resources,
    server,
)
from repository import text
from test_settings import Given, complaints, print_config

PAGE = text("docs/deployment.md")


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page shows, beside copies of the others."""
    folder = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(KUBERNETES, folder)
    (shown,) = re.findall(r"```yaml\n(# kubectl apply -k docker/kubernetes/mine\n.*?)```", PAGE, re.DOTALL)
    (folder / "mine").mkdir()
    (folder / "mine/kustomization.yaml").write_text(shown)
    return folder / "mine"


def built_on(start: Path, folder: Path) -> Path:
    """A kustomization with the component."""
    (folder / "mine").mkdir()
    for each in (BASE, SECURED, OBJECT_STORAGE):
        shutil.copytree(each, folder / each.name)
    words = f"resources: [../{start.name}]\ncomponents: [../object-storage]\n"
    (folder / "mine/kustomization.yaml").write_text(words)
    return folder / "mine"


@pytest.fixture(scope="module", params=[BASE, SECURED], ids=lambda folder: folder.name)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_on(request.param, tmp_path_factory.mktemp("whole"))


def test_the_page_shows_one_that_kustomize_takes(mine: Path) -> None:
    (shown,) = documents(mine / "kustomization.yaml")
    assert {(mine / name).resolve().name for name in shown["components"]} == {OBJECT_STORAGE.name}
    assert "volumes" in by_kustomize(mine)["Deployment"]["spec"]["template"]["spec"]
    image = by_kustomize(mine)["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "{newName}:{newTag}".format(**shown["images"][0])


def test_kustomize_makes_the_same_resources(whole: Path) -> None:
    made = by_kustomize(whole)
    assert set(made) == {one["kind"] for one in resources(whole)}
    for one in resources(whole):
        assert lists_in_order(made[one["kind"]]["spec"]) == lists_in_order(one["spec"])


@pytest.mark.parametrize("version", ["1.29", "1.36"])
def test_resources_are_those_of_kubernetes(version: str, whole: Path) -> None:
    for resource in [*resources(whole), *documents(KUBERNETES / "upload/pod.yaml")]:
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_pods_are_as_restricted_as_kubernetes_asks(whole: Path) -> None:
    assert_restricted(pod(whole))
    assert_restricted(documents(KUBERNETES / "upload/pod.yaml")[0]["spec"])


def test_the_server_takes_its_settings(whole: Path) -> None:
    assert complaints(print_config(Given([], environment(server(whole))))) == ""


def test_models_are_fetched_to_where_the_server_reads_them(whole: Path) -> None:
    (fetch,) = pod(whole)["initContainers"]
    (mount,) = fetch["volumeMounts"]
    assert mount["mountPath"] == environment(server(whole))["TENSORFERRY_MODEL_DIR"] == fetch["args"][-1]
    assert mount["name"] in {one["name"] for one in server(whole)["volumeMounts"] if one["mountPath"] == "/models"}
    (volume,) = [one for one in pod(whole)["volumes"] if one["name"] == mount["name"]]
    assert set(volume) == {"name", "emptyDir"}
    assert by_kind("NetworkPolicy", whole)["spec"]["egress"] != by_kind("NetworkPolicy")["spec"]["egress"]


def test_the_page_tells_of_the_secret_that_is_read(whole: Path) -> None:
    (fetch,) = pod(whole)["initContainers"]
    (source,) = fetch["envFrom"]
    assert f"create secret generic {source['secretRef']['name']} --from-env-file=" in PAGE
    (remote, variable) = re.findall(r"^(\w+):\$\((\w+)\)$", fetch["args"][1])[0]
    names = re.findall(r"^    ([A-Z_]+)=", PAGE, re.MULTILINE)
    assert {variable, f"RCLONE_CONFIG_{remote.upper()}_TYPE"} < set(names)


def test_what_is_written_into_the_claim_is_what_the_servers_read() -> None:
    (upload,) = documents(KUBERNETES / "upload/pod.yaml")
    for name in ("runAsUser", "runAsGroup", "fsGroup"):
        assert upload["spec"]["securityContext"][name] == pod(BASE)["securityContext"][name]
    (volume,) = upload["spec"]["volumes"]
    claim = by_kind("PersistentVolumeClaim")
    assert volume["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]  # Pods on several nodes read it, and one writes.
    assert f"tensorferry-upload:{environment(server(BASE))['TENSORFERRY_MODEL_DIR']}/." in PAGE
    assert "labels" not in upload["metadata"]  # Else callers would be sent there, too.
