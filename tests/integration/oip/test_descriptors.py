"""The protocol's files here against the generated code of Triton's newest client: the same names, numbers and types."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest
from google.protobuf import descriptor_pb2

from harness import REPO_ROOT
from oip.environments import NEWEST, python_of

PROTOS = ("inference/model_config.proto", "inference/grpc_service.proto")

# This program prints the other side's descriptors. They must not be loaded here: a process has room for one set of
# these names.
PRINT_THEIRS = """
import base64, json
from google.protobuf import descriptor_pb2
from tritonclient.grpc import model_config_pb2, service_pb2
files = []
for module in (model_config_pb2, service_pb2):
    proto = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(proto)
    files.append(base64.b64encode(proto.SerializeToString()).decode())
print(json.dumps(files))
"""


def flatten(files: list[descriptor_pb2.FileDescriptorProto]) -> dict[str, object]:
    """Everything that shows on the wire, by full name."""
    found: dict[str, object] = {}

    def add_enum(prefix: str, enum: descriptor_pb2.EnumDescriptorProto) -> None:
        found[f"{prefix}.{enum.name}"] = {value.name: value.number for value in enum.value}

    def add_message(prefix: str, message: descriptor_pb2.DescriptorProto) -> None:
        name = f"{prefix}.{message.name}"
        found[name] = {
            field.number: (
                field.name,
                field.type,
                field.label,
                field.type_name,
                message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None,
            )
            for field in message.field
        }
        for nested in message.nested_type:
            add_message(name, nested)
        for enum in message.enum_type:
            add_enum(name, enum)

    for file in files:
        for message in file.message_type:
            add_message(file.package, message)
        for enum in file.enum_type:
            add_enum(file.package, enum)
        for service in file.service:
            found[f"{file.package}.{service.name}"] = {
                method.name: (method.input_type, method.output_type, method.client_streaming, method.server_streaming)
                for method in service.method
            }
    return found


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    output = tmp_path_factory.mktemp("descriptors") / "set.bin"
    command = ["protoc", f"-I{REPO_ROOT}/proto", f"--descriptor_set_out={output}", *PROTOS]
    subprocess.run(command, check=True)
    return flatten(list(descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file))


@pytest.fixture(scope="module")
def theirs() -> dict[str, object]:
    printed = subprocess.run([python_of(NEWEST), "-c", PRINT_THEIRS], check=True, capture_output=True, text=True).stdout
    files = [descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text)) for text in json.loads(printed)]
    return flatten(files)


def test_the_wire_is_the_same(ours: dict[str, object], theirs: dict[str, object]) -> None:
    assert len(theirs) > 100
    assert ours.keys() >= theirs.keys()
    for name, definition in theirs.items():
        assert ours[name] == definition, name


def test_nothing_is_added(ours: dict[str, object], theirs: dict[str, object]) -> None:
    assert ours.keys() - theirs.keys() == set()
