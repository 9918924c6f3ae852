"""Elements of few bits and complex ones as JSON, against NumPy and ml_dtypes."""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness import Server
from http_calls import HTTP, binary_body, binary_outputs, connect_http

NARROW = {
    "FP16": np.float16, "BF16": ml_dtypes.bfloat16, "FLOAT8_E4M3FN": ml_dtypes.float8_e4m3fn,
    "FLOAT8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "FLOAT8_E5M2": ml_dtypes.float8_e5m2,
    "FLOAT8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz, "FLOAT8_E8M0FNU": ml_dtypes.float8_e8m0fnu,
}  # fmt: skip
COMPLEX = {"COMPLEX32": ml_dtypes.complex32, "COMPLEX64": np.complex64, "COMPLEX128": np.complex128}
WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
PATH = "/v2/models/identity/infer"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(*HTTP) as running:
        yield running
        assert running.alive(), running.log()


def as_json(server: Server, datatype: str, array: np.ndarray) -> list[Any]:
    """What the server tells of elements that it gets as bytes."""
    body, fields = binary_body({"x": (datatype, array)}, parameters={})
    connection = connect_http(server)
    connection.request("POST", PATH, body, fields)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer["outputs"][0]["data"]


def as_bytes(server: Server, datatype: str, data: str, elements: int) -> bytes:
    """The elements that the server takes from JSON."""
    tensor = f'{{"name":"x","datatype":"{datatype}","shape":[{elements}],"data":{data}}}'
    connection = connect_http(server)
    connection.request("POST", PATH, f'{{"inputs":[{tensor}],"parameters":{{"binary_data_output":true}}}}')
    [output] = binary_outputs(connection.getresponse()).values()
    connection.close()
    return output


def patterns(dtype: type) -> np.ndarray:
    """Every bit pattern."""
    bits = np.dtype(dtype).itemsize * 8
    return np.arange(1 << bits, dtype=f"u{bits // 8}").view(dtype)


def doubles(array: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # Of signalling NaNs.
        return array.astype(np.float64)


@pytest.mark.parametrize("datatype", NARROW)
def test_every_bit_pattern(server: Server, datatype: str) -> None:
    array = patterns(NARROW[datatype])
    values = doubles(array)
    told = np.array([float(value) for value in as_json(server, datatype, array)])
    values[np.isnan(values)] = np.nan
    assert told.tobytes() == values.tobytes()
    # All NaNs are one text: it becomes the one that NumPy and ml_dtypes make of a NaN.
    array[np.isnan(values)] = np.array(np.nan).astype(array.dtype)
    numbers = json.dumps([WORDS.get(str(value), value) for value in values.tolist()])
    assert as_bytes(server, datatype, numbers, array.size) == array.tobytes()


SCALE = 10**400  # Every middle of two values has fewer decimal places, as its denominator is a power of two.


def between(values: list[Fraction], chance: random.Random) -> int:
    """A number between two values, times SCALE: often their middle, or so close to it that a double cannot tell."""
    place = chance.randrange(len(values) - 1)
    below, above = values[place : place + 2]
    if chance.random() < 0.25:
        return round((below + (above - below) * Fraction(chance.random())) * SCALE)
    return round((below + above) / 2 * SCALE) + chance.choice([0, 1, -1]) * 10 ** chance.choice([200, 340])


@pytest.mark.parametrize("datatype", NARROW)
def test_numbers_are_rounded_once(server: Server, datatype: str) -> None:
    """Of the two values around a number the nearer one is taken; in the middle the one whose mantissa is even."""
    array = patterns(NARROW[datatype])
    finite = array[np.isfinite(doubles(array))]
    order = np.argsort(finite.astype(np.float64), kind="stable")
    by_value = {
        Fraction(value): place for value, place in zip(finite[order].astype(float).tolist(), order, strict=True)
    }
    values = sorted(by_value)
    chance = random.Random(datatype)
    scaled = [between(values, chance) for _ in range(300)]

    def nearest(number: Fraction) -> np.ndarray:
        place = max(bisect_left(values, number), 1)
        below, above = values[place - 1], values[place]
        if number - below != above - number:
            return finite[by_value[below if number - below < above - number else above]]
        # Without a mantissa the power of two that is greater is the even one.
        is_even = datatype != "FLOAT8_E8M0FNU" and int(finite[by_value[below]].view(f"u{array.itemsize}")) % 2 == 0
        return finite[by_value[below if is_even else above]]

    expected = np.array([nearest(Fraction(number, SCALE)) for number in scaled])
    data = "[" + ",".join(f"{number}e-400" for number in scaled) + "]"
    taken = np.frombuffer(as_bytes(server, datatype, data, len(scaled)), array.dtype)
    assert np.array_equal(taken.astype(float), expected.astype(float))


@pytest.mark.parametrize("datatype", COMPLEX)
def test_complex_elements_are_pairs(server: Server, datatype: str) -> None:
    dtype = np.dtype(COMPLEX[datatype])
    part = np.dtype(f"f{dtype.itemsize // 2}")
    limits = np.finfo(part)
    parts = np.array([1.5, -0.0, np.nan, np.inf, -np.inf, limits.max, limits.min, limits.smallest_subnormal], part)
    told = as_json(server, datatype, parts.view(dtype))
    assert np.array([[float(value) for value in pair] for pair in told], part).tobytes() == parts.tobytes()
    assert as_bytes(server, datatype, json.dumps(told), 4) == parts.tobytes()
