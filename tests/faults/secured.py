"""Good, bad and dying callers of a server with TLS, certificates of clients and tokens, which rotate meanwhile."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import grpc

from certificates import Authority, Files, Pair
from figures import Figures, Sampler
from harness import Server, becomes_true
from pressure import CONTEXT
from probe import LOST_S
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, refusal_of_call, request

MOST_GROWN = 32  # MiB of resident memory more than after the first part of the time.
NEAR = 8  # Descriptors.
WARM_SHARE = 0.2  # Of the time: what is kept for the next call is taken by then.
NOTHING = Figures(0, 0, 0)
ROTATE_S = 2.0
SETTLE_S = 20
FORKED = get_context("fork")  # gRPC has not begun in the process that runs `dying`, so its children may.
DATA = os.urandom(4096)
REQUEST = request(array("|u1", (len(DATA),), DATA))
TOKENS = {"infer": "tf-faults-infer", "metrics": "tf-faults-metrics"}


@dataclass(frozen=True)
class Caller:
    """What a caller needs; a process of its own gets it."""

    address: str
    authority: Path
    own: Pair  # A client certificate that the server's CA has signed.
    stranger: Pair  # One of a CA that the server does not know.


def _channel(caller: Caller, pair: Pair | None) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(
        caller.authority.read_bytes(),
        pair.key.read_bytes() if pair else None,
        pair.certificate.read_bytes() if pair else None,
    )
    return grpc.secure_channel(caller.address, credentials, [("grpc.use_local_subchannel_pool", 1)])


def _convert(caller: Caller, token: str, pair: Pair | None) -> str:
    with _channel(caller, pair) as channel:
        metadata = [("authorization", f"Bearer {token}")] if token else []
        try:
            response = TensorServiceStub(channel).Convert(REQUEST, metadata=metadata, timeout=LOST_S)
        except grpc.RpcError as error:
            refusal = refusal_of_call(error)
            return f"{refusal.code.name} {refusal.reason}".strip()
    return "OK" if [tensor.data for tensor in response.tensors] == [DATA] else "wrong bytes"


def _connect(caller: Caller) -> socket.socket:
    host, port = caller.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=LOST_S)


def good(caller: Caller) -> str:
    return _convert(caller, TOKENS["infer"], caller.own)


def wrong_token(caller: Caller) -> str:
    return _convert(caller, "tf-faults-" + os.urandom(random.randrange(1, 2000)).hex(), caller.own)


def no_token(caller: Caller) -> str:
    return _convert(caller, "", caller.own)


def wrong_role(caller: Caller) -> str:
    return _convert(caller, TOKENS["metrics"], caller.own)


def no_certificate(caller: Caller) -> str:
    return _convert(caller, TOKENS["infer"], None)


def strangers_certificate(caller: Caller) -> str:
    return _convert(caller, TOKENS["infer"], caller.stranger)


def no_tls(caller: Caller) -> str:
    """Speaks HTTP/2 without TLS: the server ends the connection."""
    with _connect(caller) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        while connection.recv(4096):
            pass
    return "closed"


def half_a_handshake(caller: Caller) -> str:
    """Begins a handshake, and leaves in the middle of it."""
    context = ssl.create_default_context(cafile=str(caller.authority))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        hello = outgoing.read()
    with _connect(caller) as connection:
        connection.sendall(hello[: random.randrange(1, len(hello) + 1)])
        time.sleep(random.random() / 5)
    return "left"


def old_tls(caller: Caller) -> str:
    """Wants TLS 1.1 at most, which the server refuses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with _connect(caller) as connection:
        try:
            context.wrap_socket(connection)
        except (ssl.SSLError, ConnectionError):
            return "refused"
    return "TLS 1.1"


def _die(caller: Caller) -> None:
    with _channel(caller, caller.own) as channel:
        future = TensorServiceStub(channel).Convert.future(
            REQUEST, metadata=[("authorization", f"Bearer {TOKENS['infer']}")], timeout=LOST_S
        )
        if random.random() < 0.5:
            future.result()
        os.kill(os.getpid(), signal.SIGKILL)


def dying(caller: Caller) -> str:
    """A process that is killed with its connection, handshake or call under way."""
    client = FORKED.Process(target=_die, args=[caller])
    client.start()
    client.join()
    return f"exit code {client.exitcode}"


# What each kind of caller is told, and nothing else.
KINDS: dict[Callable[[Caller], str], set[str]] = {
    good: {"OK"},
    wrong_token: {"UNAUTHENTICATED UNAUTHENTICATED"},
    no_token: {"UNAUTHENTICATED UNAUTHENTICATED"},
    wrong_role: {"PERMISSION_DENIED PERMISSION_DENIED"},
    no_certificate: {"UNAVAILABLE"},
    strangers_certificate: {"UNAVAILABLE"},
    no_tls: {"closed", "ConnectionResetError"},
    half_a_handshake: {"left"},
    old_tls: {"refused"},
    dying: {"exit code -9"},
}


