"""The blocking Python client: real arrays through a real server, receipts and outputs compared with the oracles'."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch

import models
import oracle
import tensorferry
from array_layouts import LAYOUTS, check_elements, check_receipt, expect, random_array
from harness import MIB, TIMEOUT_S, Server
from proxy import Tamper, tampering, wrong_data, wrong_digest, wrong_dtype, wrong_shape

FLOATS = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[tensorferry.Client]:
    with tensorferry.Client(server.address, timeout=TIMEOUT_S) as connected:
        yield connected


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", oracle.ALL)
def test_every_dtype_in_every_layout(dtype: str, layout: str, client: tensorferry.Client) -> None:
    array = LAYOUTS[layout](random_array(dtype))
    receipt = client.convert(array, name="x", return_data=True)
    assert receipt.data is not None
    check_receipt(receipt, array, "x")


def test_bools_other_than_0_and_1(client: tensorferry.Client) -> None:
    array = np.array([[0, 1, 2], [255, 128, 0]], np.uint8).view(np.bool_)
    receipt = client.convert(array, return_data=True)
    check_receipt(receipt, array)
    assert receipt.adjustments == ("BOOL_NORMALIZED",)


def test_what_numpy_makes_an_array_of(client: tensorferry.Client) -> None:
    for value in (True, 1.5, 2 + 1j, np.float16(3), [[1, 2], [3, 4]], range(0)):
        check_receipt(client.convert(value), np.asarray(value))


@pytest.mark.parametrize("dtype", [name for name in oracle.BY_NAME if oracle.numpy_dtype(name).kind == "V"])
def test_void_elements_are_what_the_caller_says(dtype: str, tmp_path: Path, client: tensorferry.Client) -> None:
    array = random_array(dtype)
    np.save(tmp_path / "x.npy", array)
    loaded = np.load(tmp_path / "x.npy")
    assert loaded.dtype.type is np.void
    with pytest.raises(tensorferry.RefusedError) as refused:
        client.convert(loaded)
    assert refused.value.reason == "AMBIGUOUS_DTYPE"
    check_receipt(client.convert(loaded, dtype=dtype, return_data=True), array)


def test_data_comes_back_only_if_asked_for(client: tensorferry.Client) -> None:
    assert client.convert(FLOATS).data is None


def test_without_digest(client: tensorferry.Client) -> None:
    receipt = client.convert(FLOATS, digest=False, return_data=True)
    assert (receipt.digest, receipt.digest_equal, receipt.dtype_equal) == (b"", None, True)
    check_elements(receipt.data, expect(FLOATS))


def test_strict_refuses_what_from_numpy_refuses(client: tensorferry.Client) -> None:
    swapped = FLOATS.astype(">f4")
    with pytest.raises(ValueError, match="byte order"):
        torch.from_numpy(swapped)
    with pytest.raises(tensorferry.RefusedError) as refused:
        client.convert(swapped, strict=True)
    assert refused.value.reason == "BYTE_ORDER"
    check_receipt(client.convert(FLOATS, strict=True), FLOATS)


def test_many_arrays_with_bad_ones_among_them(client: tensorferry.Client) -> None:
    bad = {7: np.array(["2026-01-01"], "M8[D]"), 40: np.array([{}], object), 99: np.zeros(3, "g")}
    arrays = [bad.get(i, random_array(oracle.ALL[i % len(oracle.ALL)], (i, 3))) for i in range(100)]
    outcomes = list(client.convert_many(iter(arrays), return_data=True, on_error="return"))
    assert len(outcomes) == len(arrays)
    for i, (array, outcome) in enumerate(zip(arrays, outcomes, strict=True)):
        if i in bad:
            assert isinstance(outcome, tensorferry.RefusedError)
            assert outcome.reason == ("OBJECT_DTYPE" if i == 40 else "UNSUPPORTED_DTYPE")
        else:
            assert isinstance(outcome, tensorferry.Receipt)
            check_receipt(outcome, array)


def test_a_refused_array_is_called_by_its_place_or_its_name(client: tensorferry.Client) -> None:
    bad = np.zeros(2, "g")
    *_, last = client.convert_many([FLOATS, FLOATS, bad], on_error="return")
    assert isinstance(last, tensorferry.RefusedError)
    assert (last.message[:9], last.metadata["index"]) == ("array 2: ", "2")
    for name, called in (("", "the array: "), ("x", "array 'x': ")):
        with pytest.raises(tensorferry.RefusedError) as caught:
            client.convert(bad, name=name)
        assert caught.value.message.startswith(called)


def test_many_arrays_end_at_the_first_error_by_default(client: tensorferry.Client) -> None:
    receipts = client.convert_many([FLOATS, np.array([{}], object), FLOATS])
    check_receipt(next(receipts), FLOATS)
    with pytest.raises(tensorferry.RefusedError, match="OBJECT_DTYPE"):
        next(receipts)
    assert list(receipts) == []
    check_receipt(client.convert(FLOATS), FLOATS)


def test_many_arrays_are_taken_as_they_are_needed(client: tensorferry.Client) -> None:
    taken = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            taken.append(np.full(3, len(taken)))
            yield taken[-1]

    receipts = client.convert_many(endless())
    for i in range(100):
        check_receipt(next(receipts), taken[i])
    receipts.close()
    assert len(taken) <= 100 + 32


def test_no_arrays(client: tensorferry.Client) -> None:
    assert list(client.convert_many([])) == []


def test_large_arrays_among_small_ones(client: tensorferry.Client) -> None:
    """Those above 4 MiB travel in chunks."""
    arrays = [FLOATS, random_array("float64", (3, 300_000)).T[::-1], FLOATS, random_array("bfloat16", (4_000_001,))]
    receipts = client.convert_many(arrays, return_data=True)
    for array, receipt in zip(arrays, receipts, strict=True):
        check_receipt(receipt, array)


def peak_growth(before: int) -> int:
    """Bytes by which this process's resident memory has exceeded `before` since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE)[1]) * 1024 - before


