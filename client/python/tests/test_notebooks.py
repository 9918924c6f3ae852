"""What notebooks show of a receipt and a model, as a parser of HTML reads it."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from typing import Any

import pytest
from test_errors_copied import RECEIPT

from tensorferry import Model, Receipt, TensorSpec
from tensorferry._results import Timing

MODEL = Model(
    "m",
    "3",
    "READY",
    "",
    "torchscript",
    (TensorSpec("x", "int8", (-1, 2)),),
    (TensorSpec("y", "", ()),),
    "ab12",
)
ELEMENTS = {"table", "caption", "tbody", "tr", "th", "td"}
HOSTILE = '<script>alert("1")</script>&amp;\'<img src=x onerror=alert(1)>'


class Read(HTMLParser):
    """Reads a table.

    Attributes:
        caption: The text of the caption.
        rows: The texts of each row's cells.
        styles: What the elements' only attributes but `scope` say.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.caption = ""
        self.rows: list[list[str]] = []
        self.styles: set[str | None] = set()
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS
        self._open.append(tag)
        for name, value in attrs:
            assert name in ("scope", "style")
            self.styles |= {value} if name == "style" else set()
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1] == "caption":
            self.caption += data
        else:
            self.rows[-1][-1] += data


def shown(value: Receipt | Model) -> Read:
    return Read(value._repr_html_())


def test_a_receipt() -> None:
    receipt = dataclasses.replace(
        RECEIPT, digest_equal=True, adjustments=("BOOL_NORMALIZED",), timing=Timing(1000, 2000)
    )
    read = shown(receipt)
    assert read.caption == "Receipt of x"
    assert read.rows == [
        ["dtype", "float32"],
        ["shape", "(2,)"],
        ["size", "8 bytes"],
        ["device", "cpu"],
        ["bits", "equal"],
        ["changed", "BOOL_NORMALIZED"],
        ["digest", receipt.digest.hex()],
        ["server's time", "receive 1.0 µs, convert 2.0 µs, queue 0.0 µs, compute 0.0 µs"],
    ]


@pytest.mark.parametrize(("equal", "bits"), [(True, "equal"), (False, "NOT EQUAL"), (None, "no digest")])
def test_a_receipt_says_what_is_not_equal(equal: bool | None, bits: str) -> None:
    changes: dict[str, Any] = {"name": "", "numpy_dtype": "int8", "dtype_equal": False, "digest": b""}
    read = shown(dataclasses.replace(RECEIPT, digest_equal=equal, **changes))
    assert read.caption == "Receipt"
    assert ["dtype", "float32, NOT EQUAL to int8"] in read.rows
    assert ["bits", bits] in read.rows
    assert "digest" not in [name for name, _ in read.rows]


def test_a_model() -> None:
    read = shown(MODEL)
    assert read.caption == "Model m, version 3"
    assert read.rows == [
        ["state", "READY"],
        ["platform", "torchscript"],
        ["input", "x int8 [-1, 2]"],
        ["output", "y"],
        ["sha256", "ab12"],
    ]
    assert ["reason", "gone"] in shown(dataclasses.replace(MODEL, state="UNAVAILABLE", reason="gone")).rows


def test_names_are_text_and_nothing_else() -> None:
    spec = TensorSpec(HOSTILE, HOSTILE, (1,))
    model = shown(dataclasses.replace(MODEL, name=HOSTILE, reason=HOSTILE, inputs=(spec,)))
    assert model.caption == f"Model {HOSTILE}, version 3"
    assert ["reason", HOSTILE] in model.rows
    assert ["input", f"{HOSTILE} {HOSTILE} [1]"] in model.rows
    receipt = shown(dataclasses.replace(RECEIPT, name=HOSTILE, device=HOSTILE))
    assert receipt.caption == f"Receipt of {HOSTILE}"
    assert ["device", HOSTILE] in receipt.rows


def test_colours_are_those_of_the_page() -> None:
    assert shown(RECEIPT).styles | shown(MODEL).styles == {"text-align: left"}
