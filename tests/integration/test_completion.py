"""Completion of the command in bash and zsh offers what --help lists."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cli import COMMAND
from harness import REPO_ROOT, TIMEOUT_S, clean_environment

FOLDER = REPO_ROOT / "packaging/completions"
BASH = """
source "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_tensorferry "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
# What a completion function gives to zsh's own is printed.
ZSH = """
fpath=($1 $fpath); shift
autoload -U _tensorferry
_call_program() { shift; "$@" }
_describe() { print -rl -- "${(@P)2}" }
_arguments() { print -rl -- "$@" }
words=("$@")
CURRENT=$#words
_tensorferry
"""


def run(*command: str | Path, folder: Path | None = None) -> list[str]:
    ran = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    assert ran.stderr == ""
    return ran.stdout.splitlines()


def complete(*words: str, folder: Path | None = None) -> list[str]:
    """What bash offers for the last word."""
    return run("bash", "--norc", "-c", BASH, "bash", FOLDER / "tensorferry.bash", COMMAND, *words, folder=folder)


def zsh(*words: str) -> list[str]:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed: scripts/setup.sh test installs it on Debian")
    return run("zsh", "-f", "-c", ZSH, "zsh", FOLDER, COMMAND, *words)


def commands() -> list[str]:
    listed = "\n".join(run(COMMAND, "--help")).partition("\nSubcommands:\n")[2].partition("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def options(*command: str) -> set[str]:
    found = (re.match(r"  (?:-\w,)?(--[a-z-]+)", line) for line in run(COMMAND, *command, "--help"))
    return {match[1] for match in found if match}


def test_bash_offers_the_commands_and_the_options_of_each() -> None:
    assert {"convert", "bench", "version"} <= set(commands())
    assert complete("") == commands()
    assert set(complete("--")) == options()
    for command in commands():
        assert set(complete(command, "--")) == options(command), command


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["bench", "--mode", ""], ["unary", "stream", "chunks"]),
        (["bench", "--mode", "=", "s"], ["stream"]),
        (["bench", "--arrivals", "p"], ["poisson"]),
        (["ping", "--live", "--se"], ["--server", "--service"]),
        (["convert", "--server", ""], [""]),
        (["models", ""], [""]),
    ],
)
def test_bash_offers_the_values_that_an_option_takes(words: list[str], offered: list[str]) -> None:
    assert complete(*words) == offered


def test_bash_offers_files_that_can_be_read(tmp_path: Path) -> None:
    for name in ("a b.npy", "c.npz", "d.safetensors", "e.txt", "key.pem"):
        (tmp_path / name).touch()
    (tmp_path / "more").mkdir()
    assert set(complete("convert", "", folder=tmp_path)) == {"a b.npy", "c.npz", "d.safetensors", "more"}
    assert complete("convert", "--strict", "a", folder=tmp_path) == ["a b.npy"]
    assert complete("info", "--key", "k", folder=tmp_path) == ["key.pem"]
    assert complete("convert", "-o", "m", folder=tmp_path) == ["more"]
    assert complete("infer", "mlp", "--input", "x", "=", "c", folder=tmp_path) == ["c.npz"]
    assert complete("infer", "mlp", "--input", "x", "=", folder=tmp_path) == complete(
        "info", "--ca", "", folder=tmp_path
    )
    assert complete("infer", "m", folder=tmp_path) == [""]


def test_zsh_offers_the_commands_and_the_options_of_each() -> None:
    offered = zsh("")
    assert [line.partition(":")[0] for line in offered if not line.startswith("-")] == commands()
    for command in commands():
        offered = zsh(command, "--")
        listed = [line.removeprefix("*") for line in offered]  # An option that may be repeated has a star before it.
        assert {re.split(r"[=\[]", line)[0] for line in listed if line.startswith("-")} == options(command), command
        assert ("*:file:" in " ".join(offered)) == (command in ("convert", "inspect"))
    assert "--arrivals=[]:value:(constant poisson)" in zsh("bench", "--")
