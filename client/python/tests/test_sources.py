"""What is taken for an array: torch tensors, objects of one protocol, masked arrays; each against NumPy's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from wire_arrays import inlined

from tensorferry import ArrayError
from tensorferry._arrays import WireArray
from tensorferry._errors import Label
from tensorferry._sources import to_elements

NUMPY_NAMES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
    "float64", "complex64", "complex128",
]  # fmt: skip
NAMES = [
    *NUMPY_NAMES, "bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
    "float8_e8m0fnu", "complex32",
]  # fmt: skip
VIEWS: dict[str, Callable[[Any], Any]] = {
    "whole": lambda tensor: tensor,
    "transposed": lambda tensor: tensor.T,
    "every second": lambda tensor: tensor[:, ::2],
    "scalar": lambda tensor: tensor[1, 2],
    "empty": lambda tensor: tensor[:, :0],
    "expanded": lambda tensor: tensor[:1].expand(4, -1),
}
SHAPE = (2, 4)


def random_bits(name: str) -> np.ndarray[Any, Any]:
    """Any bits, with NaN payloads; of bools 0 and 1."""
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    bits = np.random.default_rng(7).integers(0, 256, (*SHAPE, dtype.itemsize), np.uint8)
    return (bits % 2 if name == "bool" else bits).view(dtype)[..., 0]


def tensor_of(name: str) -> torch.Tensor:
    array = random_bits(name)
    integers = {1: "u1", 2: "i2", 4: "i4", 8: "i8", 16: "i8"}[array.itemsize]
    return torch.from_numpy(array.view(integers)).view(getattr(torch, name)).reshape(SHAPE)


def sent(source: Any, **settings: Any) -> tuple[Any, ...]:
    """All that the server is told of an array."""
    wire = WireArray(source, **settings)
    message = inlined(wire)
    assert wire.digest
    return message.dtype, tuple(message.shape), message.fortran_order, message.data, wire.digest


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_is_sent_as_the_array_of_the_same_values(name: str, view: str) -> None:
    tensor = VIEWS[view](tensor_of(name))
    array = random_bits(name)
    expected = {
        "whole": array,
        "transposed": array.T,
        "every second": array[:, ::2],
        "scalar": array[1, 2],
        "empty": array[:, :0],
        "expanded": np.broadcast_to(array[:1], (4, 4)),
    }[view]
    assert sent(tensor) == sent(expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_is_sent_from_its_own_memory(name: str) -> None:
    tensor = tensor_of(name)
    elements, _ = to_elements(tensor, Label())
    assert elements.ctypes.data == tensor.data_ptr()
    assert elements.nbytes == tensor.nbytes


STATES: dict[str, tuple[Callable[[], Any], Any]] = {
    "requires_grad": (lambda: torch.tensor([1.0, 2.0], requires_grad=True), np.array([1, 2], "f4")),
    "in a graph": (lambda: torch.ones(2, requires_grad=True) * 2, np.array([2, 2], "f4")),
    "parameter": (lambda: torch.nn.Parameter(torch.ones(2)), np.ones(2, "f4")),
    "bfloat16 parameter": (
        lambda: torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16)),
        np.ones(2, ml_dtypes.bfloat16),
    ),
    "conj": (lambda: torch.tensor([1 + 2j]).conj(), np.array([1 - 2j], "c8")),
    "conj complex32": (
        lambda: torch.tensor([1 + 2j], dtype=torch.complex32).conj(),
        np.array([1, -2], "f2").view(ml_dtypes.complex32),
    ),
    "neg": (lambda: torch.tensor([1 + 2j]).conj().imag, np.array([-2], "f4")),
    "neg bfloat16": (
        lambda: torch._neg_view(torch.ones(2, dtype=torch.bfloat16)),
        -np.ones(2, ml_dtypes.bfloat16),
    ),
    "inference mode": (torch.inference_mode()(lambda: torch.ones(2)), np.ones(2, "f4")),
    "scalar": (lambda: torch.tensor(3), np.array(3)),
}


@pytest.mark.parametrize("state", STATES)
def test_states_of_tensors_make_no_difference(state: str) -> None:
    tensor, array = STATES[state]
    assert sent(tensor()) == sent(array)


def quantized() -> Any:
    return torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.quint8)


def masked_tensor() -> Any:
    return torch.masked.masked_tensor(torch.ones(2), torch.tensor([True, False]))


REFUSED: dict[str, tuple[Callable[[], Any], str, str]] = {
    "meta": (lambda: torch.ones(2, device="meta"), "NOT_AN_ARRAY", "the device meta and has no elements"),
    "sparse": (lambda: torch.ones(2).to_sparse(), "NOT_AN_ARRAY", r"sparse_coo; send tensor.to_dense\(\)"),
    "quantized": (quantized, "NOT_AN_ARRAY", r"quantized tensor; send tensor.dequantize\(\)"),
    "nested": (
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "NOT_AN_ARRAY",
        "it is a nested tensor",
    ),
    "masked": (masked_tensor, "MASKED_ARRAY", "it is a masked tensor"),
    "float4": (
        lambda: torch.empty(2, dtype=torch.float4_e2m1fn_x2),
        "UNSUPPORTED_DTYPE",
        "dtype torch.float4_e2m1fn_x2 is not supported",
    ),
    "list of tensors": (
        lambda: [torch.ones(2, dtype=torch.bfloat16)],
        "NOT_AN_ARRAY",
        "there is no NumPy array of this list",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_a_tensor_without_an_array_is_refused_with_what_to_send(name: str) -> None:
    make, reason, text = REFUSED[name]
    with pytest.raises(ArrayError, match=text) as caught:
        WireArray(make(), name="x")
    assert caught.value.reason == reason
    assert caught.value.message.startswith("array 'x': ")


# Each of these objects has one protocol alone.


class OnlyDlpack:
    """A foreign array type of today."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def __dlpack__(self, **settings: Any) -> Any:
        return self._owner.__dlpack__(**settings)

    def __dlpack_device__(self) -> Any:
        return self._owner.__dlpack_device__()


