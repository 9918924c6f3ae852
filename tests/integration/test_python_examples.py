"""The programs of client/python/examples, and what their parts answer beside torch."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

import tensorferry
from harness import REPO_ROOT, SERVER, TIMEOUT_S, Server, clean_environment

EXAMPLES = REPO_ROOT / "client/python/examples"


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / program, *arguments],
        env=clean_environment({"PYTHONPATH": str(REPO_ROOT / "client/python/src")}),
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT_S,
        check=False,
    )


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_batches_of_a_data_loader(server: Server) -> None:
    ran = run("data_loader.py", server.address)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "1000 rows in 16 batches, outputs of (256,) torch.float32\n"


def test_the_outputs_are_those_of_the_batches_in_order(server: Server) -> None:
    example = load("data_loader")
    loader = torch.utils.data.DataLoader(example.Waves(), batch_size=64)
    with tensorferry.Client(server.address) as client:
        outputs = list(example.infer(client, "identity", loader))
    assert torch.equal(torch.cat(outputs), torch.cat(list(loader)))


def test_a_robot_follows_its_policy() -> None:
    ran = run("robot_policy.py", SERVER)
    assert ran.returncode == 0, ran.stderr
    assert [line.split(",")[0] for line in ran.stdout.splitlines()] == [f"chunk {n}: 16 actions" for n in range(3)]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_actions_are_the_policys_own(tmp_path: Path) -> None:
    example = load("robot_policy")
    torch.manual_seed(1)
    policy = example.Policy()
    example.save(policy, tmp_path)
    seen = []

    class Recording(example.Robot):
        def observe(self) -> dict[str, object]:
            seen.append(super().observe())
            return seen[-1]

    with tensorferry.Server(tmp_path, program=SERVER) as address, tensorferry.Client(address) as client:
        chunks = list(example.control(client, Recording(), chunks=3))
    state = torch.zeros(example.JOINTS)
    for observation, actions in zip(seen, chunks, strict=False):
        with torch.no_grad():
            expected = policy(torch.from_numpy(observation["image"]), state)
        torch.testing.assert_close(torch.from_numpy(actions), expected)
        state = torch.from_numpy(actions[-1])
