"""The page in a real Chromium: every function of it, by pointer and by keyboard, in light and dark, on a phone too.

page/walks.mjs walks, and what it has seen is compared here with NumPy, PyTorch and what the server says elsewhere.
"""

from __future__ import annotations

import itertools
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import xxhash

import models
from admin import ask
from harness import TIMEOUT_S, Server
from metrics import Scrape, families_of
from tensorferry import Client, TensorferryError
from test_node import NODE_MODULES
from test_page_snippets import check_cpp, printed_by
from test_tokens import TOKENS, write_tokens

PROGRAM = Path(__file__).parent / "page/browser.mjs"
CHROMIUM = os.environ.get("TENSORFERRY_CHROMIUM", "/usr/bin/chromium-headless-shell")
MOST_BYTES_OF_FIRST_PAINT = 100_000


def browse(name: str, url: str, **asked: Any) -> dict[str, Any]:
    """What a walk saw, with what the page complained of, and which other hosts it asked."""
    done = subprocess.run(
        ["node", str(PROGRAM), name, json.dumps({"url": url, **asked}, default=str)],
        env={**os.environ, "TENSORFERRY_NODE_MODULES": str(NODE_MODULES), "TENSORFERRY_CHROMIUM": CHROMIUM},
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def walk(server: Server, name: str, **asked: Any) -> dict[str, Any]:
    """What the walk saw. None may have the page complain, or ask another host."""
    seen = browse(name, f"http://{server.http}/", **asked)
    assert (seen.pop("complaints"), seen.pop("others")) == ([], [])
    return seen


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    files = models.save_all(tmp_path_factory.mktemp("models"))
    for name in ("affine", "perceptron"):
        files[name].rename(folder / f"{name}.pt")
    (folder / "broken.pt").write_bytes(b"no model")
    return folder


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[Server]:
    flags = ["--http-listen", "127.0.0.1:0", "--model-dir", str(repository), "--model-control", "explicit"]
    with Server(*flags) as running:
        yield running
        assert running.alive(), running.log()


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, np.ndarray]:
    arrays = {
        "left": np.array([[1, 2], [3, 4]], np.float32),
        "right": np.array([[0.5, -1], [2, 1e-3]], np.float32),
        "features": np.linspace(-1, 1, 32, dtype=np.float32).reshape(2, 16),
    }
    np.savez(tmp_path / "inputs.npz", **arrays)
    return arrays


def png_of(pixels: np.ndarray) -> bytes:
    """An image of red, green and blue, eight bits each, as the PNG specification has it."""
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_the_overview_shows_models_figures_and_refusals(server: Server) -> None:
    with Client(server.address) as client:
        client.convert(np.zeros(3))
        with pytest.raises(TensorferryError):
            client.infer("nothing", {"x": np.zeros(3)})
    seen = walk(server, "overview")
    assert {row[0]: row[2].split()[1] for row in seen["models"]} == {
        "affine": "ready",
        "broken": "unavailable",
        "identity": "ready",
        "perceptron": "ready",
    }
    assert ["MODEL_NOT_FOUND", "there is no model 'nothing'", "nothing", "Convert"] in [
        row[1:5] for row in seen["refusals"]
    ]
    assert {"Requests/s", "p50, last minute", "p99, last minute", "Waiting for a model", "In flight"} < set(
        seen["tiles"]
    )
    assert "up to" in seen["latency"]
    assert (seen["state"], seen["title"]) == ("✓ ready", "Overview · tensorferry")
    assert seen["footer"].startswith("tensorferry ")


def scrape_text(start: int, requests: int, memory: int) -> str:
    labels = 'grpc_method="Convert",grpc_code="OK"'
    buckets = [f'grpc_server_handling_seconds_bucket{{{labels},le="{le}"}} {requests}' for le in ("0.001", "+Inf")]
    rest = (f"process_start_time_seconds {start}", f"tensorferry_inflight_bytes {memory}")
    return "\n".join([*buckets, *rest, "tensorferry_budget_bytes 1024", ""])


