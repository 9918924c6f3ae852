"""Clients in other languages, with code generated from the `.proto` files: an array, and why another is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xxhash
from google.protobuf import descriptor_pb2

from harness import REPO_ROOT, TIMEOUT_S, Server, clean_environment, free_port

EXAMPLES = REPO_ROOT / "client/examples"
PROTOS = REPO_ROOT / "proto"
NODE_MODULES = os.environ.get("TENSORFERRY_NODE_MODULES", str(REPO_ROOT / "build/node/node_modules"))
NATIVE = "tensorferry/v1/tensor_service.proto"
DETAILS = ["google/rpc/status.proto", "google/rpc/error_details.proto"]

DIGEST = xxhash.xxh3_128(np.array([1, 2, 3, 4], "<i4").tobytes()).hexdigest()
PRINTED = [
    f"torch.int32 [2, 2], dtype equal: true, digest {DIGEST}",
    "refused: SIZE_MISMATCH, expected 24, actual 16",
]


def ran(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=clean_environment(environment), capture_output=True, text=True, timeout=5 * TIMEOUT_S, check=False
    )


def run(*command: str | Path, **environment: str) -> str:
    done = ran(*command, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(server: Server, *example: str | Path, **environment: str) -> None:
    """An example prints the receipt and the refusal, and says where nobody answers."""
    printed = run(*example, server.address, **environment).replace("[2 2]", "[2, 2]")  # This is how Go prints a list.
    assert printed.splitlines() == PRINTED
    alone = ran(*example, f"127.0.0.1:{free_port()}", **environment)
    assert alone.returncode != 0
    assert "unavailable" in alone.stderr.lower(), alone
    assert not alone.stdout


# Those of libgrpc-java, libprotobuf-java, libnetty-java, libgoogle-common-protos-java, libperfmark-java and
# libgeronimo-annotation-1.3-spec-java, with what they depend on.
JARS = [
    Path(f"/usr/share/java/{name}.jar")
    for name in (
        *(f"grpc-{part}" for part in ("api", "context", "core", "netty", "protobuf", "protobuf-lite", "stub")),
        *(f"netty-{part}" for part in ("buffer", "codec", "codec-http", "codec-http2", "common", "handler")),
        *(f"netty-{part}" for part in ("resolver", "transport", "transport-native-unix-common")),
        *("protobuf", "guava", "perfmark-api", "proto-google-common-protos", "geronimo-annotation-1.3-spec"),
    )
]


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: scripts/setup.sh test installs it on Debian")


def described(folder: Path) -> list[descriptor_pb2.FileDescriptorProto]:
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    run("protoc", "-I", PROTOS, f"--descriptor_set_out={folder / 'set.bin'}", *files)
    return list(descriptor_pb2.FileDescriptorSet.FromString((folder / "set.bin").read_bytes()).file)


def test_every_file_says_where_its_code_belongs(tmp_path: Path) -> None:
    """Go's generator refuses a file without a package of its own, and Java's makes one class of a whole file."""
    files = described(tmp_path)
    assert len(files) == len(list(PROTOS.rglob("*.proto"))) > 5
    for file in files:
        assert file.options.go_package and file.options.java_package, file.name
        assert file.options.java_multiple_files, file.name


@pytest.mark.parametrize("language", ["cpp", "csharp", "go", "java", "objc", "php", "python", "ruby"])
def test_every_file_becomes_code(language: str, tmp_path: Path) -> None:
    if language == "go":
        need("protoc-gen-go")
    for path in PROTOS.rglob("*.proto"):
        run("protoc", "-I", PROTOS, f"--{language}_out={tmp_path}", path)
    assert any(tmp_path.rglob("*")), language


def test_node(server: Server) -> None:
    need("node")
    check(server, "node", EXAMPLES / "node/convert.mjs", PROTOS, TENSORFERRY_NODE_MODULES=NODE_MODULES)


def test_ruby(server: Server, tmp_path: Path) -> None:
    need("ruby", "grpc_ruby_plugin")
    plugin = f"--plugin=protoc-gen-grpc={shutil.which('grpc_ruby_plugin')}"
    run("protoc", "-I", PROTOS, f"--ruby_out={tmp_path}", f"--grpc_out={tmp_path}", plugin, NATIVE, *DETAILS)
    check(server, "ruby", "-I", tmp_path, EXAMPLES / "ruby/convert.rb")


def test_go(server: Server, tmp_path: Path) -> None:
    """Debian's packages of Go are sources under one GOPATH; the generated package stands in another."""
    need("go", "protoc-gen-go")
    source = tmp_path / "src"
    source.mkdir()
    run("protoc", "-I", PROTOS, f"--go_out=plugins=grpc:{source}", NATIVE)
    program = tmp_path / "convert"
    run(
        *("go", "build", "-o", program, EXAMPLES / "go/convert.go"),
        GO111MODULE="off",
        GOPATH=f"{tmp_path}:/usr/share/gocode",
        GOCACHE=str(REPO_ROOT / "build/go-cache"),
    )
    check(server, program)


def test_java(server: Server, tmp_path: Path) -> None:
    """It is run where Java is: its packages are 140 MB to download, so that scripts/setup.sh leaves them out."""
    plugin = shutil.which("grpc_java_plugin")
    if plugin is None or shutil.which("javac") is None or not all(jar.exists() for jar in JARS):
        pytest.skip("Java with gRPC is not installed: client/examples/java/Convert.java names Debian's packages")
    generated, classes = tmp_path / "generated", tmp_path / "classes"
    generated.mkdir()
    outs = [f"--java_out={generated}", f"--grpc-java_out={generated}", f"--plugin=protoc-gen-grpc-java={plugin}"]
    run("protoc", "-I", PROTOS, *outs, NATIVE, "google/rpc/error_details.proto")
    jars = ":".join(map(str, JARS))
    run("javac", "-d", classes, "-cp", jars, *generated.rglob("*.java"), EXAMPLES / "java/Convert.java")
    check(server, "java", "-cp", f"{classes}:{jars}", "Convert")
