"""What a model is asked, and what it answers besides arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Union

from tensorferry import _arguments
from tensorferry._elements import Array
from tensorferry._sources import Source
from tensorferry._torch import as_torch
from tensorferry.v1 import tensor_service_pb2 as pb


class Timing(NamedTuple):
    """Where the server's time went, in nanoseconds.

    Attributes:
        receive_ns: From the request's beginning to the last byte of its arrays.
        convert_ns: Copying elements, taking digests, making tensors.
        queue_ns: Waiting for the model.
        compute_ns: Running it.
    """

    receive_ns: int = 0
    convert_ns: int = 0
    queue_ns: int = 0
    compute_ns: int = 0

    def __str__(self) -> str:
        parts = ("receive", "convert", "queue", "compute")
        return ", ".join(f"{part} {getattr(self, f'{part}_ns') / 1000:.1f} µs" for part in parts)


NO_TIMING = Timing()


def to_timing(message: pb.Timing) -> Timing:
    return Timing(message.receive_ns, message.convert_ns, message.queue_ns, message.compute_ns)


class Outputs(dict[str, Array]):
    """The outputs of a model, by name.

    Attributes:
        model, version: Those that ran.
        request_id: As in the request.
        timing: Where the server's time went.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array],
        *,
        model: str = "",
        version: str = "",
        request_id: str = "",
        timing: Timing = NO_TIMING,
    ) -> None:
        super().__init__(arrays)
        self.model = model
        self.version = version
        self.request_id = request_id
        self.timing = timing

    def as_torch(self) -> dict[str, Any]:
        """Returns the outputs as torch tensors, over the same memory. Errors: ImportError without torch."""
        return {name: as_torch(array) for name, array in self.items()}


@dataclass(frozen=True)
class Infer:
    """One request of `infer_many`: the arguments of `infer`.

    Errors: TypeError and ValueError for arguments that cannot be meant.
    """

    model: str
    inputs: Mapping[str, Source]
    version: str | int = ""
    outputs: Sequence[str] = field(default=())
    request_id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", _arguments.model(self.model))
        object.__setattr__(self, "version", _arguments.version(self.version))
        object.__setattr__(self, "outputs", tuple(_arguments.texts("outputs", self.outputs)))
        object.__setattr__(self, "request_id", _arguments.text("request_id", self.request_id))
        _arguments.inputs(self.inputs)


InferLike = Union[Infer, tuple[str, Mapping[str, Source]]]  # What infer_many takes.


def to_infer(value: Any) -> Infer:
    """Returns a request of `infer_many`, for which a pair will do. Errors: TypeError, ValueError."""
    if isinstance(value, Infer):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return Infer(*value)
    raise _arguments.wrong_type("each request", "an Infer or a pair of model and inputs", value)
