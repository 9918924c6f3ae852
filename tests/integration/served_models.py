"""Torch modules in model repositories, made when the tests run, and what PyTorch computes with the very same files."""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import io
import json
import math
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import models
import oracle
import tensorferry
from harness import REPO_ROOT, TIMEOUT_S, Server, connect_stub
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import Outcome, array, request

FORMATS = {"torchscript": "model.pt", "aotinductor": "model.pt2", "exported": "model.pt2"}


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(16, 5)
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(100, 8)

    def forward(self, token: Tensor) -> Tensor:
        return self.table(token).mean(1)


class Several(nn.Module):
    def forward(self, left: Tensor, right: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        return left @ right * scale, left.sum(0)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 7, batch_first=True)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (hidden, cell) = self.lstm(x, (hidden, cell))
        return y, hidden, cell


class Echo(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.clone()


class Echoes(nn.Module):
    """Several dtypes at once: a package for each would take that many times as long to compile."""

    def forward(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor) -> dict[str, Tensor]:
        return {"a": a.clone(), "b": b.clone(), "c": c.clone(), "d": d.clone(), "e": e.clone(), "f": f.clone()}


class Plus(nn.Module):
    """Adds a number, by which one version is told from another."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        return x + self.number


class Sum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum()


class Shifted(nn.Module):
    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        return x if shift is None else x + shift


class OfDictionary(nn.Module):
    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"difference": inputs["a"] - inputs["b"], "product": inputs["a"] * inputs["b"]}


class Masked(nn.Module):
    """Takes an argument by place and one by name."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor, *, mask: Tensor) -> tuple[Tensor, Tensor]:
        return self.layer(x) * mask, x.sum(1)


class Gated(nn.Module):
    """Writes the rows of each run into the file of a `Gate`, and waits until that is open as far as its input says."""

    def __init__(self, gate: Gate, inner: nn.Module) -> None:
        super().__init__()
        self.file = str(gate.file)
        self.inner = inner

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        gate = torch.from_file(self.file, shared=True, size=4096, dtype=torch.int64)
        run = int(gate[1].add_(1))
        gate[3 + run] = x.shape[0]
        while int(gate[0]) < int(x.max()):
            gate[2].add_(1)  # Besides, it keeps TorchScript from reading gate[0] only once.
        return {"rows": torch.full((x.shape[0],), x.shape[0]), "result": self.inner(x)}


class Gate:
    """What a test and a `Gated` model that is being served tell each other, through shared memory."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(bytes(4096 * 8))
        self.file = file
        self._shared = np.memmap(file, np.int64, "r+")

    def open(self, to: int = 1 << 40) -> None:
        """Opens the gate for inputs whose largest element is at most `to`. Inputs without positive ones never wait."""
        self._shared[0] = to

    def runs(self) -> list[int]:
        """The rows of each run that was begun."""
        return self._shared[4 : 4 + int(self._shared[1])].tolist()


class Engine(NamedTuple):
    """A module that every engine is to run."""

    make: Callable[[], nn.Module]
    inputs: dict[str, Tensor]
    dynamic_batch: bool = False


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def from_elements(dtype: str, shape: tuple[int, ...], data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=getattr(torch, dtype)).reshape(shape)


def random_bits(dtype: str, *shape: int) -> Tensor:
    return from_elements(dtype, shape, oracle.random_bytes(dtype, math.prod(shape)))


ECHOED = ["float8_e4m3fn", "bfloat16", "uint16", "complex64", "complex32", "bool"]

ENGINES = {
    "perceptron": Engine(models.Perceptron, {"features": _normal(5, 16)}, dynamic_batch=True),
    "images": Engine(Images, {"image": _normal(2, 3, 10, 10)}, dynamic_batch=True),
    "tokens": Engine(Tokens, {"token": torch.arange(12).reshape(4, 3)}, dynamic_batch=True),
    "several": Engine(Several, {"left": _normal(3, 4), "right": _normal(4, 5), "scale": torch.tensor(0.5)}),
    "named": Engine(models.Named, {"x": _normal(5, 16)}),
    "bfloat16": Engine(lambda: models.Perceptron().bfloat16(), {"features": _normal(5, 16).bfloat16()}),
    "recurrent": Engine(Recurrent, {"x": _normal(2, 9, 6), "hidden": _normal(1, 2, 7), "cell": _normal(1, 2, 7)}),
    "echoes": Engine(Echoes, {name: random_bits(dtype, 4, 5) for name, dtype in zip("abcdef", ECHOED, strict=True)}),
}


def cached_export(key: str, build: Callable[[Path], object]) -> Path:
    """The folder that `build` fills. Compiling takes long: it is kept until something that went into it changes."""
    client = Path(tensorferry.__file__).parent
    function = build.func if isinstance(build, partial) else build
    here = {Path(__file__), Path(models.__file__), Path(inspect.getfile(function))}
    sources = [*sorted(here), client / "_export.py", *sorted(client.glob("_exporting/*.py"))]
    ingredients = [torch.__version__, str(torch.cpu.get_capabilities()), key, *(file.read_text() for file in sources)]
    folder = REPO_ROOT / "build/test-models" / hashlib.sha256("\0".join(ingredients).encode()).hexdigest()[:24]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Another process of these tests may be at it.
        if not folder.exists():
            new = Path(tempfile.mkdtemp(prefix="new-", dir=folder.parent))
            build(new)
            new.rename(folder)
    return folder


def add_exported(root: Path, name: str, format: str) -> Path:
    """Puts an engine's module into a repository, as tensorferry.export writes it; returns the model file."""
    make, inputs, dynamic_batch = ENGINES[name]

    def build(folder: Path) -> None:
        torch.manual_seed(0)
        tensorferry.export(make(), inputs, folder / name, format=format, dynamic_batch=dynamic_batch)

    cached = cached_export(f"{name} {format}", build)
    shutil.copytree(cached / name, root / f"{name}-{format}")
    return root / f"{name}-{format}" / "1" / FORMATS[format]


def _compile_masked(folder: Path) -> None:
    """Compiles as the documentation of torch.export does, which makes a program for two rows and more."""
    torch.manual_seed(0)
    rows = torch.export.Dim("rows", max=64)
    example, mask = torch.randn(5, 4), torch.randn(5, 3)
    shapes = {"x": {0: rows}, "mask": {0: rows}}
    program = torch.export.export(Masked().eval(), (example,), {"mask": mask}, dynamic_shapes=shapes)
    torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))
    torch.export.save(program, folder / "exported.pt2")


