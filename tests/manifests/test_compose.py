"""The compose files are what they should be, their mounts are there, and YAML is written one way."""

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
COLLECTOR = DOCKER / "compose.otel.yaml"
YAML = sorted(DOCKER.rglob("*.yaml"))
RULES = YamlLintConfig(
    """
extends: default
rules: {document-start: disable, line-length: {max: 140}, comments: {min-spaces-from-content: 1}}
"""
)


def services() -> dict[str, Any]:
    """Those of both files, of which each has others."""
    return {name: service for file in (COMPOSE, COLLECTOR) for name, service in documents(file)[0]["services"].items()}


def test_it_is_a_compose_file() -> None:
    text = COMPOSE.read_text()
    assert set(parse(text)) == {"server", "prometheus", "grafana"}
    assert set(parse(COLLECTOR.read_text())) == {"collector"}
    with pytest.raises(ValueError, match="prots"):
        parse(text.replace("ports:", "prots:", 1))


def test_debians_own_compose_takes_it() -> None:
    """docker-compose 1.29 refuses `name:` and what else came later to the top. Both take the name from the folder."""
    for file in (COMPOSE, COLLECTOR):
        assert set(documents(file)[0]) <= {"services", "volumes", "networks", "configs", "secrets"}
    assert (DOCKER / ".env").read_text() == "COMPOSE_PROJECT_NAME=tensorferry\n"


def test_a_server_does_not_take_half_of_the_machine() -> None:
    assert services()["server"]["mem_limit"] == "${TENSORFERRY_MEMORY:-4g}"
    assert {service["restart"] for service in services().values()} == {"unless-stopped"}


def test_the_server_starts_without_variables_and_the_collector_asks_for_its_one() -> None:
    """Compose asks for what a file needs before it starts anything, also where a profile leaves the service out."""
    given = re.findall(r"\$\{(\w+)(:[-?])([^}]*)\}", COMPOSE.read_text())
    assert len(given) == COMPOSE.read_text().count("$") > 1
    assert all(kind == ":-" and default for _, kind, default in given)
    (asked,) = re.findall(r"\$\{(\w+)(:[-?])([^}]*)\}", COLLECTOR.read_text())
    assert asked[:2] == ("TENSORFERRY_OTLP", ":?")
    assert services()["collector"]["depends_on"] == ["server"]


def parse(text: str) -> dict[str, Any]:
    """The services, with something in the places of variables, as the library fills in none."""
    text = re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", text)
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
