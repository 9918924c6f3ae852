"""The service in Python, as most people would write it: grpcio, NumPy, torch.from_numpy, ten threads.

python_server.py ADDRESS...
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import torch

from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceServicer, add_TensorServiceServicer_to_server


def describe(array: pb.Array) -> pb.Tensor:
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
    return pb.Tensor(metadata=metadata)


def convert(request: pb.ConvertRequest) -> pb.ConvertResponse:
    return pb.ConvertResponse(request_id=request.request_id, tensors=[describe(array) for array in request.arrays])


class TensorService(TensorServiceServicer):
    def Convert(self, request: pb.ConvertRequest, context: object) -> pb.ConvertResponse:  # noqa: N802
        return convert(request)

    def ConvertStream(  # noqa: N802
        self, parts: Iterator[pb.ConvertStreamRequest], context: object
    ) -> Iterator[pb.ConvertStreamResponse]:
        for part in parts:
            yield pb.ConvertStreamResponse(response=convert(part.request))

    def GetServerInfo(self, request: object, context: object) -> pb.GetServerInfoResponse:  # noqa: N802
        return pb.GetServerInfoResponse(recommended_chunk_bytes=1 << 20)


def main() -> None:
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    torch.set_num_threads(1)
    server = grpc.server(ThreadPoolExecutor(max_workers=10), options=[("grpc.max_receive_message_length", -1)])
    add_TensorServiceServicer_to_server(TensorService(), server)
    line = "ready"
    for address in sys.argv[1:]:
        port = server.add_insecure_port(address)
        line += f" grpc={address if address.startswith('unix:') else f'127.0.0.1:{port}'}"
    server.start()
    print(line, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
