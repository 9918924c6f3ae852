"""SIGHUP to a server that polls its repository: it looks at once, and does not stop."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import torch

from harness import Server, becomes_true, connect_stub
from served_models import Echo, Plus, infer, listed, put
from wire import convert_unary

NEVER = "24h"
X = torch.arange(4.0).reshape(1, 4)


def test_a_repository_is_looked_at_at_once(tmp_path: Path) -> None:
    put(tmp_path / "models/kept", Plus(1))
    put(tmp_path / "models/removed", Echo())
    flags = ("--model-dir", str(tmp_path / "models"), "--model-control", "poll", "--model-poll-interval", NEVER)
    with Server(*flags) as server, connect_stub(server.address) as stub:
        put(tmp_path / "models/kept", Plus(2), version=2)
        put(tmp_path / "models/added", Echo())
        shutil.rmtree(tmp_path / "models/removed")
        server.terminate(signal.SIGHUP)
        assert becomes_true(lambda: "added" in listed(stub) and "2" in listed(stub)["kept"])
        assert becomes_true(lambda: convert_unary(stub, infer("added", {"x": X})).refusal is None)
        assert becomes_true(lambda: convert_unary(stub, infer("kept", {"x": X})).response.model_version == "2")
        assert becomes_true(lambda: convert_unary(stub, infer("removed", {"x": X})).refusal is not None)
        assert "SIGHUP: looking at the model repository" in server.log()
        assert server.stop() == 0


def test_files_of_secrets_are_read_too(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("infer first\n")
    put(tmp_path / "models/model", Echo())
    flags = ("--model-dir", str(tmp_path / "models"), "--model-control", "poll", "--model-poll-interval", NEVER)
    with Server(*flags, "--auth-token-file", str(tokens)) as server:
        server.terminate(signal.SIGHUP)
        assert becomes_true(lambda: "looking at the model repository" in server.log())
        assert becomes_true(lambda: "reading certificates and tokens again" in server.log())
        assert server.stop() == 0
