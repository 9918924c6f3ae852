"""Packages for tests of what packages hold: compiled once, and altered."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import torch
import torch._inductor.config as inductor
from torch import Tensor, nn

import tensorferry
from harness import MIB
from served_models import cached_export, entries_of, zipped


class Heavy(nn.Module):
    """Has 16 MiB of weights."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((4 * MIB,), float(number)))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weights[:1]


def heavy_package() -> Path:
    def build(folder: Path) -> None:
        tensorferry.export(Heavy(0), {"x": torch.zeros(1, 4)}, folder / "heavy", format="aotinductor")

    return cached_export("heavy", build) / "heavy/1/model.pt2"


def with_weights(package: Path, number: float) -> bytes:
    """The package with other weights, of float32, all of them `number`, as a module that was trained anew has."""
    entries = entries_of(package)
    (blob,) = (name for name in entries if name.endswith(".blob"))
    weights = np.full(len(entries[blob]) // 4, number, np.float32).tobytes()
    return zipped({**entries, blob: weights})


class Counting(nn.Module):
    """Has 16 MiB of weights, and adds the number of its runs, which it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(4 * MIB))
        self.register_buffer("runs", torch.zeros(4))  # torch takes one element for a constant.

    def forward(self, x: Tensor) -> Tensor:
        self.runs.add_(1)
        return x + self.weights[:1] + self.runs


def counting_package() -> Path:
    """A package with its weights in the library."""

    def build(folder: Path) -> None:
        shapes = {"x": {0: torch.export.Dim("rows", max=64)}}
        program = torch.export.export(Counting().eval(), (), {"x": torch.zeros(3, 4)}, dynamic_shapes=shapes)
        torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))

    return cached_export("counting", build) / "model.pt2"


def package_that_needs_libtorch() -> Path:
    """A package whose library names libtorch.so, as those of torch's wheel with CUDA do; here the linker leaves it out
    unless it is told otherwise."""

    def build(folder: Path) -> None:
        compiler = folder / "g++"
        compiler.write_text(
            '#!/bin/sh\ncase " $* " in *" -shared "*) set -- -Wl,--no-as-needed "$@" ;; esac\nexec g++ "$@"\n'
        )
        compiler.chmod(0o755)
        program = torch.export.export(nn.Softmax(-1), (torch.zeros(3, 4),))
        with inductor.patch({"cpp.cxx": (None, str(compiler)), "aot_inductor.precompile_headers": False}):
            torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))

    package = cached_export("libtorch", build) / "model.pt2"
    (library,) = (content for name, content in entries_of(package).items() if name.endswith(".so"))
    assert b"\0libtorch.so\0" in library
    return package


def package_without_library() -> bytes:
    """A whole archive, with a few bytes where the library should be."""
    return zipped(
        {
            name: b"no library" if name.endswith(".so") else content
            for name, content in entries_of(heavy_package()).items()
        }
    )


class Laid(nn.Module):
    """Takes tensors of any strides."""

    def forward(self, image: Tensor, turned: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        channels = torch.arange(1.0, image.shape[1] + 1).reshape(1, -1, 1, 1)
        return image * channels + 1, (image * channels).sum(1), turned.cumsum(0) + 1, rows @ rows.T


def laid_inputs(batch: int, height: int, width: int) -> list[Tensor]:
    """Inputs none of which is in C order: in torch.channels_last, turned, and rows of a wider tensor."""
    image = torch.arange(3.0 * batch * height * width).reshape(batch, 3, height, width)
    turned = torch.arange(7.0 * batch * height).reshape(height, batch, 7).permute(1, 0, 2)
    return [image.to(memory_format=torch.channels_last), turned, torch.arange(24.0).reshape(4, 6)[:, :3]]


def laid_package() -> Path:
    """A package that was compiled for other strides than those of tensors in C order."""

    def build(folder: Path) -> None:
        dynamic = torch.export.Dim.DYNAMIC
        shapes = ({0: dynamic, 2: dynamic, 3: dynamic}, {0: dynamic, 1: dynamic}, None)
        program = torch.export.export(Laid(), tuple(laid_inputs(2, 4, 5)), dynamic_shapes=shapes)
        torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))

    return cached_export("laid", build) / "model.pt2"


class Related(nn.Module):
    """Adds to `x` the beginning of a table. `double` is twice as long as `x`, `joined` as long as `x` and `table`, and
    `triples` has whole triples."""

    def forward(self, x: Tensor, table: Tensor, double: Tensor, joined: Tensor, triples: Tensor) -> tuple[Tensor, ...]:
        rows = triples.reshape(-1, 3)
        return x + table[: x.shape[0]], x.repeat(2) + double, torch.cat([x, table]) * joined, rows.sum(1)


class Cut(nn.Module):
    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        return x + table[: x.shape[0]]


def related_inputs(x: int = 4, table: int = 6, double: int = 8, joined: int = 10, triples: int = 12) -> list[Tensor]:
    return [torch.arange(float(size)) for size in (x, table, double, joined, triples)]


def _program(module: nn.Module, inputs: list[Tensor], asserts: bool) -> torch.export.ExportedProgram:
    shapes = tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs)
    return torch.export.export(
        module, tuple(inputs), dynamic_shapes=shapes, prefer_deferred_runtime_asserts_over_guards=asserts
    )


def related_program() -> nn.Module:
    """`Related` as PyTorch exports it: it refuses sizes that it was not exported for."""
    return _program(Related(), related_inputs(), asserts=False).module()


def related_package() -> Path:
    def build(folder: Path) -> None:
        program = _program(Related(), related_inputs(), asserts=True)
        torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))

    return cached_export("related", build) / "model.pt2"


def cut_package() -> Path:
    """A package whose program has a guard that AOTInductor leaves out."""

    def build(folder: Path) -> None:
        program = _program(Cut(), related_inputs()[:2], asserts=False)
        torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))

    return cached_export("cut", build) / "model.pt2"


_OPERATOR = """
#include <ATen/core/Tensor.h>
#include <ATen/ops/mul.h>
#include <torch/library.h>

TORCH_LIBRARY(tensorferry_test, library) {
  library.def("twice(Tensor x) -> Tensor", [](const at::Tensor& x) { return at::mul(x, 2); });
}
"""


def operator_library() -> Path:
    """A library that registers the operator tensorferry_test::twice."""

    def build(folder: Path) -> None:
        (folder / "twice.cc").write_text(_OPERATOR)
        torch_folder = Path(torch.__file__).parent
        includes = [f"-I{torch_folder}/include", f"-I{torch_folder}/include/torch/csrc/api/include"]
        links = [f"-L{torch_folder}/lib", "-ltorch_cpu", "-lc10"]
        flags = ["-std=c++20", "-O0", "-shared", "-fPIC", *includes, "-o", folder / "libtwice.so"]
        subprocess.run(["g++", folder / "twice.cc", *flags, *links], check=True, capture_output=True)

    return cached_export("operator", build) / "libtwice.so"
