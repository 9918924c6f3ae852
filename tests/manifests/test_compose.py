"""The compose file is one, its mounts are there, and YAML is written one way."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import compose_spec
import pytest
from yamllint import linter
from yamllint.config import YamlLintConfig

from files import DOCKER, documents

COMPOSE = DOCKER / "compose.yaml"
YAML = sorted(DOCKER.rglob("*.yaml"))
RULES = YamlLintConfig(
    """
extends: default
rules: {document-start: disable, line-length: {max: 140}, comments: {min-spaces-from-content: 1}}
"""
)


def services() -> dict[str, Any]:
    (compose,) = documents(COMPOSE)
    return compose["services"]


def test_it_is_a_compose_file() -> None:
    text = COMPOSE.read_text()
    assert set(parse(text)) == {"server", "prometheus", "grafana", "collector"}
    with pytest.raises(ValueError, match="prots"):
        parse(text.replace("ports:", "prots:", 1))


def test_debians_own_compose_takes_it() -> None:
    """docker-compose 1.29 refuses `name:` and what else came later to the top. Both take the name from the folder."""
    (compose,) = documents(COMPOSE)
    assert set(compose) <= {"services", "volumes", "networks", "configs", "secrets"}
    assert (DOCKER / ".env").read_text() == "COMPOSE_PROJECT_NAME=tensorferry\n"


def test_a_server_does_not_take_half_of_the_machine() -> None:
    assert services()["server"]["mem_limit"] == "${TENSORFERRY_MEMORY:-4g}"
    assert {service["restart"] for service in services().values()} == {"unless-stopped"}


def parse(text: str) -> dict[str, Any]:
    """The services, with the defaults of variables in their places, as the library fills in none."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return compose_spec.PyCompose.from_yaml(text).to_spec().services


def test_what_is_mounted_is_there() -> None:
    mounted = [volume.split(":")[0] for service in services().values() for volume in service.get("volumes", [])]
    own = [path for path in mounted if path.startswith("./")]
    assert len(own) == 4
    for path in own:
        assert (DOCKER / path).is_dir(), path


def test_nothing_is_published_to_other_machines() -> None:
    for service in services().values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("file", YAML, ids=lambda file: str(file.relative_to(DOCKER)))
def test_yaml_is_written_one_way(file: Path) -> None:
    assert [str(problem) for problem in linter.run(file.read_text(), RULES)] == []
