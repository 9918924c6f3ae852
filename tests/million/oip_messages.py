"""The messages of the Open Inference Protocol, compiled from this repository's `.proto` files by protoc."""

from __future__ import annotations

import subprocess

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from harness import REPO_ROOT


def _compiled() -> descriptor_pool.DescriptorPool:
    command = ["protoc", "-I", "proto", "--include_imports", "--descriptor_set_out=/dev/stdout"]
    files = subprocess.run(
        [*command, "inference/grpc_service.proto"], cwd=REPO_ROOT, stdout=subprocess.PIPE, check=True
    ).stdout
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(files).file:
        pool.Add(file)
    return pool


_pool = _compiled()


def _message(name: str) -> type:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"inference.{name}"))


InferTensorContents = _message("InferTensorContents")
ModelInferRequest = _message("ModelInferRequest")
ModelInferResponse = _message("ModelInferResponse")
ModelStreamInferResponse = _message("ModelStreamInferResponse")
RepositoryModelLoadRequest = _message("RepositoryModelLoadRequest")
RepositoryModelLoadResponse = _message("RepositoryModelLoadResponse")
RepositoryModelUnloadRequest = _message("RepositoryModelUnloadRequest")
RepositoryModelUnloadResponse = _message("RepositoryModelUnloadResponse")
