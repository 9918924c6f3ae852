"""The models of the tests' repository: what their configurations say. Free of torch, for the clients read it too."""

from __future__ import annotations

from dataclasses import dataclass, field

# An element in raw form has so many bytes, by the protocol's name of its datatype.
ITEM_SIZES = {
    "BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8,
    "FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8,
}  # fmt: skip

# This server takes these beyond the protocol, under torch's names in capitals.
EXTENSION_ITEM_SIZES = {
    "FLOAT8_E4M3FN": 1, "FLOAT8_E4M3FNUZ": 1, "FLOAT8_E5M2": 1, "FLOAT8_E5M2FNUZ": 1, "FLOAT8_E8M0FNU": 1,
    "COMPLEX32": 4, "COMPLEX64": 8, "COMPLEX128": 16,
}  # fmt: skip

LABELS = ("cat", "dog", "bird", "fish")


@dataclass(frozen=True)
class TensorConfig:
    """One `input` or `output` of a config.pbtxt, without the batch dimension."""

    name: str
    datatype: str
    dims: tuple[int, ...] = (-1,)
    more: str = ""

    def data_type(self) -> str:
        return "TYPE_STRING" if self.datatype == "BYTES" else f"TYPE_{self.datatype}"

    def text(self, kind: str) -> str:
        dims = ", ".join(map(str, self.dims))
        return f'{kind} {{ name: "{self.name}" data_type: {self.data_type()} dims: [{dims}] {self.more} }}\n'


@dataclass(frozen=True)
class Model:
    """A model of both servers: a TorchScript one here, its twin of NumPy in a real Triton."""

    inputs: tuple[TensorConfig, ...]
    outputs: tuple[TensorConfig, ...]
    twin: str  # What twins/model.py is to do.
    max_batch_size: int = 0
    more: str = ""
    versions: tuple[int, ...] = (1,)
    files: dict[str, str] = field(default_factory=dict)

    def config(self, name: str, platform: str) -> str:
        """The text of its config.pbtxt."""
        lines = [f'name: "{name}"\n', f"{platform}\n", f"max_batch_size: {self.max_batch_size}\n"]
        lines += [tensor.text("input") for tensor in self.inputs]
        lines += [tensor.text("output") for tensor in self.outputs]
        return "".join([*lines, f"{self.more}\n"])

    def shape_in_metadata(self, tensor: TensorConfig) -> list[int]:
        return [*([-1] if self.max_batch_size else []), *tensor.dims]


def _one(datatype: str, twin: str = "identity", dims: tuple[int, ...] = (-1,), **changes: object) -> Model:
    inputs, outputs = (TensorConfig("INPUT0", datatype, dims),), (TensorConfig("OUTPUT0", datatype, dims),)
    return Model(inputs, outputs, twin, **changes)


def _two(datatype: str, dims: tuple[int, ...], twin: str, **changes: object) -> Model:
    """A model like Triton's own examples `simple` and `simple_string`."""
    inputs = tuple(TensorConfig(f"INPUT{i}", datatype, dims) for i in range(2))
    return Model(inputs, tuple(TensorConfig(f"OUTPUT{i}", datatype, dims) for i in range(2)), twin, **changes)


def _gated(scheduling: str, max_batch_size: int) -> Model:
    """Waits in each run for its gate, and says how many rows ran together (clients/triton/gates.py)."""
    outputs = (TensorConfig("ROWS", "INT64", (1,)), TensorConfig("OUTPUT0", "FP32", (1,)))
    more = f"instance_group {{ count: 1 kind: KIND_CPU }}\n{scheduling}"
    return Model((TensorConfig("INPUT0", "FP32", (1,)),), outputs, "gated", max_batch_size, more)


ALL_VERSIONS = "version_policy { all {} }"
QUEUE = """dynamic_batching {
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy { max_queue_size: 4 allow_timeout_override: true default_timeout_microseconds: 600000000 }
}"""

# A gated model and its test meet in a file of int64. The first number is the largest input that need not wait; the
# second counts the runs that began, and the fourth those that ended. Then come, for each run, its rows and its
# largest input.
GATE_SIZE, GATE_HEIGHT, GATE_RUNS, GATE_ENDED, GATE_ROWS, GATE_INPUTS = 4096, 0, 1, 3, 1024, 2560

MODELS: dict[str, Model] = {
    "simple": _two("INT32", (16,), "sum_and_difference", max_batch_size=8),
    "simple_string": _two("BYTES", (-1,), "sum_and_difference_of_strings"),
    "plus": _one("FP32", "plus_version", more=ALL_VERSIONS, versions=(1, 3)),
    "latest": _one("FP32", "plus_version", versions=(1, 2)),
    "scratch": _one("FP32"),
    "idle": _one("FP32"),
    "counted": _one("FP32", max_batch_size=8),
    "grid": _one("FP32", dims=(2, 3)),
    "classifier": Model(
        (TensorConfig("INPUT0", "FP32", (4,)),),
        (
            TensorConfig("OUTPUT0", "FP32", (4,), 'label_filename: "labels.txt"'),
            TensorConfig("OUTPUT1", "INT32", (4,)),
        ),
        "scores",
        max_batch_size=8,
        files={"labels.txt": "".join(f"{label}\n" for label in LABELS)},
    ),
    "batched": _gated("dynamic_batching {}", 8),
    "queued": _gated(QUEUE, 1),
    "patient": _gated("dynamic_batching { max_queue_delay_microseconds: 600000000 }", 5),
    "failing": _one("FP32", "fail"),
    **{f"identity_{datatype.lower()}": _one(datatype) for datatype in ITEM_SIZES},
}