def test_figures_begin_anew_with_another_server(server: Server) -> None:
    """Where one has taken the place of another its requests are no less than none; one that is gone is told of once."""
    texts = [scrape_text(1, 10, 0), scrape_text(1, 310, 1), scrape_text(2, 5, 2)]
    seen = browse("scrapes", f"http://{server.http}/", texts=texts, memory=["0 B", "1 B", "2 B"])
    first, second, third = seen["seen"]
    assert first[:3] == third[:3] == ["–", "–", "–"]
    assert float(second[0]) > 0 and second[1].endswith("µs")
    assert seen["first"] == "yes"


def test_the_first_paint_needs_few_bytes(server: Server) -> None:
    sizes = walk(server, "firstPaint")["sizes"]
    assert {"/", "/page/app.js", "/page/page.css", "/page/overview.js"} < set(sizes)
    assert sum(sizes.values()) < MOST_BYTES_OF_FIRST_PAINT


def buckets_of(server: Server, model: str) -> list[float]:
    """How many requests each bucket of a model's latencies holds, without those that hold none."""
    scraped = Scrape.of(families_of(ask(str(server.http), "/metrics").body.decode()))
    buckets = scraped.named("tensorferry_model_answered_seconds_bucket")
    counts = sorted((float(labels["le"]), count) for labels, count in buckets if labels["model"] == model)
    upto = [0.0, *(count for _, count in counts)]
    return [after - before for before, after in itertools.pairwise(upto) if after > before]


def test_the_page_of_a_model(server: Server, inputs: dict[str, np.ndarray]) -> None:
    """It is unloaded and loaded again there, too."""
    with Client(server.address) as client:
        for _ in range(3):
            client.infer("affine", {name: inputs[name] for name in ("left", "right")})
    counts = buckets_of(server, "affine")
    values = [{"name": name, "datatype": "FP32", "shape": [1, 1], "data": [1]} for name in ("left", "right")]
    seen = walk(server, "model", model="affine", request={"inputs": values})
    assert seen["status"] == 200  # The figures count on after the model was loaded anew.
    assert [float(row[1]) for row in seen["times"]] == counts and sum(counts) >= 3
    assert seen["times"][-1][2] == "100.0 %"
    assert all(f"{row[0]}: {row[1]}" in seen["latency"] for row in seen["times"])
    assert seen["focused"] == "affine"
    assert [row[0] for row in seen["inputs"]] == ["left", "right"]
    assert [row[0] for row in seen["outputs"]] == ["OUTPUT__0"]
    assert [row[0] for row in seen["stages"]][2] == "Running the model"
    assert seen["config"]["name"] == "affine"