def masked_package() -> Path:
    """A package that tensorferry.export did not make; beside it lies `exported.pt2`, what it was compiled from."""
    return cached_export("masked", _compile_masked) / "model.pt2"


def zipped(entries: Mapping[str, str | bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return archive.getvalue()


def entries_of(archive: Path | bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive) if isinstance(archive, bytes) else archive) as file:
        return {name: file.read(name) for name in file.namelist()}


def package_with_weights_beside() -> bytes:
    """A package that says that weights lie beside its library; it is sound in truth."""
    entries = entries_of(masked_package())
    folder = next(name for name in entries if name.endswith(".wrapper.cpp")).rpartition("/")[0]
    named = json.dumps({"weight": ["weight_0", [2, 2], [2, 1], 0]}).encode()
    return zipped({**entries, f"{folder}/weights_config.json": named})


def script(module: nn.Module) -> bytes:
    """A TorchScript file."""
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(module.eval()), buffer)
    return buffer.getvalue()


def put(folder: Path, module: nn.Module, config: str = "", version: int = 1) -> Path:
    """Adds a version of a TorchScript model to a repository, complete when it appears; returns the model file."""
    return put_bytes(folder / str(version) / "model.pt", script(module), config)


def put_bytes(file: Path, content: bytes, config: str = "") -> Path:
    """Adds the file of a version, complete when it appears."""
    with _appearing(file.parent, config) as version:
        (version / file.name).write_bytes(content)
    return file


