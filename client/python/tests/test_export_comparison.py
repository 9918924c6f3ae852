"""What export accepts of a file that does not compute quite what its module does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.jit import is_scripting  # type: ignore[attr-defined]

import tensorferry
from tensorferry._exporting.comparison import Tolerances, difference

X = torch.arange(12.0).reshape(4, 3)

# torch.testing.assert_close documents these tolerances, relative and absolute.
TOLERANCES = {
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.complex64: (1.3e-6, 1e-5),
    torch.complex128: (1e-7, 1e-7),
}
EXACT = [
    torch.bool,
    *(getattr(torch, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(getattr(torch, f"float8_{name}") for name in ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz")),
]
NAN, INF = math.nan, math.inf


class Differs(nn.Module):
    """Computes one thing in Python, and another as TorchScript."""

    def __init__(self, in_python: Tensor, in_file: Tensor) -> None:
        super().__init__()
        self.in_python = in_python
        self.in_file = in_file

    def forward(self, x: Tensor) -> Tensor:
        if is_scripting():
            return self.in_file.clone()
        return self.in_python.clone()


def is_accepted(in_python: Tensor, in_file: Tensor, folder: Path, **options: Any) -> bool:
    try:
        tensorferry.export(Differs(in_python, in_file), [X], folder / "m", format="torchscript", **options)
    except RuntimeError as error:
        if "output 'OUTPUT__0' of the exported model is not the module's" not in str(error):
            raise
    return (folder / "m").exists()


def off_by(value: float, part: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A value, and it with an error of that part of what torch tolerates."""
    rtol, atol = TOLERANCES[dtype]
    wide = torch.tensor([value], dtype=dtype).to(torch.complex128 if dtype.is_complex else torch.float64)
    return wide.to(dtype), (wide + part * (atol + rtol * wide.abs())).to(dtype)


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_errors_are_torchs_tolerances(dtype: torch.dtype, size: float, tmp_path: Path) -> None:
    if not math.isfinite(torch.tensor(size, dtype=dtype).abs().item()):
        size = 6e4  # Close to what float16 has at most.
    for part in (-1.5, -0.5, 0.5, 1.5):
        module, file = off_by(size, part, dtype)
        judged = is_accepted(module, file, tmp_path / str(part))
        try:
            torch.testing.assert_close(file, module)
        except AssertionError:
            assert not judged
        else:
            assert judged
        assert judged == (abs(part) < 1) or dtype in (torch.float16, torch.bfloat16)


@pytest.mark.parametrize("dtype", EXACT, ids=str)
def test_integers_and_float8_are_exact(dtype: torch.dtype, tmp_path: Path) -> None:
    one, other = torch.tensor([1, 0, 1]).to(dtype), torch.tensor([1, 1, 0]).to(dtype)
    assert is_accepted(one, one.clone(), tmp_path / "same")
    assert not is_accepted(one, other, tmp_path / "other")


# Each case has what the module computes, what the file does, and whether the results count as equal.
NOT_FINITE = {
    "all the same": ([NAN, INF, -INF, 1.0], [NAN, INF, -INF, 1.0], True),
    "close beside them": ([NAN, INF, -INF, 1000.0], [NAN, INF, -INF, 1000.0001], True),
    "wrong beside an infinity": ([-INF, 1.0], [-INF, 1001.0], False),
    "wrong beside NaN": ([NAN, 1.0], [NAN, 1.1], False),
    "NaN of the file": ([1.0, 1.0], [1.0, NAN], False),
    "NaN of the module": ([1.0, NAN], [1.0, 1.0], False),
    "NaN for an infinity": ([INF, 1.0], [NAN, 1.0], False),
    "an infinity of the file": ([1.0, 1e30], [1.0, INF], False),
    "an infinity of the module": ([1.0, INF], [1.0, 1e30], False),
    "another sign": ([INF, 1.0], [-INF, 1.0], False),
    "part of a complex number": ([complex(NAN, 1)], [complex(NAN, 1)], True),
    "wrong beside part of one": ([complex(NAN, 1)], [complex(NAN, 2)], False),
    "close beside part of one": ([complex(INF, 1000)], [complex(INF, 1000.0001)], True),
    "the other part": ([complex(NAN, 1)], [complex(1, NAN)], False),
}


@pytest.mark.parametrize("case", NOT_FINITE)
def test_what_is_not_finite_hides_nothing(case: str, tmp_path: Path) -> None:
    module, file, same = NOT_FINITE[case]
    assert is_accepted(torch.tensor(module), torch.tensor(file), tmp_path) == same


def test_tolerances_can_be_given(tmp_path: Path) -> None:
    one, other = torch.tensor([1.0, 100.0]), torch.tensor([1.0, 101.0])
    assert not is_accepted(one, other, tmp_path / "default")
    assert is_accepted(one, other, tmp_path / "relative", rtol=0.011, atol=0)
    assert is_accepted(one, other, tmp_path / "absolute", rtol=0, atol=1.5)
    assert not is_accepted(one, other, tmp_path / "small", rtol=0.009, atol=0)
    assert not is_accepted(one, one.clone() + 1e-6, tmp_path / "none", rtol=0, atol=0)
    eighths = (
        torch.tensor([1.0, 2.0]).to(torch.float8_e4m3fn),
        torch.tensor([1.125, 2.0]).to(torch.float8_e4m3fn),
    )
    assert is_accepted(*eighths, tmp_path / "float8", rtol=0.2, atol=0)


@pytest.mark.parametrize(
    "wrong", [{"rtol": 0.1}, {"atol": 0.1}, {"rtol": -1, "atol": 0}, {"rtol": 0, "atol": NAN}]
)
def test_tolerances_that_make_no_sense_are_refused(wrong: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tol"):
        is_accepted(torch.ones(1), torch.ones(1), tmp_path, **wrong)


def test_a_difference_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as raised:
        tensorferry.export(
            Differs(torch.ones(4), torch.tensor([1, 1, 3, 1.0])), [X], tmp_path / "m", format="torchscript"
        )
    assert str(raised.value) == (
        "output 'OUTPUT__0' of the exported model is not the module's, for the example: "
        "mismatched elements: 1 / 4 (25.0%), "
        "greatest absolute difference: 2.0 at index (2,) (up to 1e-05 allowed), "
        "greatest relative difference: 2.0 at index (2,) (up to 1.3e-06 allowed). "
        "If that is close enough, allow it with rtol= and atol="
    )


@pytest.mark.parametrize("dtype", [torch.complex32, torch.complex64, torch.bfloat16, torch.float64])
def test_large_outputs_are_compared_in_their_own_units(dtype: torch.dtype) -> None:
    expected = torch.full((3,), 1024.0).to(dtype)
    assert difference(expected.clone(), expected, Tolerances(), unit=1024.0) == ""
    assert difference(expected * 2, expected, Tolerances(), unit=1024.0) != ""
