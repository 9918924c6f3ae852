"""Tokens and roles: who may call what, over every method that reflection tells."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2

import oracle
from harness import TIMEOUT_S, Server, becomes_true, connect, run_to_exit
from rpc_protos import ModelStreamInferResponse, ServerReflectionRequest, ServerReflectionResponse
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import array, refusal_of_call, request

TOKENS = {"infer": "tf-infer-2f9c", "admin": "tf-admin-77d1", "metrics": "tf-metrics-b06e"}
DATA = oracle.random_bytes("<f4", 4)
GOOD = request(array("<f4", (4,), DATA))

EVERYBODY = {"none", "infer", "admin", "metrics"}
CALLERS = {"infer", "admin"}
ADMIN = {"admin"}
# Who may call the methods, but for those that callers may: infer and admin.
SHARED_MEMORY = [
    f"{kind}SharedMemory{verb}" for kind in ("System", "Cuda") for verb in ("Status", "Register", "Unregister")
]
ALLOWED = {
    "grpc.health.v1.Health.Check": EVERYBODY,
    "grpc.health.v1.Health.Watch": EVERYBODY,
    "inference.GRPCInferenceService.ServerLive": EVERYBODY,
    "inference.GRPCInferenceService.ServerReady": EVERYBODY,
    "inference.GRPCInferenceService.ModelStatistics": {"infer", "admin", "metrics"},
    **dict.fromkeys(
        (
            f"inference.GRPCInferenceService.{name}"
            for name in ("RepositoryModelLoad", "RepositoryModelUnload", "TraceSetting", "LogSettings", *SHARED_MEMORY)
        ),
        ADMIN,
    ),
}


def write_tokens(file: Path, text: str | None = None) -> Path:
    file.write_text("".join(f"{role} {token}\n" for role, token in TOKENS.items()) if text is None else text)
    return file


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a token for each role; its second address is a Unix socket."""
    folder = tmp_path_factory.mktemp("tokens")
    tokens = write_tokens(folder / "tokens")
    flags = ["--auth-token-file", str(tokens), "--listen", f"unix:{folder}/socket", "--log-level", "trace"]
    with Server(*flags) as server:
        yield server
        assert server.stop() == 0
        for token in TOKENS.values():
            assert token not in server.log()


def authorization(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def methods_of(server: Server) -> dict[str, descriptor_pb2.MethodDescriptorProto]:
    """Every method that the server tells by reflection, by its full name."""
    methods = {}
    with connect(server.address) as channel:
        ask = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )

        def reflect(**question: str) -> ServerReflectionResponse:
            metadata = authorization(TOKENS["infer"])
            (answer,) = ask(iter([ServerReflectionRequest(**question)]), timeout=TIMEOUT_S, metadata=metadata)
            return answer

        for listed in reflect(list_services="*").list_services_response.service:
            answer = reflect(file_containing_symbol=listed.name).file_descriptor_response
            for file in map(descriptor_pb2.FileDescriptorProto.FromString, answer.file_descriptor_proto):
                for service in file.service:
                    for method in service.method:
                        methods[f"{file.package}.{service.name}.{method.name}"] = method
    return methods


def call(channel: grpc.Channel, name: str, metadata: list[tuple[str, str]]) -> str | None:
    """Calls a method with a message whose field 1 is empty. Returns the reason of its refusal, if it was one."""
    service, method = name.rsplit(".", 1)
    stream = channel.stream_stream(f"/{service}/{method}")(iter([b"\x0a\x00"]), timeout=TIMEOUT_S, metadata=metadata)
    try:
        first = next(stream, b"")
    except grpc.RpcError as error:
        return error.code().name
    finally:
        stream.cancel()
    # On two streams a request is refused by itself, in a response.
    if method == "ConvertStream":
        return pb.ConvertStreamResponse.FromString(first).response.error.reason
    if method == "ModelStreamInfer":
        return reason_in(ModelStreamInferResponse.FromString(first).error_message)
    return None


def reason_in(message: str) -> str | None:
    """The reason of an error of the Open Inference Protocol's stream, which is a text."""
    if "brings no token" in message:
        return "UNAUTHENTICATED"
    return "PERMISSION_DENIED" if "and the token's role is" in message else None


DENIED = {"UNAUTHENTICATED", "PERMISSION_DENIED"}


