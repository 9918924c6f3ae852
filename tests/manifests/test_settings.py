"""The server takes the flags and variables of every manifest, together with the variables of the image."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import NamedTuple

import pytest

from files import DOCKER, RUNTIMES, documents, proposed, runtime
from harness import SERVER, TIMEOUT_S, clean_environment
from kustomizations import BASE, SECURED, SIDECAR, environment, server


class Given(NamedTuple):
    """What a container's server is started with."""

    flags: list[str]
    variables: dict[str, str]


def of_the_image() -> dict[str, str]:
    """The server's variables that the image sets."""
    (line,) = re.findall(r"^ENV (.*)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    pairs = [word.partition("=") for word in shlex.split(line)]
    return {name: value for name, _, value in pairs if name.startswith("TENSORFERRY_")}


def manifests() -> dict[str, Given]:
    (compose,) = documents(DOCKER / "compose.yaml")
    service = compose["services"]["server"]
    found = {"compose": Given(service["command"], service["environment"]), "debian": Given([], proposed())}
    for folder in (BASE, SECURED, SIDECAR):
        found[folder.name] = Given(server(folder).get("args", []), environment(server(folder)))
    for name in RUNTIMES:
        found[name] = Given(runtime(name)["args"], environment(runtime(name)))
    return found


MANIFESTS = manifests()


def print_config(given: Given) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SERVER, "--print-config", *given.flags],
        env=clean_environment({**of_the_image(), **given.variables}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def complaints(ran: subprocess.CompletedProcess[str]) -> str:
    """Why the server does not start so, and the variables that are no settings."""
    return ran.stderr + "".join(re.findall(r"^# .*\n", ran.stdout, re.MULTILINE))


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_server_takes_what_a_manifest_gives_it(name: str) -> None:
    given = MANIFESTS[name]
    ran = print_config(given)
    assert complaints(ran) == ""
    taken = dict(re.findall(r"^(\S+) = .*  # (.*)$", ran.stdout, re.MULTILINE))
    for variable in given.variables:
        assert variable in taken[variable.removeprefix("TENSORFERRY_").lower().replace("_", "-")]
    for flag in (word for word in given.flags if word.startswith("--")):
        assert taken[flag.removeprefix("--").partition("=")[0]].startswith("flag")


@pytest.mark.parametrize(
    ("flags", "variables", "complaint"),
    [
        (["--drain-dealy=10s"], {}, "drain-dealy"),
        (["--drain-delay=10"], {}, "drain-delay"),
        ([], {"TENSORFERRY_LOG_FORMAT": "jsn"}, "log-format"),
        ([], {"TENSORFERRY_LOG_FORMT": "json"}, "TENSORFERRY_LOG_FORMT"),
    ],
)
def test_the_server_complains_of_others(flags: list[str], variables: dict[str, str], complaint: str) -> None:
    given = MANIFESTS["base"]
    changed = Given([*given.flags, *flags], {**given.variables, **variables})
    assert complaint in complaints(print_config(changed))
