"""Tensors, DLPack objects and masked arrays through each method of both clients and a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
import torch

import oracle
import tensorferry
from array_layouts import check_elements, check_receipt, expect, random_array
from harness import TIMEOUT_S, Server

MASKED = np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])


class OnlyDlpack:
    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def __dlpack__(self, **settings: Any) -> Any:
        return self._tensor.__dlpack__(**settings)

    def __dlpack_device__(self) -> Any:
        return self._tensor.__dlpack_device__()


def blocking(address: str, source: Any) -> tuple[Any, Any, Any]:
    with tensorferry.Client(address, timeout=TIMEOUT_S) as client:
        return (
            client.convert(source, return_data=True),
            list(client.convert_many([source, MASKED, source], return_data=True, on_error="return")),
            client.infer("identity", {"x": source}),
        )


def asynchronous(address: str, source: Any) -> tuple[Any, Any, Any]:
    async def main() -> tuple[Any, Any, Any]:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S) as client:
            many = client.convert_many([source, MASKED, source], return_data=True, on_error="return")
            return (
                await client.convert(source, return_data=True),
                [outcome async for outcome in many],
                await client.infer("identity", {"x": source}),
            )

    return asyncio.run(main())


@pytest.mark.parametrize("use", [blocking, asynchronous])
@pytest.mark.parametrize("dtype", oracle.ALL)
def test_a_tensor_is_the_array_of_the_same_values(dtype: str, use: Any, server: Server) -> None:
    array = random_array(dtype)
    integers = {1: "u1", 2: "i2", 4: "i4", 8: "i8", 16: "i8"}[array.itemsize]
    flat = torch.from_numpy(array.reshape(-1).view(integers).copy())
    tensor = flat.view(getattr(torch, dtype)).reshape(array.shape)
    for source in (tensor, OnlyDlpack(tensor)):
        receipt, (first, masked, last), outputs = use(server.address, source)
        for converted in (receipt, first, last):
            check_receipt(converted, array)
        assert isinstance(masked, tensorferry.ArrayError)
        assert (masked.reason, masked.message[:8]) == ("MASKED_ARRAY", "array 1:")
        check_elements(outputs["x"], expect(array))


@pytest.mark.parametrize("method", ["convert", "infer", "convert_many"])
def test_masked_elements_are_refused_by_each_method(method: str, server: Server) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "convert": (MASKED,),
        "infer": ("identity", {"x": MASKED}),
        "convert_many": ([MASKED],),
    }
    with tensorferry.Client(server.address, timeout=TIMEOUT_S) as client:
        with pytest.raises(tensorferry.ArrayError, match=r"1 of its 3 elements are masked"):
            list(getattr(client, method)(*arguments[method]))
        check_receipt(client.convert(MASKED.filled(0)), MASKED.filled(0))
