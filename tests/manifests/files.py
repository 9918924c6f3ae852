"""The manifests of the checkout, and what the source says of their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from repository import ROOT, text

DOCKER = ROOT / "docker"


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def settings() -> set[str]:
    """The environment variables of the server's settings."""
    names = re.findall(r'(?:One|Many)\(\{"([a-z-]+)",', text("server/config/setting.cc"))
    return {"TENSORFERRY_" + name.upper().replace("-", "_") for name in names}


def flags() -> set[str]:
    return {"--" + name.removeprefix("TENSORFERRY_").lower().replace("_", "-") for name in settings()}


def metric_names() -> set[str]:
    """Metrics that the server tells; none where it has no metrics yet."""
    sources = ((ROOT / "server").rglob("*.h"), (ROOT / "server").rglob("*.cc"))
    name = re.compile(r'"((?:tensorferry|grpc_server|process)_[a-z_]+_?[a-z]+)"')
    return {found for files in sources for file in files for found in name.findall(file.read_text())}