class OldDlpack(OnlyDlpack):
    """A foreign array type from before DLPack had versions."""

    def __dlpack__(self, *, stream: Any = None) -> Any:  # type: ignore[override]
        return self._owner.__dlpack__()


class OnlyArray:
    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._owner


class OnlyInterface:
    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self.__array_interface__ = owner.__array_interface__


class ArrayThatRefuses(OnlyDlpack):
    """CuPy's way: an implicit copy is refused, DLPack is offered."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("implicit conversion is not allowed")


class IntegersInTheirPlace(OnlyDlpack):
    """Paddle's way: NumPy gets integers with the bits of what it does not know, DLPack says what they are."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        try:
            return self._owner.numpy()
        except TypeError:
            integers = {1: torch.int8, 2: torch.uint16, 4: torch.int32}
            return self._owner.view(integers[self._owner.element_size()]).numpy()


PROTOCOLS: dict[str, Callable[[Any], Any]] = {
    "__dlpack__": OnlyDlpack,
    "__dlpack__ without versions": OldDlpack,
    "__dlpack__ beside a refusal": ArrayThatRefuses,
    "__dlpack__ beside integers": IntegersInTheirPlace,
    "__array__": OnlyArray,
    "__array_interface__": OnlyInterface,
    "buffer": memoryview,
}


# Neither buffers nor the array interface can describe the types that NumPy lacks.
BY_PROTOCOL = [
    (protocol, name)
    for protocol in PROTOCOLS
    for name in (NAMES if protocol.startswith(("__dlpack__", "__array__")) else NUMPY_NAMES)
]


