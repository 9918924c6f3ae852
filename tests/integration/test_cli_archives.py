"""`tensorferry convert` and `inspect` on archives of any writer: what is an array, and what one costs the others."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xxhash

import cli
from array_layouts import random_array
from cli import BAD_FILE, BOOLS, FLOATS, NOT_EQUAL, OK, REFUSED, SWAPPED, Run, check_message
from harness import MIB, Server, clean_environment
from npy_files import saved
from proxy import tampering, wrong_digest

MEMBERS = {
    "": FLOATS,
    "a/b": SWAPPED,
    "../up": BOOLS,
    "ünïcode →": random_array("complex64"),
    "0-d": np.array(1.5),
    "void": random_array("bfloat16"),
    "nothing": np.zeros((0, 2), "<i2"),
}


@pytest.mark.parametrize("savez", [np.savez, np.savez_compressed])
def test_members_of_any_name(savez: Callable[..., None], run: Run, server: Server, tmp_path: Path) -> None:
    """`--dtype` is said of the only member that needs it."""
    savez(tmp_path / "x.npz", **MEMBERS)
    ran = run("convert", "--json", tmp_path / "x.npz", "--dtype", "bfloat16")
    assert (ran.code, ran.stderr) == (OK, "")
    cli.check_converted(ran.json(), server.address, MEMBERS)


def test_members_that_are_no_arrays_are_skipped_aloud(run: Run, server: Server, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=FLOATS)
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("README.txt", "not an array")
    ran = run("convert", "--json", tmp_path / "x.npz")
    check_message(ran, "README.txt")
    cli.check_converted(ran.json(), server.address, {"x": FLOATS}, skipped=("README.txt",))
    assert ran.code == OK


# Each case is a member of an archive: its name, and whether numpy.load finds an array under it.
FOREIGN_MEMBERS = {"w": True, "w.bin": True, "a/b.npy": True, ".npy": True, "x.npy.bak": True, "README.txt": False}
FOREIGN_MEMBERS |= {"text.npy": False, "folder/": False, "empty.npy": False}


def foreign_archive(*names: str) -> bytes:
    """An archive as other programs than NumPy write it: members of any name."""
    content = {True: saved(FLOATS), False: b"not an array"}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name in names:
            target.writestr(name, b"" if name in {"folder/", "empty.npy"} else content[FOREIGN_MEMBERS[name]])
    loaded = np.load(io.BytesIO(archive.getvalue()), allow_pickle=False)
    assert [isinstance(loaded[name], np.ndarray) for name in loaded] == [FOREIGN_MEMBERS[name] for name in names]
    return archive.getvalue()


@pytest.mark.parametrize("member", [name for name, is_array in FOREIGN_MEMBERS.items() if is_array])
def test_a_member_is_an_array_by_its_content(member: str, run: Run, server: Server) -> None:
    ran = run("convert", "-", "--json", stdin=foreign_archive(member))
    assert (ran.code, ran.stderr) == (OK, "")
    cli.check_converted(ran.json(), server.address, {member.removesuffix(".npy"): FLOATS})
    (inspected,) = run("inspect", "-", "--json", stdin=foreign_archive(member)).json()
    assert inspected["name"] == member.removesuffix(".npy")


def test_members_of_any_name_go_to_a_model(run: Run) -> None:
    ran = run("convert", "-", "--json", "--model", "identity", stdin=foreign_archive("w", "README.txt", "w.bin"))
    assert ran.code == OK
    assert [output["name"] for output in ran.json()["outputs"]] == ["w", "w.bin"]
    assert ran.json()["skipped"] == ["README.txt"]


@pytest.mark.parametrize("flags", [[], ["-o", "out"], ["--model", "identity"]], ids=["plain", "saved", "model"])
@pytest.mark.parametrize("members", [["README.txt"], ["text.npy", "folder/", "empty.npy"]], ids=["text", "npy"])
def test_an_archive_without_an_array_is_no_success(
    members: list[str], flags: list[str], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("convert", "-", "--json", *flags, stdin=foreign_archive(*members))
    assert ran.code == BAD_FILE
    assert (ran.json()["tensors"], ran.json()["skipped"]) == ([], members)
    assert f"none of its {len(members)} members" in ran.json()["error"]["message"]
    inspected = run("inspect", "-", "--json", stdin=foreign_archive(*members))
    assert inspected.code == BAD_FILE
    assert inspected.json() == [{"name": name, "skipped": True} for name in members]


def test_an_archive_without_members_is_empty(run: Run, server: Server, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz")
    ran = run("convert", "--json", tmp_path / "x.npz")
    assert (ran.code, ran.stderr) == (OK, "")
    cli.check_converted(ran.json(), server.address, {})
    for command in ("convert", "inspect"):
        shown = run(command, tmp_path / "x.npz")
        assert (shown.code, shown.stdout, shown.stderr) == (OK, f"{tmp_path / 'x.npz'}: no arrays\n", "")


# Each case has the content of a member that cannot be a tensor, and the reason; empty if the client cannot read it.
BAD_MEMBERS = {
    "object": (saved(np.array([{}], object), allow_pickle=True), "OBJECT_DTYPE"),
    "bytes": (saved(np.array([b"csr"])), "UNSUPPORTED_DTYPE"),
    "structured": (saved(np.zeros(3, [("a", "<f4")])), "UNSUPPORTED_DTYPE"),
    "short": (saved(FLOATS)[:-1], "SIZE_MISMATCH"),
    "long": (saved(FLOATS) + b"!", "TRAILING_BYTES"),
    "header": (saved(FLOATS)[:20], "BAD_HEADER"),
    "damaged": (saved(np.full(99, 7.25)), ""),
}


def archive_with(members: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for name, content in members.items():
            target.writestr(f"{name}.npy", content)
    return archive.getvalue().replace(np.full(99, 7.25).tobytes(), bytes(8 * 99))


@pytest.mark.parametrize("bad_first", [True, False], ids=["bad-first", "good-first"])
@pytest.mark.parametrize("bad", BAD_MEMBERS)
def test_what_one_member_cannot_do_costs_the_others_nothing(
    bad: str, bad_first: bool, run: Run, server: Server, tmp_path: Path
) -> None:
    content, reason = BAD_MEMBERS[bad]
    good = {"good": saved(FLOATS), "better": saved(SWAPPED)}
    file = tmp_path / "x.npz"
    file.write_bytes(archive_with({"bad": content, **good} if bad_first else {**good, "bad": content}))
    ran = run("convert", file, "--json", "-o", tmp_path / "out")
    assert ran.code == REFUSED
    check_message(ran, str(file), "bad", reason)
    outcome = ran.json()
    assert "error" not in outcome
    (refused,) = outcome.pop("refused")
    assert (refused["file"], refused["name"], refused["error"]["reason"]) == (str(file), "bad", reason)
    cli.check_converted({**outcome, "refused": []}, server.address, {"good": FLOATS, "better": SWAPPED})
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good.npy", "better.npy"}
    text = run("convert", file)
    assert (text.code, text.stderr) == (REFUSED, ran.stderr)
    assert [line.split()[0] for line in text.stdout.splitlines()] == ["good", "better"]


def test_a_model_names_every_array_that_it_cannot_take(run: Run, tmp_path: Path) -> None:
    members = {"a": BAD_MEMBERS["bytes"][0], "good": saved(FLOATS), "b": BAD_MEMBERS["short"][0]}
    (tmp_path / "x.npz").write_bytes(archive_with(members))
    ran = run("convert", tmp_path / "x.npz", "--model", "identity", "--json")
    assert (ran.code, ran.json()["tensors"]) == (REFUSED, [])
    assert ran.json()["error"]["metadata"]["array"] == "a"
    reasons = {entry["name"]: entry["error"]["reason"] for entry in ran.json()["refused"]}
    assert reasons == {"a": "UNSUPPORTED_DTYPE", "b": "SIZE_MISMATCH"}
    assert [line.count("array 'a'") for line in ran.stderr.splitlines()] == [1, 0]


@pytest.mark.parametrize("count", [4096, 4097, 9000])
def test_a_file_has_more_arrays_than_a_request(count: int, run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", **{f"l{i}": np.full(1, i, "<i4") for i in range(count)})
    ran = run("convert", tmp_path / "m.npz", "--json")
    assert (ran.code, ran.stderr) == (OK, "")
    tensors = ran.json()["tensors"]
    digests = [xxhash.xxh3_128(np.int32(i).tobytes()).hexdigest() for i in range(count)]
    assert [tensor["digest"] for tensor in tensors] == digests
    assert all(tensor["digest_equal"] and tensor["dtype_equal"] for tensor in tensors)


def test_a_tensor_that_differs_goes_before_a_refusal(server: Server, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=FLOATS, bad=np.array([b"x"]), c=FLOATS)
    with tampering(server.address, wrong_digest) as address:
        ran = cli.run("convert", tmp_path / "x.npz", "--json", server=address)
    assert ran.code == NOT_EQUAL
    assert [tensor["digest_equal"] for tensor in ran.json()["tensors"]] == [False, False]
    assert [entry["name"] for entry in ran.json()["refused"]] == ["bad"]


def peak_bytes(*words: str | Path, server: str) -> int:
    """The most memory that a run of the command had."""
    environment = clean_environment({"TENSORFERRY_SERVER": server})
    process = subprocess.Popen([cli.COMMAND, *words], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == OK
    return usage.ru_maxrss * 1024


@pytest.mark.parametrize("command", ["convert", "inspect"])
def test_an_archive_takes_the_memory_of_its_largest_member(command: str, server: Server, tmp_path: Path) -> None:
    member = np.zeros(32 * MIB, np.uint8)
    np.savez_compressed(tmp_path / "one.npz", x=member)
    np.savez_compressed(tmp_path / "eight.npz", **{f"x{i}": member for i in range(8)})
    one = peak_bytes(command, tmp_path / "one.npz", server=server.address)
    assert one > member.nbytes
    assert peak_bytes(command, tmp_path / "eight.npz", server=server.address) < one + 1.5 * member.nbytes