def forget_peak() -> int:
    """Makes the kernel count the peak of resident memory anew; returns what is resident now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.parametrize("layout", ["c", "fortran", "negative-strides", "big-endian"])
def test_an_array_above_the_message_limit_is_not_copied_as_a_whole(layout: str, client: tensorferry.Client) -> None:
    nbytes = 96 * MIB
    array = np.arange(nbytes // 4, dtype=np.float32).reshape(3, 256, -1)
    array = LAYOUTS[layout](np.concatenate([array] * 2, axis=-1) if layout == "negative-strides" else array)
    assert array.nbytes == nbytes > client.server_info().max_message_bytes

    before = forget_peak()
    receipt = client.convert(array)
    assert peak_growth(before) < 32 * MIB
    before = forget_peak()
    returned = client.convert(array, return_data=True)
    # Beside the returned array there are gRPC's receive buffers, up to 50 MiB whatever the array's size.
    assert peak_growth(before) < nbytes + 64 * MIB

    check_receipt(returned, array)
    assert receipt == returned


@pytest.mark.parametrize("shape", [(2, 3, 4), (128, 96, 100)], ids=["one-message", "chunks"])
@pytest.mark.parametrize("tamper", [wrong_digest, wrong_dtype, wrong_shape, wrong_data])
def test_a_tensor_that_is_not_the_array(tamper: Tamper, shape: tuple[int, ...], server: Server) -> None:
    array = random_array("float32", shape)
    with (
        tampering(server.address, tamper) as address,
        tensorferry.Client(address, timeout=TIMEOUT_S) as client,
        pytest.raises(tensorferry.VerificationError) as caught,
    ):
        client.convert(array, name="x", return_data=tamper is wrong_data)
    assert caught.value.receipt.name == "x"
    assert caught.value.metadata["field"] == tamper.__name__.removeprefix("wrong_")


def test_a_socket_file(tmp_path: Path) -> None:
    target = f"unix:{tmp_path}/s"
    with Server("--listen", target), tensorferry.Client(target, timeout=TIMEOUT_S) as client:
        check_receipt(client.convert(FLOATS), FLOATS)
        assert client.health() == tensorferry.HealthStatus.SERVING


def test_server_info(client: tensorferry.Client) -> None:
    info = client.server_info()
    assert info.torch_version == torch.__version__.partition("+")[0]
    assert info.max_message_bytes == 64 * MIB
    assert info.max_ndim == len(np.zeros((1,) * 64).shape)
    assert [row.numpy_dtype for row in info.dtypes] == oracle.ALL
    for row in info.dtypes:
        dtype = np.dtype(row.numpy_dtype)
        assert (row.torch_dtype, row.itemsize) == (dtype.name, dtype.itemsize)
        assert not row.numpy_descr or oracle.numpy_dtype(row.numpy_descr) == dtype


def test_health(client: tensorferry.Client) -> None:
    assert client.health() == client.health("tensorferry.v1.TensorService") == tensorferry.HealthStatus.SERVING
    with pytest.raises(tensorferry.RefusedError) as unknown:
        client.health("no.such.Service")
    assert unknown.value.code.name == "NOT_FOUND"


@pytest.fixture(scope="module")
def model_client(model_server: str) -> Iterator[tensorferry.Client]:
    with tensorferry.Client(model_server, timeout=TIMEOUT_S) as connected:
        yield connected


INPUTS = {
    "affine": {"left": FLOATS, "right": FLOATS.T.copy()},
    "perceptron": {"features": FLOATS},
    "moments": {"x": FLOATS},
    "named": {"x": FLOATS},
}


@pytest.mark.parametrize("model", INPUTS)
def test_outputs_are_pytorchs(model: str, model_client: tensorferry.Client, files: dict[str, Path]) -> None:
    expected = models.run_in_python(files[model], INPUTS[model])
    outputs = model_client.infer(model, INPUTS[model])
    assert list(outputs) == list(expected)
    for name, output in outputs.items():
        check_elements(output, expect(expected[name]))


def test_outputs_of_dtypes_that_numpy_lacks_are_ml_dtypes_arrays(model_client: tensorferry.Client) -> None:
    inputs = {name: random_array(name) for name in oracle.BY_NAME}
    outputs = model_client.infer("identity", inputs)
    for name, output in outputs.items():
        assert output.dtype == np.dtype(getattr(ml_dtypes, name))
        check_elements(output, expect(inputs[name]))
    assert list(outputs) == list(inputs)


def test_large_inputs_and_outputs(model_client: tensorferry.Client) -> None:
    inputs = {"small": FLOATS, "large": random_array("float32", (70 * MIB // 4,)).reshape(-1, 4).T}
    outputs = model_client.infer("identity", inputs)
    for name, output in outputs.items():
        check_elements(output, expect(np.ascontiguousarray(inputs[name])))
    assert list(outputs) == list(inputs)


def test_outputs_in_the_order_wanted(model_client: tensorferry.Client) -> None:
    everything = model_client.infer("named", {"x": FLOATS})
    wanted = list(reversed(everything))
    assert list(model_client.infer("named", {"x": FLOATS}, outputs=wanted)) == wanted
    assert list(model_client.infer("named", {"x": FLOATS}, outputs=wanted[:1])) == wanted[:1]


def test_models(model_client: tensorferry.Client, files: dict[str, Path]) -> None:
    listed = {model.name: model for model in model_client.models()}
    assert set(listed) == {*files, "identity"}
    affine = listed["affine"]
    assert (affine.state, affine.reason, affine.platform) == ("READY", "", "torchscript")
    assert [spec.name for spec in affine.inputs] == list(INPUTS["affine"])
    assert len(model_client.infer("affine", INPUTS["affine"], version=affine.version)) == 1
