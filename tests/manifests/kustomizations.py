"""What kustomize makes of the folders of docker/kubernetes, for machines without it too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from files import DOCKER, documents

KUBERNETES = DOCKER / "kubernetes"
BASE = KUBERNETES / "base"
SECURED = KUBERNETES / "secured"
SIDECAR = KUBERNETES / "sidecar"
MONITORING = KUBERNETES / "monitoring"
SECURED_MONITORING = KUBERNETES / "secured-monitoring"

# By which field the entries of a list are told apart, where a patch changes some of them. Other lists are replaced, as
# those of custom resources are.
KEYS = {"containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath", "ports": "port"}


def patched(value: Any, patch: Any, field: str = "") -> Any:
    """The value with the changes of a strategic merge patch."""
    if isinstance(value, dict) and isinstance(patch, dict):
        changed = {name: patched(value[name], part, name) if name in value else part for name, part in patch.items()}
        return {**value, **changed}
    if isinstance(value, list) and field in KEYS:
        entries = {entry[KEYS[field]]: entry for entry in value}
        for part in patch:
            entries[part[KEYS[field]]] = patched(entries.get(part[KEYS[field]], {}), part)
        return list(entries.values())
    return patch


def resources(folder: Path) -> list[dict[str, Any]]:
    """What a kustomization names, itself or by another folder, with its patches."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    made: list[dict[str, Any]] = []
    for name in kustomization["resources"]:
        made += resources(folder / name) if (folder / name).is_dir() else documents(folder / name)
    for name in kustomization.get("patches", []):
        for patch in documents(folder / name["path"]):
            (one,) = [one for one in made if one["kind"] == patch["kind"]]
            made[made.index(one)] = patched(one, patch)
    return made


def by_kind(kind: str, folder: Path = BASE) -> dict[str, Any]:
    (found,) = [resource for resource in resources(folder) if resource["kind"] == kind]
    return found


def pod(folder: Path) -> dict[str, Any]:
    return by_kind("Deployment", folder)["spec"]["template"]["spec"]


def server(folder: Path) -> dict[str, Any]:
    """The container of the server in a folder's pods."""
    every = [*pod(folder).get("initContainers", []), *pod(folder)["containers"]]
    (found,) = [one for one in every if one["name"] == "server"]
    return found


def environment(container: dict[str, Any]) -> dict[str, str]:
    """Every variable of a manifest has its value there."""
    return {variable["name"]: variable["value"] for variable in container.get("env", [])}
