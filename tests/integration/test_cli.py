"""`tensorferry convert` as scripts see it: standard output, standard error, exit codes, and the files it writes."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xxhash

import cli
import models
import oracle
from array_layouts import LAYOUTS, Array, random_array
from cli import BAD_FILE, BOOLS, FLOATS, NOT_EQUAL, OK, REFUSED, SWAPPED, USAGE, Run, check_message
from harness import MIB, Server
from npy_files import file_with_header, saved
from proxy import Tamper, cutting, tampering, wrong_data, wrong_digest, wrong_dtype, wrong_shape
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import STRICT, convert_unary, npy_array, request


@pytest.fixture
def x(tmp_path: Path) -> Path:
    return cli.save(tmp_path / "x.npy", SWAPPED)


# These tests convert arrays that are equal.


@pytest.mark.parametrize("dtype", oracle.ALL)
def test_every_dtype_in_every_layout(dtype: str, run: Run, server: Server, tmp_path: Path) -> None:
    """Several files, each a request of its own."""
    arrays = {name: layout(random_array(dtype)) for name, layout in LAYOUTS.items()}
    arrays = {name: a for name, a in arrays.items() if a.dtype.str[0] != ">" or dtype in oracle.FROM_NUMPY}
    files = [cli.save(tmp_path / f"{name}.npy", array) for name, array in arrays.items()]
    named = ["--dtype", dtype] if cli.needs_name(random_array(dtype)) else []
    ran = run("convert", "--json", *files, *named)
    assert (ran.code, ran.stderr) == (OK, "")
    outcomes = ran.json_lines()
    assert len({outcome["request_id"] for outcome in outcomes}) == len(arrays)
    for (name, array), outcome in zip(arrays.items(), outcomes, strict=True):
        cli.check_converted(outcome, server.address, {name: array})


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("numel", [6, 3 * MIB], ids=["one-message", "chunks"])
@pytest.mark.parametrize(("name", "descr"), [("bfloat16", ">V2"), ("complex32", ">W4"), ("complex32", ">V4")])
def test_big_endian_elements_of_a_dtype_that_is_named(
    name: str, descr: str, numel: int, order: str, run: Run, tmp_path: Path
) -> None:
    """The bytes are swapped by hand, pair by pair: complex32 has two halves of two bytes."""
    itemsize = int(descr[2:])
    right = np.frombuffer(oracle.random_bytes(name, numel), np.uint8).reshape(2, numel // 2, itemsize // 2, 2)
    header = f"{{'descr': '{descr}', 'fortran_order': {order == 'F'}, 'shape': (2, {numel // 2})}}"
    in_file = right if order == "C" else right.transpose(1, 0, 2, 3)
    file = tmp_path / "x.npy"
    file.write_bytes(file_with_header(header, np.ascontiguousarray(in_file[..., ::-1]).tobytes()))
    ran = run("convert", file, "--dtype", name, "--json", "-o", tmp_path / "out")
    assert (ran.code, ran.stderr) == (OK, "")
    (tensor,) = ran.json()["tensors"]
    assert (tensor["dtype"], tensor["source_dtype"]) == (name, name)
    assert tensor["adjustments"] == ["BYTE_ORDER_SWAPPED"]
    assert tensor["digest"] == xxhash.xxh3_128(right.tobytes()).hexdigest()
    assert tensor["digest_equal"] and tensor["dtype_equal"]
    assert (tmp_path / "out/x.npy").read_bytes().endswith(right.tobytes())
    (inspected,) = run("inspect", file, "--dtype", name, "--json").json()
    assert (inspected["dtype"], inspected["digest"]) == (name, tensor["digest"])
    strict = run("convert", file, "--dtype", name, "--json", "--strict")
    assert (strict.code, strict.json()["error"]["reason"]) == (REFUSED, "BYTE_ORDER")


def test_bools_other_than_0_and_1(run: Run, server: Server, tmp_path: Path) -> None:
    ran = run("convert", "--json", cli.save(tmp_path / "b.npy", BOOLS))
    cli.check_converted(ran.json(), server.address, {"b": BOOLS})
    assert '"BOOL_NORMALIZED"' in ran.stdout


def test_standard_input(run: Run, server: Server) -> None:
    archive = io.BytesIO()
    np.savez(archive, x=FLOATS)
    for content, name in (saved(FLOATS), "stdin"), (archive.getvalue(), "x"):
        ran = run("convert", "-", "--json", stdin=content)
        assert (ran.code, ran.stderr) == (OK, "")
        cli.check_converted(ran.json(), server.address, {name: FLOATS})


def test_text_says_it_all_on_one_line(x: Path, run: Run) -> None:
    digest = cli.digest_of(cli.expect_file(SWAPPED))
    assert run("convert", x) == (
        OK,
        f"x  >f4 (5, 16)  -> torch.float32  dtype equal  digest equal {digest[:8]}…  swapped\n",
        "",
    )


def test_the_flag_goes_before_the_environment(x: Path, server: Server) -> None:
    assert cli.run("convert", x, "--server", server.address, server="unix:/nowhere").code == OK


@pytest.mark.parametrize("nbytes", [5 * MIB, 70 * MIB], ids=["above-4-MiB", "above-the-message-limit"])
@pytest.mark.parametrize("layout", ["c", "big-endian-fortran"])
def test_files_that_travel_in_chunks(layout: str, nbytes: int, run: Run, server: Server, tmp_path: Path) -> None:
    array = LAYOUTS[layout](random_array("float32", (5, nbytes // 20)))
    ran = run("convert", "--json", cli.save(tmp_path / "x.npy", array), "-o", tmp_path)
    assert (ran.code, ran.stderr) == (OK, "")
    cli.check_converted(ran.json(), server.address, {"x": array})
    assert (tmp_path / "x.npy").read_bytes() == saved(np.ascontiguousarray(array).astype("<f4"))


@pytest.mark.parametrize(("no_color", "verdict"), [("", "\x1b[32mequal\x1b[0m"), ("1", "equal")])
def test_a_terminal_gets_progress_and_colour(no_color: str, verdict: str, server: Server, tmp_path: Path) -> None:
    file = cli.save(tmp_path / "x.npy", np.zeros(70 * MIB, np.uint8))
    shown = cli.run_on_terminal(
        "convert", file, "--server", server.address, environment={"NO_COLOR": no_color, "TERM": "xterm"}
    )
    assert re.search(r"100%  70\.0 MiB of 70\.0 MiB  [\d.]+ [KMG]iB/s  0:00 left", shown)
    assert f"dtype {verdict}  digest {verdict} " in shown.splitlines()[-1]


# These tests save tensors.


@pytest.mark.parametrize("dtype", oracle.ALL)
def test_saved_tensors_are_the_files_that_numpy_writes(dtype: str, run: Run, tmp_path: Path) -> None:
    """Saves members of an archive and files, with elements in C order and little-endian."""
    arrays = {name: LAYOUTS[name](random_array(dtype)) for name in ("c", "fortran", "0-d", "no-elements")}
    np.savez(tmp_path / "in.npz", **arrays)
    named = ["--dtype", dtype] if cli.needs_name(arrays["c"]) else []
    for target in "out.npz", "made/by/it":
        ran = run("convert", tmp_path / "in.npz", "-o", tmp_path / target, *named)
        assert (ran.code, ran.stderr) == (OK, "")
    with zipfile.ZipFile(tmp_path / "out.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    # numpy.load reads neither `<f1` nor every `<W4`, so the file has a void of the size instead.
    expected = {name: saved(np.array(array, order="C")) for name, array in arrays.items()}
    expected = {name: file.replace(b"'<W4'", b"'<V4'").replace(b"'<f1'", b"'<V1'") for name, file in expected.items()}
    assert members == {f"{name}.npy": content for name, content in expected.items()}
    assert {file.name: file.read_bytes() for file in (tmp_path / "made/by/it").iterdir()} == members


@pytest.mark.parametrize("flags", [[], ["--model", "identity"]], ids=["tensors", "outputs"])
@pytest.mark.parametrize("target", ["out.npz", "directory"])
@pytest.mark.parametrize("dtype", oracle.ALL)
def test_numpy_loads_what_is_saved(dtype: str, target: str, flags: list[str], run: Run, tmp_path: Path) -> None:
    """A view of the loaded array makes it the ml_dtypes type again."""
    array = random_array(dtype)
    named = ["--dtype", dtype] if cli.needs_name(array) else []
    assert run("convert", cli.save(tmp_path / "x.npy", array), "-o", tmp_path / target, *flags, *named).code == OK
    loaded = np.load(tmp_path / "out.npz")["x"] if target == "out.npz" else np.load(tmp_path / "directory/x.npy")
    if dtype in oracle.BY_NAME:
        loaded = loaded.view(array.dtype)
    assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)
    assert loaded.tobytes() == array.tobytes()


def test_names_do_not_lead_out_of_the_directory(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", **{"": FLOATS, "a/b": FLOATS, "../up": FLOATS, "/root": FLOATS, "a_b": FLOATS})
    assert run("convert", tmp_path / "in.npz", "-o", tmp_path / "out").code == OK
    assert len(list((tmp_path / "out").iterdir())) == 5
    assert {file.name for file in tmp_path.iterdir()} == {"in.npz", "out"}
    assert run("convert", tmp_path / "in.npz", "-o", tmp_path / "out.npz").code == OK
    assert np.load(tmp_path / "out.npz").files == ["array", "a/b", ".._up", "_root", "a_b"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("models")
    return {**models.save_all(directory), "absent": directory / "absent.pt"}


@pytest.fixture(scope="module")
def model_server(files: dict[str, Path]) -> Iterator[str]:
    flags = [flag for name, file in files.items() for flag in ("--model", f"{name}={file}")]
    with Server("--intra-op-threads", "1", *flags) as running:
        yield running.address


INPUTS = {
    "affine": {"left": FLOATS, "right": FLOATS.T.copy()},
    "moments": {"x": FLOATS},
    "named": {"x": FLOATS},
    "sine": {"x": FLOATS.astype(np.float64)},
}


@pytest.mark.parametrize("target", ["out.npz", "directory"])
@pytest.mark.parametrize("model", INPUTS)
def test_outputs_are_pytorchs(
    model: str, target: str, model_server: str, files: dict[str, Path], tmp_path: Path
) -> None:
    expected = models.run_in_python(files[model], INPUTS[model])
    sources = [cli.save(tmp_path / f"{name}.npy", array) for name, array in INPUTS[model].items()]
    flags = ["--model", model, "--json", "-o", tmp_path / target]
    ran = cli.run("convert", *sources, *flags, server=model_server)
    assert (ran.code, ran.stderr) == (OK, "")
    outcome = ran.json()
    assert (outcome["model"], outcome["model_version"]) == (model, "1")
    assert outcome["tensors"] == [cli.tensor_json(name, cli.expect_file(a)) for name, a in INPUTS[model].items()]
    assert outcome["outputs"] == [cli.output_json(name, cli.expect_file(a)) for name, a in expected.items()]
    assert outcome["timing"]["compute_ns"] > 0
    if target == "directory":
        written = {file.stem: np.load(file) for file in (tmp_path / target).iterdir()}
    else:
        written = dict(np.load(tmp_path / target))
    assert {name: saved(array) for name, array in written.items()} == {n: saved(a) for n, a in expected.items()}


def test_text_of_a_model(model_server: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **INPUTS["affine"])
    ran = cli.run("convert", tmp_path / "x.npz", "--model", "affine", server=model_server)
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["left", "right", "OUTPUT__0"]
    assert ran.stdout.splitlines()[-1].split() == ["OUTPUT__0", "torch.float32", "(5,", "5)", "from", "affine"]


# These tests send what is not converted.


def big(array: Array) -> Array:
    """Above 4 MiB: what would travel in chunks."""
    return np.zeros(5 * MIB // array.itemsize, array.dtype)


REFUSALS: dict[str, tuple[Array, list[str], str]] = {
    "object": (np.array([{}], object), [], "OBJECT_DTYPE"),
    "no-torch-dtype": (np.zeros(3, "M8[D]"), [], "UNSUPPORTED_DTYPE"),
    "large-without-torch-dtype": (big(np.zeros(3, "M8[D]")), [], "UNSUPPORTED_DTYPE"),
    "structured": (np.zeros(3, [("a", "<f4")]), [], "UNSUPPORTED_DTYPE"),
    "void": (random_array("bfloat16"), [], "AMBIGUOUS_DTYPE"),
    "large-void": (big(random_array("bfloat16")), [], "AMBIGUOUS_DTYPE"),
    "void-of-another-size": (random_array("bfloat16"), ["--dtype", "float8_e4m3fn"], "CONFLICTING_FIELDS"),
    "dtype-against-the-file": (FLOATS, ["--dtype", "bfloat16"], "CONFLICTING_FIELDS"),
    "unknown-dtype": (random_array("bfloat16"), ["--dtype", "bfloat17"], "CONFLICTING_FIELDS"),
    "strict-byte-order": (SWAPPED, ["--strict"], "BYTE_ORDER"),
    "large-strict-byte-order": (big(SWAPPED), ["--strict"], "BYTE_ORDER"),
    "strict-dtype": (random_array("bfloat16"), ["--strict", "--dtype", "bfloat16"], "UNSUPPORTED_DTYPE"),
    "strict-bools": (BOOLS, ["--strict"], "BOOL_RANGE"),
    "model": (FLOATS, ["--model", "no-such"], "MODEL_NOT_FOUND"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_the_servers(case: str, run: Run, stub: TensorServiceStub, tmp_path: Path) -> None:
    array, flags, reason = REFUSALS[case]
    file = cli.save(tmp_path / "x.npy", array)
    given = dict(zip(flags, [*flags[1:], ""], strict=False))
    sent = npy_array(file.read_bytes(), dtype=given.get("--dtype", ""))
    fidelity = STRICT if "--strict" in flags else pb.FIDELITY_UNSPECIFIED
    refusal = convert_unary(stub, request(sent, fidelity=fidelity, model_name=given.get("--model", ""))).refusal
    assert refusal is not None
    assert refusal.reason == reason

    ran = run("convert", file, *flags, "--json")
    assert ran.code == REFUSED
    assert ran.json()["error"] == {
        "code": refusal.code.name,
        "reason": reason,
        "message": refusal.message,
        "metadata": refusal.metadata,
    }
    check_message(ran, reason, refusal.message)
    assert run("convert", file, *flags) == (REFUSED, "", ran.stderr)


def test_a_name_goes_to_those_of_several_files_that_need_it(run: Run, server: Server, tmp_path: Path) -> None:
    files = {"plain": FLOATS, "void": random_array("bfloat16"), "other": np.arange(3)}
    paths = [cli.save(tmp_path / f"{name}.npy", array) for name, array in files.items()]
    ran = run("convert", *paths, "--dtype", "bfloat16", "--json")
    assert (ran.code, ran.stderr) == (OK, "")
    for outcome, (name, array) in zip(ran.json_lines(), files.items(), strict=True):
        cli.check_converted(outcome, server.address, {name: array})
    assert len(run("inspect", *paths, "--dtype", "bfloat16", "--json").json()) == 3


@pytest.mark.parametrize("dtype", oracle.ALL)
def test_a_name_may_repeat_what_the_file_says(dtype: str, run: Run, server: Server, tmp_path: Path) -> None:
    array = random_array(dtype)
    file = cli.save(tmp_path / "x.npy", array)
    for command in "convert", "inspect":
        ran = run(command, file, "--dtype", dtype, "--json")
        assert (ran.code, ran.stderr) == (OK, "")
    cli.check_converted(run("convert", file, "--dtype", dtype, "--json").json(), server.address, {"x": array})


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("model", ["", "identity"])
def test_a_file_that_shrinks_while_it_is_sent(model: str, suffix: str, server: Server, tmp_path: Path) -> None:
    """The server cuts the file off when it has received the first chunk: the rest is not to be had."""
    file = tmp_path / f"x.{suffix}"
    array = np.arange(10 * MIB, dtype="<f4")
    if suffix == "npy":
        np.save(file, array)
    else:
        np.savez(file, x=array, y=array)
    with cutting(server.address, file) as address:
        ran = cli.run("convert", file, "--json", *(["--model", model] if model else []), server=address)
    assert ran.code == BAD_FILE
    check_message(ran, str(file), "became smaller")
    assert "became smaller" in ran.json()["error"]["message"]


def test_names_cannot_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    ran = run("convert", cli.save(tmp_path / "x\x1b[2J\n.npy", FLOATS))
    assert (ran.code, ran.stdout) == (REFUSED, "")
    check_message(ran, "BAD_NAME")
    assert "\x1b" not in ran.stderr


def test_broken_npy_files_are_the_servers_to_refuse(run: Run, tmp_path: Path) -> None:
    for content, reason in (saved(FLOATS)[:-1], "SIZE_MISMATCH"), (saved(FLOATS) + b"!", "TRAILING_BYTES"):
        (tmp_path / "x.npy").write_bytes(content)
        check_message(run("convert", tmp_path / "x.npy"), reason)
        assert run("convert", tmp_path / "x.npy").code == REFUSED


def damaged_archive() -> bytes:
    archive = io.BytesIO()
    np.savez(archive, x=FLOATS)
    return archive.getvalue().replace(FLOATS.tobytes()[:16], bytes(16))


UNREADABLE = {
    "text": b"1 2 3 4\n",
    "empty": b"",
    "half-an-archive": damaged_archive()[:200],
    "archive-with-a-wrong-checksum": damaged_archive(),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_unreadable_files(content: bytes, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    file.write_bytes(content)
    ran = run("convert", file)
    assert (ran.code, ran.stdout) == (BAD_FILE, "")
    check_message(ran, str(file))
    assert run("convert", file, "--json").json()["error"]["reason"] == ""
    assert run("convert", "-", stdin=content).code == BAD_FILE
    assert run("inspect", file) == (BAD_FILE, "", ran.stderr)


def test_files_that_are_not_there(run: Run, tmp_path: Path) -> None:
    for path in tmp_path / "none.npy", tmp_path:
        ran = run("convert", path)
        assert (ran.code, ran.stdout) == (BAD_FILE, "")
        check_message(ran, str(path))
        assert ran.stderr.count(str(path)) == 1
    with_certificate = run("ping", "--ca", tmp_path / "none.pem")
    assert (with_certificate.code, with_certificate.stderr.count("none.pem")) == (USAGE, 1)


def test_a_bad_file_costs_the_others_nothing(x: Path, run: Run, server: Server, tmp_path: Path) -> None:
    refused = cli.save(tmp_path / "refused.npy", np.array([None], object))
    ran = run("convert", "--json", x, refused, tmp_path / "none.npy", x)
    assert ran.code == REFUSED, "not the first failure's"
    first, second, third, fourth = ran.json_lines()
    cli.check_converted(first, server.address, {"x": SWAPPED})
    cli.check_converted(fourth, server.address, {"x": SWAPPED})
    assert [outcome["error"]["reason"] for outcome in (second, third)] == ["OBJECT_DTYPE", ""]
    assert [len(outcome["refused"]) for outcome in (second, third)] == [1, 0]


@pytest.mark.parametrize("shape", [(2, 3), (3, 2 * MIB)], ids=["one-message", "chunks"])
@pytest.mark.parametrize("tamper", [wrong_digest, wrong_dtype, wrong_shape])
def test_a_tensor_that_is_not_the_array(tamper: Tamper, shape: tuple[int, ...], server: Server, tmp_path: Path) -> None:
    file = cli.save(tmp_path / "x.npy", random_array("uint8", shape))
    with tampering(server.address, tamper) as address:
        text = cli.run("convert", file, server=address)
        (tensor,) = cli.run("convert", file, "--json", server=address).json()["tensors"]
    assert text.code == NOT_EQUAL
    check_message(text, str(file))
    assert f"{tamper.__name__.removeprefix('wrong_')} DIFFERENT" in text.stdout
    assert (tensor["dtype_equal"], tensor["digest_equal"]) == (tamper != wrong_dtype, tamper != wrong_digest)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2 * MIB)], ids=["one-message", "chunks"])
def test_what_is_saved_is_verified_too(shape: tuple[int, ...], server: Server, tmp_path: Path) -> None:
    file = cli.save(tmp_path / "x.npy", random_array("uint8", shape))
    with tampering(server.address, wrong_data) as address:
        assert cli.run("convert", file, server=address).code == OK
        saving = cli.run("convert", file, "-o", tmp_path / "out.npz", server=address)
    assert saving.code == NOT_EQUAL
    assert "digest DIFFERENT" in saving.stdout