def _run(kind: Callable[[Caller], str], caller: Caller, stopped: Any, results: Any) -> None:
    os.nice(5)
    results.send("ready")
    counts = Counter[str]()
    while not stopped.is_set():
        try:
            counts[kind(caller)] += 1
        except OSError as error:
            counts[type(error).__name__] += 1
    results.send(counts)


@dataclass
class Secured:
    """The figures; `wrong` says what was not as it should be."""

    minutes: float
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    rotations: int = 0
    warm: Figures = NOTHING
    peak: Figures = NOTHING
    after: Figures = NOTHING
    exit_code: int | None = None

    def wrong(self) -> list[str]:
        texts = [
            f"{kind.__name__}: {text}: {count}"
            for kind, expected in KINDS.items()
            for text, count in self.counts[kind.__name__].items()
            if text not in expected
        ]
        texts += [f"{name}: no call" for name, counts in self.counts.items() if not counts]
        grown = self.after.rss - self.warm.rss
        texts += [] if grown < MOST_GROWN else [f"{grown:.0f} MiB more than when it was warm"]
        left = self.after.descriptors - self.warm.descriptors
        texts += [] if left < NEAR else [f"{left} descriptors more"]
        more = self.after.threads - self.warm.threads
        texts += [] if more <= 0 else [f"{more} threads more"]
        texts += [] if self.exit_code == 0 else [f"exit code {self.exit_code} after SIGTERM"]
        return [f"TLS and tokens: {text}" for text in texts]


def _write_tokens(path: Path, number: int) -> None:
    """Replaces the file at once: the known tokens, and one that is another each time."""
    new = path.with_suffix(".new")
    new.write_text("".join(f"{role} {token}\n" for role, token in TOKENS.items()) + f"infer tf-faults-{number}\n")
    new.replace(path)


def _rotate(files: Files, pairs: list[Pair], tokens: Path, stopped: threading.Event, result: Secured) -> None:
    while not stopped.wait(ROTATE_S):
        result.rotations += 1
        pair = pairs[result.rotations % len(pairs)]
        for new, path in ((pair.key, files.key), (pair.certificate, files.certificate)):
            shutil.copyfile(new, path.with_suffix(".new"))
            path.with_suffix(".new").replace(path)
        _write_tokens(tokens, result.rotations)


def run_secured(minutes: float) -> Secured:
    result = Secured(minutes)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        authority, other = Authority(folder / "authority"), Authority(folder / "stranger")
        pairs = [authority.sign(f"server-{number}") for number in range(3)]
        own, stranger = authority.sign("client", kind="client"), other.sign("stranger", kind="client")
        files, tokens = Files(folder, pairs[0]), folder / "tokens"
        _write_tokens(tokens, 0)
        flags = [*files.flags, "--tls-client-ca", str(authority.certificate), "--auth-token-file", str(tokens)]
        with Server(*flags) as server:
            address = server.address.replace("127.0.0.1", "localhost")
            _press(server, Caller(address, authority.certificate, own, stranger), (files, pairs, tokens), result)
            result.exit_code = server.stop()
    return result


def _press(server: Server, caller: Caller, secrets: tuple[Files, list[Pair], Path], result: Secured) -> None:
    stopped = CONTEXT.Event()
    pipes, processes = {}, []
    for kind in KINDS:
        pipes[kind.__name__], sending = CONTEXT.Pipe(duplex=False)
        processes.append(CONTEXT.Process(target=_run, args=(kind, caller, stopped, sending)))
    rotated = threading.Event()
    rotating = threading.Thread(target=_rotate, args=(*secrets, rotated, result))
    sampler = Sampler(server)
    for process in processes:
        process.start()
    assert all(pipe.recv() == "ready" for pipe in pipes.values())
    rotating.start()
    sampler.start()
    time.sleep(60 * result.minutes * WARM_SHARE)
    result.warm = Figures.of(server)
    time.sleep(60 * result.minutes * (1 - WARM_SHARE))
    stopped.set()
    result.counts = {name: pipe.recv() for name, pipe in pipes.items()}
    for process in processes:
        process.join()
    rotated.set()
    rotating.join()
    result.peak = sampler.stop()
    becomes_true(lambda: Figures.of(server).descriptors - result.warm.descriptors < NEAR, SETTLE_S)
    result.after = Figures.of(server)
