"""The unit of the Debian package, beside what else starts servers, and the settings that the package proposes."""

from __future__ import annotations

import re
from typing import Any

from files import DOCKER, documents, proposed
from repository import text

UNIT = text("packaging/systemd/tensorferry-server.service")
DEFAULTS = text("packaging/debian/default")
MINUTE = 60


def values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def startup_probe() -> dict[str, Any]:
    pod = next(each for each in documents(DOCKER / "kubernetes/base/deployment.yaml") if each["kind"] == "Deployment")
    probe: dict[str, Any] = pod["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    return probe


def test_models_may_take_as_long_to_load_as_in_the_image_and_on_kubernetes() -> None:
    """systemd ends a service of type notify that is not ready after 90 s, unless its unit says otherwise."""
    (minutes,) = re.findall(r"^(\d+)min$", "\n".join(values("TimeoutStartSec")), re.MULTILINE)
    assert f"--start-period={minutes}m " in text("docker/Dockerfile")
    probe = startup_probe()
    assert probe["periodSeconds"] * probe["failureThreshold"] == int(minutes) * MINUTE


def test_each_unit_of_the_documents_says_how_long_loading_may_take() -> None:
    units = re.findall(r"```ini\n(\[Service\].*?)```", text("docs/operations.md"), re.DOTALL)
    assert units
    for unit in units:
        assert "Type=notify" in unit
        assert "TimeoutStartSec=" in unit


def test_an_address_that_is_not_up_yet_is_tried_again_for_ever() -> None:
    assert values("StartLimitIntervalSec") == ["0"]
    assert "4" not in values("RestartPreventExitStatus")[0].split()
    assert values("After") == values("Wants") == ["network-online.target"]


def test_proposed_sockets_are_where_the_service_can_make_them() -> None:
    """ProtectSystem=strict leaves no other folder that others see, too."""
    (folder,) = values("RuntimeDirectory")
    sockets = re.findall(r"unix:([^,\s]+)", DEFAULTS)
    assert sockets
    assert all(socket.startswith(f"/run/{folder}/") for socket in sockets)
    assert values("RuntimeDirectoryMode") == ["0755"]


def test_a_socket_can_be_given_to_a_group() -> None:
    """With PrivateUsers=yes no other group has a number, and systemd's @privileged has the call that changes it."""
    assert "TENSORFERRY_UNIX_GROUP=" in DEFAULTS
    assert "yes" not in values("PrivateUsers")
    assert "@chown" in values("SystemCallFilter")


def test_proposed_secrets_lie_in_a_folder_that_is_made() -> None:
    made = re.findall(r"^d (/\S+)", text("packaging/systemd/tmpfiles.conf"), re.MULTILINE)
    files = [value for value in proposed().values() if value.startswith("/")]
    assert files
    assert {file.rpartition("/")[0] for file in files} <= set(made)