@pytest.mark.parametrize(("protocol", "name"), BY_PROTOCOL)
def test_an_object_of_one_protocol_is_sent_as_its_array(protocol: str, name: str) -> None:
    array = random_bits(name)
    tensor = tensor_of(name)
    owner, address = (tensor, tensor.data_ptr()) if "dlpack" in protocol else (array, array.ctypes.data)
    source = PROTOCOLS[protocol](owner)
    assert sent(source) == sent(array)
    assert to_elements(source, Label())[0].ctypes.data == address


def test_memory_outlives_its_owner() -> None:
    elements, _ = to_elements(OnlyDlpack(torch.full((1000,), 1.5, dtype=torch.bfloat16)), Label())
    assert np.array_equal(elements, np.full(1000, 1.5, ml_dtypes.bfloat16))


class SliceThatForgets(OnlyArray):
    """The way of Lance's bfloat16: a slice gives NumPy all that it is cut out of."""

    def __len__(self) -> int:
        return 3


def test_a_slice_that_gives_numpy_more_is_refused() -> None:
    assert sent(SliceThatForgets(np.arange(3))) == sent(np.arange(3))
    with pytest.raises(ArrayError, match="has the length 3, and gives NumPy 10 rows") as raised:
        sent(SliceThatForgets(np.arange(10)))
    assert raised.value.reason == "NOT_AN_ARRAY"
    assert (raised.value.metadata["expected"], raised.value.metadata["actual"]) == ("3", "10")


class OnDevice(OnlyDlpack):
    """An array on a GPU that this machine need not have."""

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("the memory is on cuda:0")


def test_memory_of_a_device_is_refused() -> None:
    with pytest.raises(ArrayError, match=r"the array: there is no NumPy array of this OnDevice: .*cuda:0"):
        WireArray(OnDevice(torch.ones(2)))


def test_dlpack_of_a_dtype_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ArrayError, match="Unsupported lanes"):
        WireArray(OnlyDlpack(torch.empty(2, dtype=torch.float4_e2m1fn_x2)))


def test_torch_is_not_imported() -> None:
    code = (
        "import sys, numpy, tensorferry; from tensorferry._arrays import WireArray;"
        "[WireArray(value).inline() for value in (numpy.ones(2), [1.0], 1, memoryview(b'x'))];"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# These arrays have masks.


def masked(*mask: int) -> Any:
    return np.ma.masked_array([1.0, 2.0, 3.0], mask=np.array(mask, np.bool_))


UNMASKED: dict[str, Any] = {
    "no mask": np.ma.masked_array([1.0, 2.0, 3.0]),
    "an empty mask": masked(0, 0, 0),
    "filled": masked(0, 1, 0).filled(2.0),
    "data": masked(0, 1, 0).data,
}


@pytest.mark.parametrize("name", UNMASKED)
def test_a_masked_array_without_masked_elements_is_an_array(name: str) -> None:
    assert sent(UNMASKED[name]) == sent(np.array([1.0, 2.0, 3.0]))


def test_a_masked_array_is_sent_from_its_own_memory() -> None:
    array = masked(0, 0, 0)
    elements, _ = to_elements(array, Label())
    assert np.shares_memory(elements, array.data)


@pytest.mark.parametrize(
    "source",
    [
        masked(0, 1, 0),
        np.ma.masked,
        [masked(0, 0, 0), masked(0, 0, 1)],
        ([[1.0, np.ma.masked]],),
        [[1.0, 2.0], [3.0, masked(1, 0, 0)[0]]],
        np.ma.masked_less(np.arange(4, dtype=ml_dtypes.bfloat16), 2),
    ],
    ids=["array", "constant", "in a list", "deep in a tuple", "an element", "bfloat16"],
)
def test_masked_elements_are_refused(source: Any) -> None:
    with pytest.raises(ArrayError, match=r"masked.*array\.filled\(value\) or array\.data") as caught:
        WireArray(source)
    assert caught.value.reason == "MASKED_ARRAY"
