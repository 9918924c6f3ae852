"""XXH3-128 over the elements that the tensor must hold: C order, little-endian, bools 0 or 1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xxhash

from tensorferry._elements import Array, element_blocks

_BLOCK_NBYTES = 1 << 20


class ElementDigest:
    """The digest of one array, taken block by block, so that it can keep pace with an upload.

    Borrows the array, which must not change before `digest` has been called.
    """

    def __init__(self, array: Array) -> None:
        self._hash = xxhash.xxh3_128()
        self._blocks = _canonical_blocks(array)

    def advance(self) -> None:
        """Takes one more block of about a MiB in, if there is one."""
        block = next(self._blocks, None)
        if block is not None:
            self._hash.update(block)

    def digest(self) -> bytes:
        """Takes in what is left. Returns 16 bytes in canonical (big-endian) form."""
        for block in self._blocks:
            self._hash.update(block)
        return self._hash.digest()


def element_digest(array: Array) -> bytes:
    """Returns the digest that a faithful server computes for `array`: 16 bytes."""
    return ElementDigest(array).digest()


def _canonical_blocks(array: Array) -> Iterator[memoryview]:
    blocks = element_blocks(array, array.dtype.newbyteorder("<"), _BLOCK_NBYTES)
    if array.dtype != np.bool_:
        return blocks
    return (np.not_equal(np.frombuffer(block, np.uint8), 0).view(np.uint8).data for block in blocks)
