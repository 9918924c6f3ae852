"""A robot asks a policy on a server for actions: robot_policy.py [PROGRAM]

Camera and joints go up, and a chunk of actions comes down. What travels are arrays, never pickled objects:
who answers a robot, or listens to one, cannot run code in the other. A picture of 6 MiB goes up in chunks.
While the robot carries out one chunk of actions, the next is computed.
PROGRAM is a tensorferry-server; by default the installed one.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

import tensorferry

JOINTS = 6
ACTIONS = 16  # Actions of one chunk.
CAMERA = (1080, 1920, 3)


class Policy(torch.nn.Module):
    """Stands for a trained one: from a picture and the angles of the joints to those of the next steps."""

    def __init__(self) -> None:
        super().__init__()
        self.see = torch.nn.Sequential(
            torch.nn.AdaptiveAvgPool2d(8), torch.nn.Flatten(0), torch.nn.Linear(192, 32)
        )
        self.act = torch.nn.Linear(32 + JOINTS, ACTIONS * JOINTS)

    def forward(self, image: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        seen = self.see(image.permute(2, 0, 1).to(torch.float32) / 255)
        change = self.act(torch.cat([seen, state])).reshape(ACTIONS, JOINTS)
        return state + torch.cumsum(0.01 * torch.tanh(change), dim=0)


class Robot:
    """Stands for a real one: it follows actions, and sees noise."""

    def __init__(self) -> None:
        self.joints = np.zeros(JOINTS, np.float32)
        self._eye = np.random.default_rng(0)

    def observe(self) -> dict[str, npt.NDArray[np.generic]]:
        return {"image": self._eye.integers(0, 256, CAMERA, np.uint8), "state": self.joints.copy()}

    def follow(self, actions: npt.NDArray[np.float32]) -> None:
        for action in actions:
            self.joints[:] = action


def save(policy: Policy, models: Path) -> None:
    """Writes the policy into a model repository."""
    example = [torch.zeros(CAMERA, dtype=torch.uint8), torch.zeros(JOINTS)]
    tensorferry.export(policy, example, models / "policy", format="torchscript")


def control(client: tensorferry.Client, robot: Robot, chunks: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yields the actions of each chunk, after the robot has followed them."""

    def ask(observation: dict[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.float32]:
        (actions,) = client.infer("policy", observation, timeout=5).values()
        return actions

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(ask, robot.observe())
        for _ in range(chunks):
            actions = coming.result()
            coming = thread.submit(
                ask, {**robot.observe(), "state": actions[-1]}
            )  # Where the robot will be by then.
            robot.follow(actions)
            yield actions


def main(program: str | None = None) -> None:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as models:
        save(Policy(), Path(models))
        with tensorferry.Server(models, program=program) as address, tensorferry.Client(address) as client:
            for number, actions in enumerate(control(client, Robot(), chunks=3)):
                joints = actions[-1].round(2).tolist()
                print(f"chunk {number}: {len(actions)} actions, then the joints are at {joints}")


if __name__ == "__main__":
    main(*sys.argv[1:])
