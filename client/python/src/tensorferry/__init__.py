"""NumPy arrays to torch tensors on a tensorferry server, with a receipt for each.

>>> with tensorferry.Client("localhost:8001") as client:
...     print(client.convert(np.array([1, 2, 3, 4], dtype=np.int16)).dtype)
int16
"""

from tensorferry import aio, ray, smg
from tensorferry._compiled import core
from tensorferry._errors import (
    ArrayError,
    DeadlineError,
    ProtocolError,
    RefusedError,
    TensorferryError,
    TransportError,
    VerificationError,
)
from tensorferry._export import export
from tensorferry._info import DtypeInfo, HealthStatus, Model, ServerInfo, TensorSpec
from tensorferry._receipt import Receipt
from tensorferry._results import Infer, Outputs, Timing
from tensorferry._server import Server
from tensorferry._tls import TLS
from tensorferry._torch import as_torch
from tensorferry.client import Client

__version__ = "0.1.0"

__all__ = [
    "TLS",
    "ArrayError",
    "Client",
    "DeadlineError",
    "DtypeInfo",
    "HealthStatus",
    "Infer",
    "Model",
    "Outputs",
    "ProtocolError",
    "Receipt",
    "RefusedError",
    "Server",
    "ServerInfo",
    "TensorSpec",
    "TensorferryError",
    "Timing",
    "TransportError",
    "VerificationError",
    "aio",
    "as_torch",
    "core",
    "export",
    "ray",
    "smg",
]
