"""The service in Python, as most people would write it: grpcio, NumPy, torch.from_numpy, ten threads, torch.jit.load.

python_server.py MODELS ADDRESS...
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import torch

from models import EXAMPLES
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceServicer, add_TensorServiceServicer_to_server


def load(file: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    if file.suffix == ".pt2":
        package = torch._inductor.aoti_load_package(str(file))
        return lambda x: package(x=x)
    return torch.jit.load(str(file)).eval()


def to_tensor(array: pb.Array) -> tuple[torch.Tensor, pb.Tensor]:
    elements = np.frombuffer(array.data, dtype=np.dtype(array.dtype)).reshape(tuple(array.shape))
    tensor = torch.from_numpy(elements)  # Borrows the message.
    dtype = str(tensor.dtype).removeprefix("torch.")
    metadata = pb.TensorMetadata(
        name=array.name,
        dtype=dtype,
        shape=tensor.shape,
        strides=tensor.stride(),
        numel=tensor.numel(),
        itemsize=tensor.element_size(),
        nbytes=tensor.nbytes,
        device=str(tensor.device),
        receipt=pb.Receipt(
            source_dtype=array.dtype, numpy_dtype=elements.dtype.name, dtype_equal=dtype == elements.dtype.name
        ),
    )
    return tensor, pb.Tensor(metadata=metadata)


def model_info(name: str) -> pb.ModelInfo:
    _, (_, *dims) = EXAMPLES[name.split("_")[0]]
    info = pb.ModelInfo(name=name, state=pb.MODEL_STATE_READY)
    info.inputs.add(name="x", dtype="float32", shape=[-1, *dims])
    return info


class TensorService(TensorServiceServicer):
    def __init__(self, models: Path) -> None:
        self._models = {file.parents[1].name: load(file) for file in models.glob("*/1/model.*")}

    def convert(self, request: pb.ConvertRequest) -> pb.ConvertResponse:
        converted = [to_tensor(array) for array in request.arrays]
        response = pb.ConvertResponse(request_id=request.request_id, tensors=[tensor for _, tensor in converted])
        if request.model_name:
            with torch.inference_mode():
                output = self._models[request.model_name](*(tensor for tensor, _ in converted))
            metadata = pb.TensorMetadata(name="OUTPUT__0", dtype="float32", shape=output.shape, nbytes=output.nbytes)
            response.outputs.add(metadata=metadata, data=output.numpy().tobytes())
        return response

    def Convert(self, request: pb.ConvertRequest, context: object) -> pb.ConvertResponse:  # noqa: N802
        return self.convert(request)

    def ConvertStream(  # noqa: N802
        self, parts: Iterator[pb.ConvertStreamRequest], context: object
    ) -> Iterator[pb.ConvertStreamResponse]:
        for part in parts:
            yield pb.ConvertStreamResponse(response=self.convert(part.request))

    def ListModels(self, request: object, context: object) -> pb.ListModelsResponse:  # noqa: N802
        return pb.ListModelsResponse(models=[model_info(name) for name in self._models])

    def GetServerInfo(self, request: object, context: object) -> pb.GetServerInfoResponse:  # noqa: N802
        return pb.GetServerInfoResponse(recommended_chunk_bytes=1 << 20)


def main() -> None:
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    torch.set_num_threads(1)
    server = grpc.server(ThreadPoolExecutor(max_workers=10), options=[("grpc.max_receive_message_length", -1)])
    add_TensorServiceServicer_to_server(TensorService(Path(sys.argv[1])), server)
    line = "ready"
    for address in sys.argv[2:]:
        port = server.add_insecure_port(address)
        line += f" grpc={address if address.startswith('unix:') else f'127.0.0.1:{port}'}"
    server.start()
    print(line, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
