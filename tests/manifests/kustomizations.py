"""What kustomize makes of the folders of docker/kubernetes, for machines without it too, and parts of that."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from files import DOCKER, documents

KUBERNETES = DOCKER / "kubernetes"
BASE = KUBERNETES / "base"
SECURED = KUBERNETES / "secured"
SIDECAR = KUBERNETES / "sidecar"
MONITORING = KUBERNETES / "monitoring"
SECURED_MONITORING = KUBERNETES / "secured-monitoring"
OBJECT_STORAGE = KUBERNETES / "object-storage"

# By which field the entries of a list are told apart, where a patch changes some of them. Other lists are replaced, as
# those of custom resources are.
KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "port",
}


def patched(value: Any, patch: Any, field: str = "") -> Any:
    """The value with the changes of a strategic merge patch."""
    if isinstance(value, dict) and isinstance(patch, dict):
        changed = {name: patched(value[name], part, name) if name in value else part for name, part in patch.items()}
        return {name: part for name, part in {**value, **changed}.items() if part is not None}
    if isinstance(value, list) and field in KEYS:
        entries = {entry[KEYS[field]]: entry for entry in value}
        for part in patch:
            entries[part[KEYS[field]]] = patched(entries.get(part[KEYS[field]], {}), part)
        return list(entries.values())
    return patch


def resources(folder: Path) -> list[dict[str, Any]]:
    """What a kustomization names, itself or by another folder, with its patches and those of its components."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    made: list[dict[str, Any]] = []
    for name in kustomization["resources"]:
        made += resources(folder / name) if (folder / name).is_dir() else documents(folder / name)
    for component in kustomization.get("components", []):
        made = with_patches(made, folder / component)
    return with_patches(made, folder)


def with_patches(made: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """The resources as a folder's kustomization or component changes them."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    for name in kustomization.get("patches", []):
        for patch in documents(folder / name["path"]):
            (one,) = [one for one in made if one["kind"] == patch["kind"]]
            changed = [] if patch.get("$patch") == "delete" else [patched(one, patch)]
            made = [*(other for other in made if other is not one), *changed]
    return made


def by_kustomize(folder: Path) -> dict[str, dict[str, Any]]:
    """What kustomize itself makes, by kind, with images without the tag `latest`."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    built = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    if 'unknown field "labels"' in built.stderr:
        pytest.skip("this kubectl has kustomize from before 4.1, as Debian 12's has")
    assert built.returncode == 0, built.stderr
    return {one["kind"]: one for one in yaml.safe_load_all(built.stdout.replace(":latest\n", "\n"))}


def lists_in_order(value: Any) -> Any:
    """The value with each list in an order of its own, as kustomize puts what a patch adds first."""
    if isinstance(value, dict):
        return {name: lists_in_order(part) for name, part in value.items()}
    if isinstance(value, list):
        return sorted(map(lists_in_order, value), key=lambda part: json.dumps(part, sort_keys=True))
    return value


def by_kind(kind: str, folder: Path = BASE) -> dict[str, Any]:
    (found,) = [resource for resource in resources(folder) if resource["kind"] == kind]
    return found


def pod(folder: Path) -> dict[str, Any]:
    return by_kind("Deployment", folder)["spec"]["template"]["spec"]


def containers(one: dict[str, Any]) -> list[dict[str, Any]]:
    return [*one.get("initContainers", []), *one["containers"]]


def assert_restricted(one: dict[str, Any]) -> None:
    """What the profile `restricted` of the Pod Security Standards asks of a pod."""
    for each in containers(one):
        held = {**one.get("securityContext", {}), **each["securityContext"]}
        assert held["runAsNonRoot"] is True
        assert held["seccompProfile"] == {"type": "RuntimeDefault"}
        assert held["allowPrivilegeEscalation"] is False
        assert held["capabilities"] == {"drop": ["ALL"]}


def server(folder: Path) -> dict[str, Any]:
    """The container of the server in a folder's pods."""
    (found,) = [one for one in containers(pod(folder)) if one["name"] == "server"]
    return found


def environment(container: dict[str, Any]) -> dict[str, str]:
    """Every variable of a manifest has its value there."""
    return {variable["name"]: variable["value"] for variable in container.get("env", [])}
