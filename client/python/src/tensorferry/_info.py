"""What a server says of itself and of its models."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from tensorferry._enums import enum_name
from tensorferry._errors import ProtocolError
from tensorferry._html import table
from tensorferry.v1 import tensor_service_pb2 as pb


class HealthStatus(enum.IntEnum):
    """Answer of the standard health service, numbered as in grpc.health.v1."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3

    def __str__(self) -> str:
        return self.name

    def __format__(self, spec: str) -> str:
        """Writes a number where the format is one of numbers (`d`), else the name."""
        return format(int(self), spec) if spec[-1:] in set("bcdoxXn") else format(self.name, spec)


def _size(nbytes: int) -> str:
    """Returns bytes in the largest unit of which they are a multiple."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    power = 0
    while nbytes and nbytes % 1024 == 0 and power < len(units) - 1:
        nbytes, power = nbytes // 1024, power + 1
    return f"{nbytes} {units[power]}"


def to_health(status: int) -> HealthStatus:
    """Errors: ProtocolError for a number that grpc.health.v1 does not have."""
    try:
        return HealthStatus(status)
    except ValueError as error:
        raise ProtocolError(f"{status} is no status of grpc.health.v1") from error


@dataclass(frozen=True)
class DtypeInfo:
    """One dtype that the server converts; `numpy_descr` is empty where NumPy has no unambiguous one."""

    numpy_dtype: str
    numpy_descr: str
    torch_dtype: str
    itemsize: int
    oip_datatype: str


@dataclass(frozen=True)
class ServerInfo:
    """Version, limits (in bytes) and dtypes of a server."""

    version: str
    torch_version: str
    max_message_bytes: int
    max_tensor_bytes: int
    recommended_chunk_bytes: int
    max_ndim: int
    dtypes: tuple[DtypeInfo, ...]
    features: tuple[str, ...]

    def __str__(self) -> str:
        limits = (
            f"messages up to {_size(self.max_message_bytes)}, arrays up to {_size(self.max_tensor_bytes)}"
        )
        return f"tensorferry {self.version}, torch {self.torch_version}, {len(self.dtypes)} dtypes, {limits}"


@dataclass(frozen=True)
class TensorSpec:
    """What a model takes or gives: -1 = any size; an empty `dtype` = the model does not say."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {list(self.shape)}" if self.dtype else self.name


@dataclass(frozen=True)
class Model:
    """One model version; `state` is "LOADING", "READY", "UNAVAILABLE" (`reason` says why) or "UNLOADING"."""

    name: str
    version: str
    state: str
    reason: str
    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    sha256: str

    def __str__(self) -> str:
        """One line: `mlp 1 READY: x float32 [-1, 16] -> y float32 [-1, 4]`."""
        inputs, outputs = ("; ".join(map(str, specs)) for specs in (self.inputs, self.outputs))
        shown = self.reason or f"{inputs or '?'} -> {outputs or '?'}"
        return f"{self.name} {self.version} {self.state}: {shown}"

    def _repr_html_(self) -> str:
        """A table, which notebooks show."""
        return table(
            f"Model {self.name}, version {self.version}",
            [
                ("state", self.state),
                ("reason", self.reason),
                ("platform", self.platform),
                *(("input", str(spec)) for spec in self.inputs),
                *(("output", str(spec)) for spec in self.outputs),
                ("sha256", self.sha256),
            ],
        )


def to_server_info(message: pb.GetServerInfoResponse) -> ServerInfo:
    return ServerInfo(
        version=message.version,
        torch_version=message.torch_version,
        max_message_bytes=message.max_message_bytes,
        max_tensor_bytes=message.max_tensor_bytes,
        recommended_chunk_bytes=message.recommended_chunk_bytes,
        max_ndim=message.max_ndim,
        dtypes=tuple(
            DtypeInfo(row.numpy_dtype, row.numpy_descr, row.torch_dtype, row.itemsize, row.oip_datatype)
            for row in message.dtypes
        ),
        features=tuple(message.features),
    )


def to_models(message: pb.ListModelsResponse) -> list[Model]:
    return [
        Model(
            name=model.name,
            version=model.version,
            state=enum_name(pb.ModelState, model.state),
            reason=model.reason,
            platform=model.platform,
            inputs=tuple(_to_spec(spec) for spec in model.inputs),
            outputs=tuple(_to_spec(spec) for spec in model.outputs),
            sha256=model.sha256,
        )
        for model in message.models
    ]


def _to_spec(spec: pb.TensorSpec) -> TensorSpec:
    return TensorSpec(spec.name, spec.dtype, tuple(spec.shape))
