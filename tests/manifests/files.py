"""The manifests of the checkout, and what the source says of their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from repository import ROOT, text

DOCKER = ROOT / "docker"
KSERVE = DOCKER / "kserve"
RUNTIMES = ["serving-runtime.yaml", "serving-runtime-http.yaml"]


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def runtime(name: str) -> dict[str, Any]:
    """The container of a runtime of KServe's."""
    (resource,) = documents(KSERVE / name)
    (found,) = resource["spec"]["containers"]
    return found


def proposed() -> dict[str, str]:
    """The variables that the Debian package proposes for its service. Of two values of one, this is the second."""
    return dict(re.findall(r"^#?(TENSORFERRY_\w+)=(.*)$", text("packaging/debian/default"), re.MULTILINE))


def metric_names() -> set[str]:
    """Metrics that the server tells; none where it has no metrics yet."""
    sources = ((ROOT / "server").rglob("*.h"), (ROOT / "server").rglob("*.cc"))
    name = re.compile(r'"((?:tensorferry|grpc_server|process)_[a-z_]+_?[a-z]+)"')
    return {found for files in sources for file in files for found in name.findall(file.read_text())}
