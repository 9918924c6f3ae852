"""The two ways in which arrays are converted here, and what each says came of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import cli
import tensorferry
from verdicts import Answer, Refused, Tensor


def _tensor(printed: Mapping[str, Any]) -> Tensor:
    assert printed["dtype_equal"] and printed["digest_equal"], printed
    return Tensor(printed["dtype"], tuple(printed["shape"]), tuple(printed["strides"]), printed["digest"])


class ByCommand:
    """`tensorferry convert --json`, which reads the file itself."""

    def __init__(self, address: str) -> None:
        self._address = address

    def verdicts(self, file: Path, names: list[str]) -> dict[str, Answer]:
        ran = cli.run("convert", "--json", file, server=self._address)
        assert ran.code in (cli.OK, cli.REFUSED), ran
        printed = json.loads(ran.stdout)
        answers: dict[str, Answer] = {one["name"]: _tensor(one) for one in printed["tensors"]}
        answers |= {one["name"]: Refused(one["error"]["reason"]) for one in printed["refused"]}
        assert sorted(answers) == sorted(names), f"{file.name} has {sorted(names)}, not {sorted(answers)}"
        assert (ran.code == cli.REFUSED) == bool(printed["refused"]), ran.code
        return answers


class ByPythonClient:
    """`tensorferry.Client`, which takes the arrays that numpy.load gives."""

    def __init__(self, address: str) -> None:
        self._client = tensorferry.Client(address)

    def __enter__(self) -> ByPythonClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def verdicts(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Answer]:
        receipts = self._client.convert_many(arrays.values(), on_error="return")
        return {name: self._answer(receipt) for name, receipt in zip(arrays, receipts, strict=True)}

    def _answer(self, receipt: tensorferry.Receipt | tensorferry.TensorferryError) -> Answer:
        if isinstance(receipt, tensorferry.RefusedError):
            return Refused(receipt.reason)
        if isinstance(receipt, tensorferry.TensorferryError):
            raise receipt
        assert receipt.dtype_equal and receipt.digest_equal and receipt.digest is not None, receipt
        return Tensor(receipt.dtype, tuple(receipt.shape), tuple(receipt.strides), receipt.digest.hex())
