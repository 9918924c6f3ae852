"""The rooms of the house: which folder may include which, and which libraries it may see.

A room is a folder; a file belongs to the room with the longest path that holds it. Rooms stand lowest first, and each
may include its own headers and those of the rooms that it names, which all stand above it in this table.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from repository import ROOT


@dataclass(frozen=True)
class Room:
    target: str  # The CMake target that is built from the room.
    includes: frozenset[str] = frozenset()  # Rooms.
    libraries: frozenset[str] = frozenset()  # Keys of LIBRARIES.


def room(target: str, includes: str = "", libraries: str = "") -> Room:
    return Room(target, frozenset(includes.split()), frozenset(libraries.split()))


# An include belongs to the first library whose pattern it matches. An include that matches none is free for all.
LIBRARIES = {
    "native-proto": re.compile(r"^tensorferry/v1/.*\.pb\.h$"),
    "oip-proto": re.compile(r"^inference/.*\.pb\.h$"),
    "grpc": re.compile(r"^(grpcpp|grpc)/"),
    "protobuf": re.compile(r"^google/"),
    "openssl": re.compile(r"^openssl/"),
    "prometheus": re.compile(r"^prometheus/"),
    "boost": re.compile(r"^boost/"),
    "torch": re.compile(r"^(torch|ATen|c10|caffe2)/"),
    "zlib": re.compile(r"^zlib\.h$"),
}

ROOMS = {
    "server/base": room("base"),
    "server/payload": room("payload", "server/base"),
    "server/files": room("files", "server/base server/payload"),
    "server/outcome": room("outcome", "server/payload"),
    "server/inference": room("inference", "server/base server/payload"),
    "server/config": room("config", "server/base server/inference"),
    "server/security": room("security", "server/base", "openssl"),
    "server/metrics": room("metrics", "server/base server/payload server/inference", "prometheus"),
    "server/http": room("http", "server/base server/security", "boost openssl zlib"),
    "server/sealed": room("sealed", "server/base"),
    "server/cuda": room("cuda", "server/base"),
    "server/page": room("page", "server/http"),
    "server/fetch": room("fetch", "server/base", "boost openssl"),
    "server/tracing": room("tracing", "server/base server/fetch"),
    "server/inference/tensor": room("inference_tensor", "server/base server/payload server/inference", "torch"),
    "server/inference/engine": room(
        "inference_engine", "server/base server/payload server/inference server/inference/tensor", "openssl torch"
    ),
    "server/inference/isolation": room(
        "inference_isolation",
        "server/base server/payload server/inference server/inference/tensor server/inference/engine",
        "torch",
    ),
    "server/inference/serving": room(
        "inference_serving", "server/base server/inference server/inference/tensor", "torch"
    ),
    "server/inference/repository": room(
        "inference_repository",
        "server/base server/inference server/inference/tensor server/inference/engine server/inference/isolation"
        " server/inference/serving",
        "torch",
    ),
    "server/rpc/wire": room("rpc_wire", "server/base server/payload", "grpc protobuf"),
    "server/rpc/serve": room("rpc_serve", "server/base server/payload server/tracing", "grpc protobuf"),
    "server/rpc/triton_config": room(
        "rpc_triton_config", "server/base server/payload server/inference", "protobuf oip-proto"
    ),
    "server/rpc/call": room(
        "rpc_call", "server/base server/payload server/inference server/rpc/wire server/rpc/serve", "grpc"
    ),
    "server/rpc/native": room(
        "rpc_native",
        "server/base server/payload server/inference server/rpc/wire server/rpc/serve server/rpc/call",
        "grpc native-proto",
    ),
    "server/rpc/oip": room(
        "rpc_oip",
        "server/base server/payload server/inference server/cuda server/rpc/wire server/rpc/serve"
        " server/rpc/triton_config server/rpc/call",
        "grpc protobuf oip-proto",
    ),
    "server/rpc": room(
        "rpc",
        "server/base server/inference server/security server/metrics server/sealed server/cuda server/tracing"
        " server/rpc/serve server/rpc/native server/rpc/oip",
        "grpc protobuf",
    ),
    "server/web": room(
        "web",
        "server/base server/payload server/files server/outcome server/http server/rpc/wire server/rpc/serve "
        "server/rpc",
        "grpc protobuf native-proto oip-proto",
    ),
    "server": room(
        "tensorferry-server",
        "server/base server/inference server/config server/security server/metrics server/http server/tracing"
        " server/inference/isolation server/inference/repository server/rpc/serve server/rpc/triton_config server/rpc"
        " server/web server/page",
    ),
    "client/include": room("client", "server/payload"),
    "client/lib": room(
        "client",
        "server/base server/payload server/files server/rpc/wire client/include",
        "grpc protobuf native-proto oip-proto",
    ),
    "client/bench": room(
        "tensorferry_bench", "server/base server/payload client/include client/lib", "grpc protobuf native-proto"
    ),
    "client/cli": room(
        "tensorferry", "server/base server/payload server/outcome server/fetch client/include client/bench"
    ),
    "client/examples": room("example_convert", "client/include"),
    "client/python/core": room("_core", "", "grpc"),
}


@cache
def room_of(file: str) -> str:
    """The room of a file, by its path from ROOT."""
    return max((name for name in ROOMS if file.startswith(name + "/")), key=len)


def library_of(include: str) -> str | None:
    return next((name for name, pattern in LIBRARIES.items() if pattern.match(include)), None)


@cache
def included_room(include: str) -> str | None:
    """The room of a header of ours, as it is included; None for headers of others."""
    for folder in ("server", "client", "client/include"):
        if (ROOT / folder / include).exists():
            return room_of(f"{folder}/{include}")
    return None


@cache
def sources() -> list[Path]:
    files = [path for folder in ("server", "client") for path in sorted((ROOT / folder).rglob("*"))]
    return [path for path in files if path.suffix in {".h", ".cc"}]


@cache
def includes_of(source: str) -> list[str]:
    return re.findall(r'^#include [<"]([^>"]+)[>"]', source, re.MULTILINE)


def uses(name: str) -> tuple[set[str], set[str]]:
    """The other rooms and the libraries that the files of a room include."""
    rooms: set[str] = set()
    libraries: set[str] = set()
    for path in sources():
        if room_of(str(path.relative_to(ROOT))) == name:
            for include in includes_of(path.read_text()):
                library, other = library_of(include), included_room(include)
                libraries |= {library} if library else set()
                rooms |= {other} if other and not library else set()
    return rooms - {name}, libraries


def wrong_includes(file: str, source: str) -> list[str]:
    """Those includes of a file that its room may not have."""
    room = ROOMS[room_of(file)]
    wrong = []
    for include in includes_of(source):
        library, other = library_of(include), included_room(include)
        if library:
            allowed = library in room.libraries
        else:
            allowed = other is None or other == room_of(file) or other in room.includes
        if not allowed:
            wrong.append(include)
    return wrong
