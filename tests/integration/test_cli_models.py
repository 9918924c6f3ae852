"""What the command asks about models, and has the server do with them; protobuf's own JSON and text are the oracles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from google.protobuf import json_format, text_format

import cli
import reflected
from cli import OK, REFUSED, Run, check_message
from harness import TIMEOUT_S, Server, connect, connect_stub
from served_models import Echo, Plus, config_tensor, infer, put, put_bytes
from wire import convert_unary

CONFIG = "max_batch_size: 8\n" + config_tensor("input", "x", "TYPE_FP32", "-1")
NAMES = ["batched", "identity", "plain"]  # Those that the server has loaded.


@pytest.fixture(scope="module")
def explicit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Callers load and unload models; two of them have run."""
    root = tmp_path_factory.mktemp("models")
    put(root / "batched", Plus(1), CONFIG)
    put(root / "plain", Echo())
    put(root / "later", Plus(2))
    put_bytes(root / "broken/1/model.pt", b"no archive")
    chosen = [flag for name in ("batched", "plain") for flag in ("--load-model", name)]
    with Server("--model-dir", str(root), "--model-control", "explicit", *chosen) as running:
        with connect_stub(running.address) as stub:
            for rows in (1, 3, 3):
                convert_unary(stub, infer("batched", {"x": torch.zeros(rows, 2)}))
            convert_unary(stub, infer("plain", {"x": torch.zeros(2)}))
        yield running


@pytest.fixture
def ask(explicit: Server) -> Run:
    return partial(cli.run, server=explicit.address)


def answer(server: Server, method: str, **fields: str) -> Any:
    """The server's answer, read with the descriptors that it tells of itself."""
    with connect(server.address) as channel:
        found = {each.path.rpartition("/")[2]: each for each in reflected.methods(channel)}[method]
        message = reflected.message_class(found.request)(**fields).SerializeToString()
        return reflected.message_class(found.response).FromString(
            channel.unary_unary(found.path)(message, timeout=TIMEOUT_S)
        )


def without_cache(statistics: Any) -> Any:
    for model in statistics.model_stats:
        model.inference_stats.ClearField("cache_hit")
        model.inference_stats.ClearField("cache_miss")
    return statistics


@pytest.mark.parametrize("name", ["", "batched"])
def test_statistics_are_the_servers(name: str, ask: Run, explicit: Server) -> None:
    expected = without_cache(answer(explicit, "ModelStatistics", name=name))
    ran = ask("stats", *filter(None, [name]), "--json")
    assert (ran.code, ran.stderr) == (OK, "")
    assert json_format.ParseDict({"model_stats": ran.json()}, type(expected)()) == expected
    (batched,) = (each for each in expected.model_stats if each.name == "batched")
    assert (batched.inference_count, batched.execution_count) == (7, 3)


def test_statistics_in_text(ask: Run) -> None:
    ran = ask("stats")
    assert (ran.code, ran.stderr) == (OK, "")
    title, *lines = [line.split() for line in ran.stdout.splitlines()]
    assert title == [
        "model",
        "version",
        "requests",
        "failed",
        "rows/run",
        "queue",
        "µs",
        "compute",
        "µs",
        "total",
        "µs",
    ]
    rows = {line[0]: line[1:] for line in lines}
    assert list(rows) == [*NAMES, "total"]
    assert rows["batched"][:4] == ["1", "3", "0", "2.3"]
    assert rows["identity"] == ["1", "0", "0", "-", "-", "-", "-"]
    assert rows["total"][:2] == ["4", "0"]


def test_all_of_one_model(ask: Run, explicit: Server) -> None:
    config = answer(explicit, "ModelConfig", name="batched").config
    told = ask("model", "batched", "--json").json()
    assert (told["name"], [each["state"] for each in told["versions"]]) == ("batched", ["READY"])
    assert told["versions"] == [each for each in ask("models", "--json").json() if each["name"] == "batched"]
    assert told["statistics"] == ask("stats", "batched", "--json").json()
    assert json_format.ParseDict(told["config"], type(config)()) == config

    text = ask("model", "batched").stdout
    assert text_format.Parse(text.partition("\n# As in a config.pbtxt:\n")[2], type(config)()) == config
    for line in ("input x float32 (-1, -1)", "1 1", "3 2"):  # A tensor; numbers of rows, and how often each was run.
        assert any(" ".join(found.split()).startswith(line) for found in text.splitlines()), line


def test_load_and_unload(ask: Run) -> None:
    ran = ask("load", "later")
    assert (ran.code, ran.stderr) == (OK, "")
    assert ran.stdout.splitlines()[1].split()[:3] == ["later", "1", "READY"]
    ran = ask("unload", "later", "--json")
    assert (ran.code, ran.stderr) == (OK, "")
    assert [(each["name"], each["state"]) for each in ran.json()] == [("later", "UNAVAILABLE")]


def test_a_model_that_cannot_be_loaded(ask: Run) -> None:
    ran = ask("load", "broken")
    assert (ran.code, ran.stdout) == (REFUSED, "")
    check_message(ran, "MODEL_NOT_READY", "load failed for model 'broken'")
    ran = ask("model", "broken", "--json")  # It is listed, with the reason.
    assert (ran.code, ran.json()["config"], ran.json()["statistics"]) == (OK, None, [])
    assert [each["state"] for each in ran.json()["versions"]] == ["UNAVAILABLE"]


@pytest.mark.parametrize(
    ("words", "mentioned"),
    [
        ("load none", "MODEL_NOT_FOUND: failed to load 'none'"),
        ("model none", "MODEL_NOT_FOUND"),
        ("stats none", "MODEL_NOT_FOUND"),
    ],
)
def test_a_model_that_is_not_there(words: str, mentioned: str, ask: Run) -> None:
    ran = ask(*words.split())
    assert (ran.code, ran.stdout) == (REFUSED, "")
    check_message(ran, mentioned)


def test_a_server_that_lets_nobody_load(run: Run) -> None:
    for command in ("load", "unload"):
        ran = run(command, "identity")
        assert (ran.code, ran.stdout) == (REFUSED, "")
        check_message(ran, "MODEL_NOT_READY")


def test_tables_fit_a_terminal(explicit: Server) -> None:
    address = {"TENSORFERRY_SERVER": explicit.address}
    for words in (["models"], ["model", "batched"], ["stats"], ["info"]):
        shown = cli.run_on_terminal(*words, environment=address).splitlines()
        assert max(map(len, shown)) <= 80, words
