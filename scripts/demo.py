"""Starts a real server and sends it real NumPy arrays: `make demo`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tensorferry

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(0)
MIB = 1 << 20
STOP_TIMEOUT_S = 60
INTRODUCTION = """\
tensorferry demo: NumPy arrays travel over gRPC to a server in C++ and become torch tensors there.

Every line below is the receipt of one array: what was sent, and what the server read back from its tensor.
  dtype   is the tensor's dtype, read back, the one that the array's dtype maps to?
  bits    is the digest that the server took over the tensor the one taken here over the array?
  digest  XXH3-128, the first 8 of its 32 hex digits
"""


class DemoError(Exception):
    """Something that the demo shows is not so."""


@contextmanager
def running_server(binary: Path, temporary: str, *flags: str) -> Iterator[str]:
    """Yields the address of a server on a free port, whose temporary files are in the folder `temporary`; stops it and
    checks that it stopped cleanly."""
    command = [str(binary), "--listen", "127.0.0.1:0", "--admin-listen", "off", "--log-level", "warning", *flags]
    own = {key: value for key, value in os.environ.items() if not key.startswith("TENSORFERRY_")}
    own["TMPDIR"] = temporary
    with subprocess.Popen(command, env=own, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = process.stdout.readline() if process.stdout else ""
            if not ready.startswith("tensorferry-server ready grpc="):
                raise DemoError(f"{binary} did not start; what it said is above")
            yield ready.split()[2].removeprefix("grpc=")
        finally:
            process.terminate()
            try:
                code = process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise DemoError(f"the server did not stop within {STOP_TIMEOUT_S} s of SIGTERM") from None
    if code != 0:
        raise DemoError(f"the server ended with exit code {code} instead of 0")


class Perceptron(torch.nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layers = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.GELU(), torch.nn.Linear(64, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


# The models by name, each with the format of export and what runs its file in Python.
MODELS: dict[str, tuple[str, Callable[[str], Callable[..., Any]]]] = {
    "exported": ("exported", lambda file: torch.export.load(file).module()),
    "compiled": ("aotinductor", lambda file: torch._inductor.aoti_load_package(file)),
    "scripted": ("torchscript", torch.jit.load),
}


def export_models(repository: Path) -> dict[str, Path]:
    """Writes one module into the repository in every format. Returns the model files by name."""
    print(
        "Exporting a module as three models: a program of torch.export, compiled by AOTInductor, and as TorchScript …",
        flush=True,
    )
    example = (torch.randn(2, 16),)
    options: dict[str, Any] = {"dynamic_batch": True, "quiet": True}
    return {
        name: tensorferry.export(Perceptron(0), example, repository / name, format=format, **options)
        for name, (format, _) in MODELS.items()
    }


def any_bits(dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """An array of random bytes; bools are 0 or 1."""
    data = np.frombuffer(RNG.bytes(int(np.prod(shape)) * dtype.itemsize), np.uint8)
    return (data % 2 if dtype == np.bool_ else data).view(dtype).reshape(shape)


def print_heading(text: str) -> None:
    print(f"\n{text}\n")
    print(f"  {'NumPy array':<30}{'torch tensor':<24}{'shape':<14}{'dtype':<7}{'bits':<7}{'digest':<10}adjusted")


def show(label: str, array: Array, receipt: tensorferry.Receipt) -> None:
    """Prints one receipt. Errors: DemoError if it does not prove the tensor equal to the array."""
    equal = {True: "equal", False: "NO"}
    shape = str(list(receipt.shape)).replace(" ", "")
    print(
        f"  {label:<30}torch.{receipt.dtype:<18}{shape:<14}{equal[receipt.dtype_equal]:<7}"
        f"{equal[bool(receipt.digest_equal)]:<7}{receipt.digest.hex()[:8]:<10}{', '.join(receipt.adjustments)}".rstrip()
    )
    if not (receipt.dtype_equal and receipt.digest_equal and receipt.shape == array.shape):
        raise DemoError(f"the tensor is not the array that was sent ({label}): please report this with the line above")


def show_smallest(client: tensorferry.Client) -> None:
    print_heading("1. The smallest case: np.array([1, 2, 3, 4])")
    for dtype in (np.int32, np.int16):
        array = np.array([1, 2, 3, 4], dtype)
        receipt = client.convert(array, return_data=True)
        show(f"np.{array.dtype} {array}", array, receipt)
        if f"torch.{receipt.dtype}" != str(torch.from_numpy(array).dtype):
            raise DemoError(f"torch.from_numpy gives {torch.from_numpy(array).dtype}, the server {receipt.dtype}")
        print(f"  {'':<30}{receipt.data} fetched back")


def show_dtypes(client: tensorferry.Client) -> None:
    dtypes = [np.dtype(info.numpy_dtype) for info in client.server_info().dtypes]
    arrays = {dtype.name: any_bits(dtype, (2, 3)) for dtype in dtypes}
    arrays["float32, big-endian"] = any_bits(np.dtype(">f4"), (2, 3))
    arrays["float64, Fortran order"] = np.asfortranarray(any_bits(np.dtype(np.float64), (2, 3)))
    arrays["int64, 0-d"] = np.array(-1)
    arrays["float32, no elements"] = np.zeros((0, 3), np.float32)
    arrays["bool, bytes 0 1 2 255"] = np.array([0, 1, 2, 255], np.uint8).view(np.bool_)
    print_heading(f"2. All {len(dtypes)} dtypes, filled with random bits, and special cases, on one stream")
    receipts = client.convert_many(arrays.values())
    for (label, array), receipt in zip(arrays.items(), receipts, strict=True):
        show(label, array, receipt)


def show_chunks(client: tensorferry.Client) -> None:
    limits = client.server_info()
    array = any_bits(np.dtype(np.float32), (8192, 8192))
    print_heading(
        f"3. {array.nbytes // MIB} MiB, more than one message holds ({limits.max_message_bytes // MIB} MiB): "
        f"sent in chunks of {limits.recommended_chunk_bytes // MIB} MiB"
    )
    start = time.perf_counter()
    receipt = client.convert(array)
    seconds = time.perf_counter() - start
    show("float32", array, receipt)
    print(f"\n  {seconds:.2f} s, both digests included")


def show_refusal(client: tensorferry.Client) -> None:
    print_heading("4. An array that torch has no dtype for is refused, and the stream goes on")
    arrays = [np.arange(3), np.array(["2026-01-01"], "datetime64[D]"), np.arange(3.0)]
    outcomes = list(client.convert_many(arrays, on_error="return"))
    for array, outcome in zip(arrays, outcomes, strict=True):
        if isinstance(outcome, tensorferry.Receipt):
            show(str(array.dtype), array, outcome)
        else:
            print(f"  {array.dtype!s:<30}refused: {outcome}")
    reasons = [getattr(outcome, "reason", None) for outcome in outcomes]
    if reasons != [None, "UNSUPPORTED_DTYPE", None]:
        raise DemoError("the second array alone should have been refused, with UNSUPPORTED_DTYPE")


def run_here(name: str, file: Path, array: Array) -> torch.Tensor:
    """What PyTorch makes of a model file, in Python."""
    torch.set_num_threads(1)
    _, load = MODELS[name]
    run = load(str(file))
    with torch.inference_mode():
        # The copy lies in torch's own memory: the last bits of a matrix product depend on alignment, and NumPy's is
        # smaller.
        output: torch.Tensor = run(x=torch.from_numpy(array).clone())
    return output


def show_models(client: tensorferry.Client, files: dict[str, Path]) -> None:
    print(
        "\n5. What tensorferry.export made of a torch module, run by the server and by PyTorch here on the same array\n"
    )
    array = RNG.standard_normal((3, 16), np.float32)
    with torch.inference_mode():
        expected = Perceptron(0).eval()(torch.from_numpy(array).clone())
    for name, file in files.items():
        served = client.infer(name, {"x": array})["OUTPUT__0"]
        local = run_here(name, file, array)
        equal = torch.equal(torch.from_numpy(served).view(torch.int32), local.view(torch.int32))
        print(f"  {name}, {file.name}")
        print(f"    server   {served.dtype} {list(served.shape)}, row 0: {served[0]}")
        print(f"    PyTorch  {local.numpy().dtype} {list(local.shape)}, row 0: {local[0].numpy()}")
        print(f"    bits     {'equal' if equal else 'NOT EQUAL'}")
        print(f"    module   at most {(torch.from_numpy(served) - expected).abs().max():.0e} from what it gives itself")
        if not torch.allclose(torch.from_numpy(served), expected, rtol=1.3e-6, atol=1e-5):
            raise DemoError("the server's output is not the module's: please report this with the lines above")
        if not equal:
            raise DemoError("the server's output is not PyTorch's: is libtorch of the version of the Python package?")


def show_reload(client: tensorferry.Client, repository: Path) -> None:
    print("\n6. A second version of the model, put beside the first while requests go on\n")
    array = RNG.standard_normal((1, 16), np.float32)
    first = client.infer("scripted", {"x": array})["OUTPUT__0"]
    folder = repository / "scripted"
    example = (torch.randn(2, 16),)
    tensorferry.export(Perceptron(1), example, folder, format="torchscript", dynamic_batch=True, quiet=True)
    start = time.monotonic()
    answers = 0
    while np.array_equal(client.infer("scripted", {"x": array})["OUTPUT__0"], first):
        answers += 1
        if time.monotonic() - start > STOP_TIMEOUT_S:
            raise DemoError("the server did not take the new version")
    print(f"  version 1  {first[0]}: {answers} more requests were answered by it")
    print(f"  version 2  {client.infer('scripted', {'x': array})['OUTPUT__0'][0]}; no request failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="folder of tensorferry-server")
    binary = parser.parse_args().bin / "tensorferry-server"
    if not binary.is_file():
        raise DemoError(f"there is no {binary}: run `make build` first")
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "models"
        files = export_models(repository)
        flags = ("--model-dir", str(repository), "--model-control", "poll", "--model-poll-interval", "200ms")
        with (
            running_server(binary, folder, *flags) as address,
            tensorferry.Client(address, verify=False, timeout=120) as client,
        ):
            info = client.server_info()
            print(f"{INTRODUCTION}\nServer: {address}, tensorferry {info.version}, libtorch {info.torch_version}")
            show_smallest(client)
            show_dtypes(client)
            show_chunks(client)
            show_refusal(client)
            show_models(client, files)
            show_reload(client, repository)
    print("\nThe server stopped cleanly on SIGTERM. All that was converted is equal, bit for bit.")


if __name__ == "__main__":
    try:
        main()
    except (DemoError, tensorferry.TensorferryError) as error:
        sys.exit(f"\ndemo: {error}")
