"""Trace and log settings: read, changed, and put back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb

from calls import TIMEOUT_S, Stub, refused

Client = triton.InferenceServerClient

TRACE_KEYS = {"trace_level", "trace_rate", "trace_count", "log_frequency"}
TRACE_DEFAULTS = {"trace_level": ["OFF"], "trace_rate": ["1000"], "trace_count": ["-1"], "log_frequency": ["0"]}
LOG_DEFAULTS = {"log_info": True, "log_warning": True, "log_error": True, "log_verbose_level": 0}
REFUSED = StatusCode.INVALID_ARGUMENT, StatusCode.UNIMPLEMENTED


@pytest.fixture(autouse=True)
def put_back(client: Client) -> Iterator[None]:
    yield
    client.update_trace_settings("simple", dict.fromkeys(TRACE_KEYS))
    client.update_trace_settings(settings=dict.fromkeys(TRACE_KEYS))
    client.update_log_settings(LOG_DEFAULTS)


def of_trace(reply: pb.TraceSettingResponse) -> dict[str, list[str]]:
    return {key: list(setting.value) for key, setting in reply.settings.items() if key in TRACE_KEYS}


def of_log(reply: pb.LogSettingsResponse) -> dict[str, object]:
    """Those that both servers have alike: this one's log has a format of its own, and no file."""
    settings = {key: getattr(each, each.WhichOneof("parameter_choice")) for key, each in reply.settings.items()}
    assert settings.keys() == {*LOG_DEFAULTS, "log_file", "log_format"}
    return {key: settings[key] for key in LOG_DEFAULTS}


def test_trace_settings_to_begin_with(client: Client) -> None:
    assert of_trace(client.get_trace_settings()) == TRACE_DEFAULTS
    assert "trace_file" in client.get_trace_settings().settings
    assert client.get_trace_settings(as_json=True)["settings"]["trace_level"] == {"value": ["OFF"]}


TRACE_CHANGES = [
    {"trace_rate": "7"},
    {"trace_count": ["10"]},
    {"trace_rate": "1", "trace_count": "0"},
]


@pytest.mark.parametrize("changes", TRACE_CHANGES, ids=str)
def test_trace_settings_change_and_are_cleared(changes: dict[str, object], client: Client) -> None:
    changed = {key: [value] if isinstance(value, str) else value for key, value in changes.items()}
    assert of_trace(client.update_trace_settings(settings=changes)) == TRACE_DEFAULTS | changed
    assert of_trace(client.get_trace_settings()) == TRACE_DEFAULTS | changed
    assert of_trace(client.update_trace_settings(settings=dict.fromkeys(changes))) == TRACE_DEFAULTS


def test_trace_settings_of_a_model(client: Client) -> None:
    assert of_trace(client.get_trace_settings("simple")) == TRACE_DEFAULTS
    own = TRACE_DEFAULTS | {"trace_rate": ["3"]}
    assert of_trace(client.update_trace_settings("simple", {"trace_rate": "3"})) == own
    client.update_trace_settings(settings={"trace_rate": "500", "trace_count": "20"})
    assert of_trace(client.get_trace_settings("simple")) == own | {"trace_count": ["20"]}
    assert of_trace(client.get_trace_settings("plus")) == TRACE_DEFAULTS | {
        "trace_rate": ["500"],
        "trace_count": ["20"],
    }
    cleared = client.update_trace_settings("simple", {"trace_rate": None})
    assert of_trace(cleared)["trace_rate"] == ["500"]


@pytest.mark.usefixtures("ours")  # Triton traces into a file, and can only if it was started with one.
@pytest.mark.parametrize("level", [["TIMESTAMPS"], ["TIMESTAMPS", "TENSORS"]], ids=str)
def test_tracing_is_switched_on_and_off(level: list[str], client: Client) -> None:
    assert set(client.update_trace_settings(settings={"trace_level": level}).settings["trace_level"].value) == set(
        level
    )
    assert of_trace(client.update_trace_settings(settings={"trace_level": "OFF"})) == TRACE_DEFAULTS