def put_file(folder: Path, file: Path, config: str = "", version: int = 1) -> None:
    """Adds a copy of a model file to a repository, complete when it appears, under a configuration of its own."""
    with _appearing(folder / str(version), config) as made:
        shutil.copy(file, made)


@contextmanager
def _appearing(version: Path, config: str) -> Iterator[Path]:
    """A folder to be filled, which becomes that of a version: with its model, where that is new. Whoever looks at the
    repository meanwhile sees no part of it."""
    model = version.parent
    model.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=model.parent) as folder:
        made = Path(folder) / model.name
        (made / version.name).mkdir(parents=True)
        if config:
            (made / "config.pbtxt").write_text(config)
        yield made / version.name
        if not model.exists():
            made.rename(model)
            return
        if config:
            (made / "config.pbtxt").rename(model / "config.pbtxt")
        (made / version.name).rename(version)


def config_tensor(kind: str, name: str, data_type: str, dims: str, more: str = "") -> str:
    """One `input` or `output` of a config.pbtxt."""
    return f'{kind} {{ name: "{name}" data_type: {data_type} dims: [{dims}] {more} }}\n'


def elements(tensor: Tensor) -> bytes:
    """Returns the elements in C order, as they travel."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def dtype_name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def infer(model: str, inputs: Mapping[str, Tensor], **fields: object) -> pb.ConvertRequest:
    arrays = (array(dtype_name(x), x.shape, elements(x), name=name) for name, x in inputs.items())
    return request(*arrays, model_name=model, **fields)


def _loaded_in_python(file: Path) -> Callable[..., object]:
    with zipfile.ZipFile(file) as archive:
        members = archive.namelist()
    if any(name.endswith("/models/model.json") for name in members):
        return torch.export.load(str(file)).module()
    return torch._inductor.aoti_load_package(str(file)) if file.suffix == ".pt2" else torch.jit.load(str(file))


def run_in_python(file: Path, *args: Tensor, **kwargs: Tensor) -> dict[str, Tensor]:
    """What PyTorch computes with the same file, on one thread, from inputs aligned as the server's."""
    torch.set_num_threads(1)
    run = _loaded_in_python(file)  # In inference mode weights would forget that they require gradients.
    with torch.inference_mode():
        result = run(*(x.clone() for x in args), **{name: x.clone() for name, x in kwargs.items()})
    if isinstance(result, dict):
        return result
    result = (result,) if isinstance(result, Tensor) else result
    return {f"OUTPUT__{i}": output for i, output in enumerate(result)}


def check_outputs(outcome: Outcome, expected: Mapping[str, Tensor]) -> None:
    """The outputs are these, in this order, bit for bit."""
    assert outcome.refusal is None, outcome.refusal
    assert [output.metadata.name for output in outcome.outputs] == list(expected)
    for output, wanted in zip(outcome.outputs, expected.values(), strict=True):
        assert output.metadata.dtype == dtype_name(wanted)
        assert tuple(output.metadata.shape) == tuple(wanted.shape)
        assert output.data == elements(wanted)


def listed(stub: TensorServiceStub) -> dict[str, dict[str, pb.ModelInfo]]:
    """The models that the server knows, by name and version."""
    models_by_name: dict[str, dict[str, pb.ModelInfo]] = {}
    for model in stub.ListModels(pb.ListModelsRequest(), timeout=TIMEOUT_S).models:
        models_by_name.setdefault(model.name, {})[model.version] = model
    return models_by_name


def first_versions(stub: TensorServiceStub) -> dict[str, pb.ModelInfo]:
    return {name: versions["1"] for name, versions in listed(stub).items()}


@contextmanager
def serving_alone(folder: Path) -> Iterator[TensorServiceStub]:
    """A server of a repository whose operators have one thread, as PyTorch's have in the tests."""
    with (
        Server("--model-dir", f"{folder}", "--intra-op-threads", "1") as server,
        connect_stub(server.address) as connected,
    ):
        yield connected
        assert server.alive(), server.log()
