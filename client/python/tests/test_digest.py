import numpy as np
import pytest
import xxhash
from array_strategies import LAYOUTS, NUMPY_DTYPES, Array, arrays, canonical_bytes
from hypothesis import given

from tensorferry._digest import ElementDigest, element_digest


@given(arrays())
def test_digest_is_that_of_the_canonical_bytes(array: Array) -> None:
    assert element_digest(array) == xxhash.xxh3_128(canonical_bytes(array)).digest()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [dtype for dtype in NUMPY_DTYPES if dtype.itemsize == 8], ids=str)
def test_digest_of_several_blocks(dtype: np.dtype[np.generic], layout: str) -> None:
    random_bytes = np.frombuffer(np.random.default_rng(0).bytes(3 * 130_000 * 8), np.uint8)
    array = LAYOUTS[layout](random_bytes.view(dtype).reshape(3, 130_000))
    assert element_digest(array) == xxhash.xxh3_128(canonical_bytes(array)).digest()


@pytest.mark.parametrize("steps", [0, 1, 2, 10])
def test_digest_does_not_depend_on_the_pace(steps: int) -> None:
    array = np.arange(500_000, dtype=">u4")
    digest = ElementDigest(array)
    for _ in range(steps):
        digest.advance()
    assert digest.digest() == xxhash.xxh3_128(canonical_bytes(array)).digest()
    assert digest.digest() == digest.digest()


def test_bools_other_than_0_and_1_count_as_1() -> None:
    odd = np.array([0, 1, 2, 255], np.uint8).view(np.bool_)
    assert element_digest(odd) == xxhash.xxh3_128(b"\x00\x01\x01\x01").digest()