BAD_TRACE = [
    {"trace_rate": "x"}, {"trace_rate": ["1", "2"]}, {"trace_rate": ""}, {"trace_count": "-2"}, {"trace_count": "x"},
    {"log_frequency": "x"}, {"trace_level": ["TIMESTAMPS", "OFF"]}, {"trace_file": "/tmp/anywhere"},
]  # fmt: skip
BAD_TRACE_OF_OURS = [
    {"log_frequency": "3"},
    {"trace_level": "LOUD"},
    {"nonsense": "1"},
    {"trace_rate": "-5"},
    {"trace_rate": "1x"},
]


@pytest.mark.parametrize("changes", BAD_TRACE, ids=str)
def test_trace_settings_that_are_refused(changes: dict[str, object], client: Client) -> None:
    with refused(REFUSED):
        client.update_trace_settings(settings=changes)
    assert of_trace(client.get_trace_settings()) == TRACE_DEFAULTS


@pytest.mark.usefixtures("ours")  # Triton ignores them, or makes something of them.
@pytest.mark.parametrize("changes", BAD_TRACE_OF_OURS, ids=str)
def test_trace_settings_that_triton_takes(changes: dict[str, object], client: Client) -> None:
    (key,) = changes
    with refused(StatusCode.INVALID_ARGUMENT, key):
        client.update_trace_settings(settings=changes)
    assert of_trace(client.get_trace_settings()) == TRACE_DEFAULTS


def test_a_trace_of_an_unknown_model(client: Client) -> None:
    with refused((StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND), "no-such"):
        client.update_trace_settings("no-such", {"trace_rate": "3"})
    with refused((StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND), "no-such"):
        client.get_trace_settings("no-such")


def test_log_settings_to_begin_with(client: Client) -> None:
    assert of_log(client.get_log_settings()) == LOG_DEFAULTS
    assert client.get_log_settings(as_json=True)["settings"]["log_info"] == {"bool_param": True}


LOG_CHANGES = [
    {"log_info": False}, {"log_warning": False}, {"log_error": False}, {"log_info": False, "log_warning": False},
    {"log_verbose_level": 1}, {"log_info": False, "log_verbose_level": 1}, {"log_info": False, "log_verbose_level": 0},
    {"log_info": False, "log_warning": False, "log_error": False}, {"log_format": "ISO8601"}, {},
]  # fmt: skip


@pytest.mark.parametrize("changes", LOG_CHANGES, ids=str)
def test_log_settings_change(changes: dict[str, object], client: Client) -> None:
    changed = LOG_DEFAULTS | {key: value for key, value in changes.items() if key in LOG_DEFAULTS}
    assert of_log(client.update_log_settings(changes)) == changed
    assert of_log(client.get_log_settings()) == changed


@pytest.mark.parametrize("changes", [{"log_format": "xml"}, {"log_file": "/tmp/anywhere"}], ids=str)
def test_log_settings_that_are_refused(changes: dict[str, object], client: Client) -> None:
    with refused(REFUSED):
        client.update_log_settings(changes)
    assert of_log(client.get_log_settings()) == LOG_DEFAULTS


@pytest.mark.usefixtures("ours")  # Triton ignores them.
@pytest.mark.parametrize(
    ("key", "value"),
    [("nonsense", {"bool_param": True}), ("log_info", {"string_param": "yes"}), ("log_format", {"uint32_param": 1})],
)
def test_log_settings_that_triton_takes(key: str, value: dict[str, object], stub: Stub) -> None:
    request = pb.LogSettingsRequest()
    request.settings[key].MergeFrom(pb.LogSettingsRequest.SettingValue(**value))
    with refused(StatusCode.INVALID_ARGUMENT, key):
        stub.LogSettings(request, timeout=TIMEOUT_S)
