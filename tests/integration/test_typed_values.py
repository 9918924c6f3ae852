"""What people type means the same to the server and to the command: sizes, times, addresses, mistyped words."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

import cli
from cli import OK, UNREACHABLE, USAGE
from harness import Server, run_to_exit

# Each case has a text, what --print-config makes of it, and bytes.
SIZES = {
    "1024": ("1KiB", 1 << 10),
    "65536B": ("64KiB", 1 << 16),
    "64KiB": ("64KiB", 1 << 16),
    "1536": ("1536B", 1536),
    "1MiB": ("1MiB", 1 << 20),
}
TIMES = {"20ms": ("20ms", 0.02), "1500ms": ("1500ms", 1.5), "1s": ("1s", 1.0), "0m": ("0s", 0.0), "0s": ("0s", 0.0)}
LONG_TIMES = {"60s": "1m", "1h": "1h", "60m": "1h", "24h": "24h"}

# Each case has a text that neither program takes, and the text to write instead; empty if nobody knows.
NO_SIZES = {"10GB": "10GiB", "10g": "10GiB", "64 MiB": "64MiB", "64mib": "64MiB", "2TB": "2048GiB", "1.5GiB": ""}
NO_SIZES |= {"": "", "-1": "", "ten": "", "0x400": "", "99999999999999999999": ""}
NO_TIMES = {"30": "30s", "30 s": "30s", "30S": "30s", "5min": "5m", "2hours": "2h", "1d": "24h", "1.5s": "", "": ""}
NO_TIMES |= {"-1s": "", "soon": "", "1us": ""}

ADDRESSES = ["127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/run/none", "unix:a b"]
NO_ADDRESSES = ["", "localhost", "localhost:", "localhost:http", "localhost:65536", "::1:1", "http://a:1", "unix:"]
NO_ADDRESSES += ["unix:" + "p" * 108, "a b:1", "[::1]"]


def printed(*flags: str) -> dict[str, Any]:
    ran = run_to_exit(*flags, "--print-config")
    assert ran.returncode == OK, ran.stderr
    return tomllib.loads(ran.stdout)


def bench(server: Server, *, size: str = "1KiB", warmup: str = "0s") -> dict[str, Any]:
    flags = ["--size", size, "--warmup", warmup, "--duration", "1ms"]
    ran = cli.run("bench", "--json", *flags, server=server.address)
    assert (ran.code, ran.stderr) == (OK, "")
    return ran.json()


@pytest.mark.parametrize("text", SIZES)
def test_sizes(text: str, server: Server) -> None:
    canonical, nbytes = SIZES[text]
    assert printed("--max-tensor-bytes", text)["max-tensor-bytes"] == canonical
    assert [size["nbytes"] for size in bench(server, size=text)["sizes"]] == [nbytes]


@pytest.mark.parametrize("text", TIMES)
def test_times(text: str, server: Server) -> None:
    canonical, seconds = TIMES[text]
    assert printed("--drain-grace", text)["drain-grace"] == canonical
    assert bench(server, warmup=text)["warmup_s"] == seconds


@pytest.mark.parametrize("text", LONG_TIMES)
def test_long_times(text: str, server: Server) -> None:
    assert printed("--drain-grace", text)["drain-grace"] == LONG_TIMES[text]
    assert cli.run("ping", "--timeout", text, server=server.address).code == OK


def check_refused(stderr: str, text: str, meant: str) -> None:
    assert "expected a " in stderr
    assert f"got '{text}'" in stderr
    assert (f"; write {meant}" in stderr) if meant else ("write" not in stderr)


@pytest.mark.parametrize("text", NO_SIZES)
def test_what_is_no_size_is_told_what_to_write(text: str) -> None:
    flag = run_to_exit(f"--memory-budget={text}", "--print-config")
    assert flag.returncode == USAGE
    check_refused(flag.stderr, text, NO_SIZES[text])
    if text:  # `--size=` asks for the default.
        option = cli.run("bench", f"--size={text}")
        assert option.code == USAGE
        check_refused(option.stderr, text, NO_SIZES[text])


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_told_what_to_write(text: str) -> None:
    flag = run_to_exit(f"--drain-delay={text}", "--print-config")
    assert flag.returncode == USAGE
    check_refused(flag.stderr, text, NO_TIMES[text])
    option = cli.run("bench", "--duration", text)
    assert option.code == USAGE
    check_refused(option.stderr, text, NO_TIMES[text])


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses(text: str) -> None:
    assert text in printed("--listen", text)["listen"]
    assert cli.run("ping", "--timeout", "10s", "--server", text).code == UNREACHABLE


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address(text: str) -> None:
    assert run_to_exit("--listen", text, "--print-config").returncode == USAGE
    if text:  # An empty --server is the default.
        assert cli.run("ping", "--server", text).code == USAGE


@pytest.mark.parametrize("name", [".", "..", "a/b", "../m", "", "m" * 129, "ü"])
def test_names_of_models_are_plain_file_names(name: str) -> None:
    assert run_to_exit("--model", f"{name}=m.pt", "--print-config").returncode == USAGE


def test_mistyped_words_get_the_nearest_only_if_one_is_near() -> None:
    for word, advice in ("--thread", "--threads"), ("--foo", "--help"):
        assert advice in run_to_exit(word).stderr
    for word, advice in ("--timeot", "--timeout"), ("--foo", "--help"):
        assert advice in cli.run("ping", word).stderr