def test_a_model_runs_on_the_arrays_of_a_file(
    server: Server, repository: Path, inputs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """Its inputs are the arrays of the same names, and the numbers that are shown read as its outputs."""
    for model, names in (("affine", ["left", "right"]), ("perceptron", ["features"])):
        given = {name: inputs[name] for name in names}
        (expected,) = models.run_in_python(repository / f"{model}.pt", given).values()
        seen = walk(server, "runModel", model=model, file=tmp_path / "inputs.npz")
        assert seen["problem"] == []
        (output,) = seen["outputs"]
        shown = np.array([row[1:] for row in output["cells"]], np.float32)
        assert np.array_equal(shown, expected), model
        for code in ("python", "curl", "cpp"):
            assert model in seen[code] and all(name in seen[code] for name in names)
    assert seen["shown"] == "canvas"


def receipt_files(folder: Path) -> dict[Path, tuple[np.ndarray, str, str]]:
    """Files, each with its array, the dtype that is chosen for it, and what the server has to change."""
    values = np.arange(6).reshape(2, 3)
    order, brain = values.astype(">i2", order="F"), values.astype(ml_dtypes.bfloat16)
    np.save(folder / "order.npy", order)
    np.save(folder / "open.npy", brain)
    np.savez_compressed(folder / "w.npz", w=values.astype("<c16"))
    np.save(folder / "bits.npy", brain)
    safetensors.numpy.save_file({"w": brain}, folder / "w.safetensors")
    safetensors.numpy.save_file({"w": values.astype("<f4")}, folder / "f32.safetensors")
    return {
        folder / "order.npy": (order, "", "the byte order was changed"),
        folder / "open.npy": (brain, "bfloat16", "nothing"),
        folder / "w.npz": (values.astype("<c16"), "", "nothing"),
        folder / "w.safetensors": (brain, "", "nothing"),
        folder / "f32.safetensors": (values.astype("<f4"), "", "nothing"),
        folder / "bits.npy": (brain.view(np.int16), "int16", "nothing"),
    }


def test_receipts_are_compared_with_the_files(server: Server, tmp_path: Path) -> None:
    """The digests are those that xxhash computes, too."""
    files = receipt_files(tmp_path)
    receipts = walk(server, "receipts", files=[(file, chosen) for file, (_, chosen, _) in files.items()])["seen"]
    for (file, (array, _, changed)), receipt in zip(files.items(), receipts, strict=True):
        little = array.astype(array.dtype.newbyteorder("<"))
        digest = xxhash.xxh3_128(little.tobytes("C")).hexdigest()
        facts = receipt["facts"]
        assert facts["Digest of the server"] == facts["Digest of this browser"] == digest, file
        assert (facts["Tensor"], facts["Changed"]) == (f"torch.{array.dtype.name}", changed)
        assert receipt["marks"] == ["✓ dtype equal", "✓ shape equal", "✓ bits equal"]
        assert facts["Strides"] == ("(1, 2)" if file.name == "order.npy" else "(3, 1)")


def test_the_code_of_an_example_works_as_it_was_copied(server: Server, tmp_path: Path) -> None:
    seen = walk(server, "example", example="Times table", folder=tmp_path, grpc=server.address)
    array = np.load(tmp_path / seen["file"])
    assert (seen["array"]["Stated as"], seen["array"]["Shape"]) == (array.dtype.str, str(array.shape))
    done = subprocess.run(
        [sys.executable, "-c", seen["copied"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.stdout == f"torch.{array.dtype.name}, bits equal: True\n", seen["copied"] + done.stderr


def copied_code(server: Server, file: Path, model: str = "", layout: tuple[str, ...] = ()) -> dict[str, Any]:
    return walk(server, "snippets", file=file, model=model, layout=layout, grpc=server.address)


def test_the_code_for_an_image_works_as_it_was_copied(server: Server, tmp_path: Path) -> None:
    """Pillow reads the pixels that the browser has read."""
    pixels = np.random.default_rng(2).integers(0, 256, (5, 7, 3), np.uint8)
    (tmp_path / "photo.png").write_bytes(png_of(pixels))
    seen = copied_code(server, tmp_path / "photo.png")
    assert printed_by([sys.executable, "-c", seen["python"]], tmp_path) == "torch.uint8, bits equal: True"
    (tensor,) = json.loads(printed_by(["bash", "-c", seen["curl"]], tmp_path))["tensors"]
    assert (
        tensor["digest"] == seen["receipt"]["Digest of this browser"] == xxhash.xxh3_128(pixels.tobytes()).hexdigest()
    )
    laid_out = pixels.astype(np.float32).transpose(2, 0, 1)[None] / np.float32(255)
    layout = ("channels first", "float32 from 0 to 1", "in a batch of 1")
    seen = copied_code(server, tmp_path / "photo.png", "identity", layout)
    assert printed_by([sys.executable, "-c", seen["python"]], tmp_path) == "photo float32 (1, 3, 5, 7)"
    (output,) = json.loads(printed_by(["bash", "-c", seen["curl"]], tmp_path))["outputs"]
    assert np.array_equal(np.array(output["data"], np.float32), laid_out.ravel())


def test_the_code_for_a_model_works_as_it_was_copied(
    server: Server, repository: Path, inputs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    given = {name: inputs[name] for name in ("left", "right")}
    (expected,) = models.run_in_python(repository / "affine.pt", given).values()
    seen = copied_code(server, tmp_path / "inputs.npz", "affine")
    assert printed_by([sys.executable, "-c", seen["python"]], tmp_path) == "OUTPUT__0 float32 (2, 2)"
    (output,) = json.loads(printed_by(["bash", "-c", seen["curl"]], tmp_path))["outputs"]
    assert np.array_equal(np.array(output["data"], np.float32), expected.ravel())
    check_cpp(seen["cpp"], tmp_path)


def test_equal_bits_are_marked(server: Server, tmp_path: Path) -> None:
    """NaN with payloads and -0 among them: bits are compared, not numbers."""
    np.save(tmp_path / "x.npy", np.array([0x7FC00001, 0x80000000, 0x00000001, 0xFF800000], "<u4").view("<f4"))
    seen = walk(server, "runModel", model="identity", file=tmp_path / "x.npy")
    assert [(output["name"].strip(), output["marks"]) for output in seen["outputs"]] == [("x", ["✓ equal bits to x"])]
    assert seen["outputs"][0]["cells"] == [["0", "nan", "-0", "1e-45", "-inf"]]
    assert (seen["shown"], seen["facts"]["dtype"], seen["facts"]["Shape"]) == ("svg", "float32", "(4,)")


def test_files_are_dropped_anywhere_and_damaged_ones_told(server: Server, tmp_path: Path) -> None:
    extremes = np.array([[0, 1, -(2**63)], [2**63 - 1, 4, 5]], ">i8")
    np.save(tmp_path / "order.npy", np.asfortranarray(extremes))
    facts = walk(server, "drop", file=tmp_path / "order.npy")["facts"]
    assert (facts["Stated as"], facts["Shape"], facts["Order"]) == (">i8", "(2, 3)", "Fortran, big-endian")
    assert facts["Values"].startswith(f"{-(2**63)} … {2**63 - 1}, mean ")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "order.npy").read_bytes()[:-1])
    (problem,) = walk(server, "drop", file=tmp_path / "cut.npy")["problem"]
    assert "needs 48 bytes, the file has 47" in problem


def picture_files(folder: Path) -> list[Path]:
    """Arrays whose range is none, or wider than a double, and those that are much longer than wide."""
    most = np.finfo(np.float64).max
    arrays = {
        "nan": np.full((2, 2), np.nan, np.float32),
        "infinite": np.array([[np.inf, -np.inf], [np.nan, np.inf]], np.float32),
        "infinities": np.array([np.inf, -np.inf]),
        "extremes": np.array([[-most, most], [0, np.inf]]),
        "extreme_row": np.array([-most, most, 0]),
        "subnormal": np.array([[0, 5e-324], [5e-324, 0]]),
        "wide": np.zeros((2, 5000)),
        "tall": np.zeros((5000, 2)),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return [folder / f"{name}.npy" for name in arrays]


def test_pictures_of_any_range_and_shape(server: Server, tmp_path: Path) -> None:
    files = picture_files(tmp_path)
    answers = walk(server, "pictures", files=files)["seen"]
    assert [answer["problem"] for answer in answers] == [[] for _ in files]
    seen = {file.stem: answer for file, answer in zip(files, answers, strict=True)}
    values = {name: answer["facts"]["Values"] for name, answer in seen.items()}
    assert {values[name] for name in ("nan", "infinite", "infinities")} == {"none is finite"}
    assert values["extremes"].startswith("-1.79769e+308 … 1.79769e+308")
    least, most, none = [68, 1, 84, 255], [253, 231, 37, 255], [0, 0, 0, 0]  # viridis, and nothing for NaN.
    colours = {name: answer["picture"].get("colours") for name, answer in seen.items()}
    assert colours["nan"] == [none] * 4
    assert colours["infinite"] == [most, least, none, most]
    assert (colours["extremes"][0], colours["extremes"][1], colours["extremes"][3]) == (least, most, most)
    assert colours["extremes"][2] not in (least, most)
    assert colours["subnormal"] == [least, most, most, least]
    assert seen["infinities"]["picture"]["heights"] == [0, 0]
    assert seen["extreme_row"]["picture"]["heights"] == [50, 50, 0]
    for name in ("wide", "tall"):
        picture = seen[name]["picture"]
        assert min(picture["width"], picture["height"]) > 16, name


def test_an_array_that_the_port_does_not_take_has_code_that_sends_it(tmp_path: Path) -> None:
    array = np.arange(1 << 17, dtype=np.float32)
    np.save(tmp_path / "large.npy", array)
    with Server("--http-listen", "127.0.0.1:0", "--max-message-bytes", "256KiB") as small:
        seen = walk(small, "tooLarge", file=tmp_path / "large.npy")
        for said in (seen["receipt"], seen["run"]):
            assert "--max-message-bytes" in said and "at most 262144 bytes" in said
        code = seen["python"].replace("127.0.0.1:8001", small.address)
        assert printed_by([sys.executable, "-c", code], tmp_path) == "torch.float32, bits equal: True"


def test_images_are_laid_out_for_models(server: Server, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    (tmp_path / "photo.png").write_bytes(png_of(pixels))
    seen = walk(server, "image", file=tmp_path / "photo.png")
    assert (seen["before"]["dtype"], seen["before"]["Shape"]) == ("uint8", "(5, 7, 3)")
    assert f"{pixels.min()} … {pixels.max()}, mean {pixels.mean():.6g}" == seen["before"]["Values"]
    assert (seen["after"]["dtype"], seen["after"]["Shape"]) == ("float32", "(1, 3, 5, 7)")
    assert seen["marks"] == ["✓ equal bits to photo"]
    assert ".transpose(2, 0, 1)[None] / np.float32(255)" in seen["python"]


def test_tokens_stay_in_the_tab_and_out_of_addresses(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens")
    with Server("--http-listen", "127.0.0.1:0", "--auth-token-file", str(tokens)) as guarded:
        seen = walk(guarded, "tokens", infer=TOKENS["infer"], admin=TOKENS["admin"])
    assert len(seen["without"]) == 3 and all("token" in note for note in seen["without"])
    assert seen["buttons"] == 0  # The role infer changes nothing.
    assert {f"Bearer {TOKENS[role]}" for role in ("infer", "admin")} | {""} == set(seen["sent"])
    assert not any(token in url for token in TOKENS.values() for url in seen["urls"])
    assert (seen["cookies"], seen["kept"]) == ([], [0, 0, ""])


def test_the_keyboard_is_enough(server: Server) -> None:
    seen = walk(server, "keyboard")
    texts = [tab["text"] for tab in seen["tabs"]]
    assert texts == ["Skip to the content", "tensorferry", "Overview", "Playground", "Token", "Models", "affine"]
    assert all(tab["outline"] == "solid" for tab in seen["tabs"])
    assert (seen["heading"], seen["output"]) == ("Playground", "hard_bits ✓ equal bits to hard_bits")
    assert seen["open"] == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_everybody_can_read_it(scheme: str, width: int, server: Server, tmp_path: Path) -> None:
    """axe-core finds no fault in any view, contrast included, and nothing is wider than the window or than its card."""
    names = [f"text.encoder.layers.{k}.self_attention.query_key_value.weight_quantized" for k in range(2)]
    np.savez(tmp_path / "x.npz", **{name: np.arange(12.0).reshape(3, 4) for name in names})
    seen = walk(server, "looks", scheme=scheme, width=width, model="perceptron", file=tmp_path / "x.npz")
    assert seen["faults"] == {view: [] for view in ("overview", "model", "playground", "token")}