def test_every_method_for_every_role_on_every_address(guarded: Server) -> None:
    methods = methods_of(guarded)
    assert len(methods) >= 27
    assert methods.keys() >= ALLOWED.keys()
    for address in guarded.addresses:
        with connect(address) as channel:
            for name in methods:
                for role in sorted(EVERYBODY):
                    metadata = authorization(TOKENS[role]) if role != "none" else []
                    reason = call(channel, name, metadata)
                    if role in ALLOWED.get(name, CALLERS):
                        assert reason not in DENIED, (name, role)
                    else:
                        assert reason == ("UNAUTHENTICATED" if role == "none" else "PERMISSION_DENIED"), (name, role)


def server_info(server: Server, metadata: list[tuple[str, str]]) -> None:
    with connect(server.address) as channel:
        ask = channel.unary_unary("/tensorferry.v1.TensorService/GetServerInfo")
        ask(b"", timeout=TIMEOUT_S, metadata=metadata)


def test_the_scheme_has_either_case(guarded: Server) -> None:
    for scheme in ("Bearer", "bearer", "BEARER", "Bearer  "):
        server_info(guarded, [("authorization", f"{scheme} {TOKENS['infer']}")])


NOT_A_TOKEN = "the call brings no token: send 'authorization: Bearer TOKEN', once"
NOT_OURS = "the token of the call is none of this server's"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ([], NOT_A_TOKEN),
        ([("authorization", TOKENS["infer"])], NOT_A_TOKEN),
        ([("authorization", f"Basic {TOKENS['infer']}")], NOT_A_TOKEN),
        ([("authorization", "Bearer")], NOT_A_TOKEN),
        ([("authorization", "Bearer ")], NOT_A_TOKEN),
        (authorization(TOKENS["infer"]) * 2, NOT_A_TOKEN),
        (authorization(TOKENS["infer"][:-1]), NOT_OURS),
        (authorization(TOKENS["infer"] + "x"), NOT_OURS),
        (authorization(TOKENS["infer"].upper()), NOT_OURS),
        (authorization("x" * 4000), NOT_OURS),
    ],
)  # fmt: skip
def test_calls_without_a_token_of_the_server(metadata: list[tuple[str, str]], message: str, guarded: Server) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        server_info(guarded, metadata)
    refusal = refusal_of_call(raised.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert refusal.message == message
    assert refusal.metadata == {"field": "authorization", "expected": "Bearer TOKEN"}


def test_a_role_that_does_not_suffice(guarded: Server) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        server_info(guarded, authorization(TOKENS["metrics"]))
    refusal = refusal_of_call(raised.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    assert refusal.message == "GetServerInfo is for the role infer, and the token's role is metrics"
    assert refusal.metadata == {"field": "authorization", "expected": "infer", "actual": "metrics"}


def replace_tokens(server: Server, file: Path, text: str) -> None:
    """Waits until the server has taken the new tokens: because of the signal, or by itself right before it."""
    before = server.log().count("tokens: reloaded")
    write_tokens(file, text)
    server.terminate(signal.SIGHUP)
    assert becomes_true(lambda: server.log().count("tokens: reloaded") > before)


def test_tokens_are_replaced(tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "tokens", "infer old\n")
    with Server("--auth-token-file", str(file)) as server:
        server_info(server, authorization("old"))
        write_tokens(file, "# Both are valid for a while.\ninfer old\n\n infer\tnew \r\n")
        assert becomes_true(lambda: "tokens: reloaded" in server.log())  # Without a signal.
        for token in ("old", "new"):
            server_info(server, authorization(token))
        replace_tokens(server, file, "metrics new\ninfer new\n")
        server_info(server, authorization("new"))
        with pytest.raises(grpc.RpcError):
            server_info(server, authorization("old"))
        write_tokens(file, "infer\n")
        assert becomes_true(lambda: "line 1 is not ROLE TOKEN" in server.log())
        server_info(server, authorization("new"))
        assert server.stop() == 0


ROTATIONS = 100


def test_tokens_rotate_under_load(tmp_path: Path) -> None:
    """Each token stays valid for one turn longer than it is the newest, as when callers are told of the next one."""
    file = write_tokens(tmp_path / "tokens", "infer token-0\n")
    newest, ended, failures, calls = [0], threading.Event(), [], [0, 0]

    def convert(index: int) -> None:
        with connect(server.address) as channel:
            ask = channel.unary_unary(
                "/tensorferry.v1.TensorService/Convert", request_serializer=pb.ConvertRequest.SerializeToString
            )
            while not ended.is_set():
                with lock:
                    metadata = authorization(f"token-{newest[0]}")
                    running[index] = newest[0]
                try:
                    ask(GOOD, timeout=TIMEOUT_S, metadata=metadata)
                except grpc.RpcError as error:
                    failures.append(error)
                    return
                calls[index] += 1

    lock, running = threading.Lock(), [0, 0]
    with Server("--auth-token-file", str(file)) as server:
        threads = [threading.Thread(target=convert, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        try:
            for turn in range(1, ROTATIONS + 1):
                replace_tokens(server, file, f"infer token-{turn - 1}\ninfer token-{turn}\n")
                with lock:
                    newest[0] = turn
                assert becomes_true(lambda: min(running) == newest[0] or bool(failures))
        finally:
            ended.set()
            for thread in threads:
                thread.join(TIMEOUT_S)
        assert failures == []
        assert min(calls) >= ROTATIONS
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it has no token"),
        ("# nothing\n", "it has no token"),
        ("infer\n", "line 1 is not ROLE TOKEN"),
        ("infer good\nroot secret\n", "line 2 is not ROLE TOKEN"),
        ("infer secret secret\n", "line 1 is not ROLE TOKEN"),
        ("infer sécret\n", "line 1 is not ROLE TOKEN"),
        ("secret\n", "line 1 is not ROLE TOKEN"),
    ],
)
def test_wrong_token_files_end_the_start(text: str, problem: str, tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "tokens", text)
    ended = run_to_exit("--auth-token-file", str(file))
    assert (ended.returncode, ended.stdout) == (5, "")
    (line,) = ended.stderr.splitlines()
    assert f"--auth-token-file {file}: {problem}" in line
    assert "secret" not in line


def test_no_token_is_printed(tmp_path: Path) -> None:
    file = write_tokens(tmp_path / "tokens")
    printed = run_to_exit("--auth-token-file", str(file), "--print-config")
    assert printed.returncode == 0
    assert f'auth-token-file = "{file}"' in printed.stdout
    for token in TOKENS.values():
        assert token not in printed.stdout + printed.stderr


OPEN = ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.invalid:0"]


@pytest.mark.parametrize("address", OPEN)
def test_an_open_server_must_be_meant(address: str) -> None:
    ended = run_to_exit("--listen", address)
    assert (ended.returncode, ended.stdout) == (3, "")
    (line,) = ended.stderr.splitlines()
    for word in (address, "tls-cert", "auth-token-file", "allow-open"):
        assert word in line


@pytest.mark.parametrize("address", ["127.0.0.9:0", "localhost:0"])
def test_addresses_of_the_machine_itself_are_not_open(address: str) -> None:
    with Server("--listen", address) as server:
        assert server.stop() == 0


def test_an_open_server_that_is_meant(tmp_path: Path) -> None:
    for flags in (["--allow-open"], ["--auth-token-file", str(write_tokens(tmp_path / "tokens"))]):
        with Server("--listen", "0.0.0.0:0", *flags) as server:
            assert server.stop() == 0


def holds_in_memory(pid: int, secret: bytes) -> bool:
    """Whether the writable memory of a process has these bytes somewhere."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            begin, end = (int(bound, 16) for bound in span.split("-"))
            try:
                memory.seek(begin)
                if secret in memory.read(end - begin):
                    return True
            except (OSError, OverflowError):  # Gone meanwhile, or no memory that can be read.
                continue
    return False


def test_no_token_stays_in_memory(tmp_path: Path) -> None:
    """What was read of the file is overwritten; between two reads of it there is nothing to find."""
    secret = "tf-secret-of-memory-5d1e"
    tokens = write_tokens(tmp_path / "tokens")
    with Server("--auth-token-file", str(tokens)) as server:
        write_tokens(tokens, f"infer {secret}\n")
        assert becomes_true(lambda: "tokens: reloaded: 1 known" in server.log())
        assert holds_in_memory(server.pid, b"tensorferry.v1.TensorService")
        assert becomes_true(lambda: not holds_in_memory(server.pid, secret.encode()))
