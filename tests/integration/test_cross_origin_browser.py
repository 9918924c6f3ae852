"""Pages of other origins in a real Chromium: one that may calls by clients from npm, and the others are kept out."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

import oracle
from admin import ask
from harness import REPO_ROOT, Server
from metrics import Scrape, families_of
from test_node import NODE_MODULES
from test_page_browser import browse

HERE = Path(__file__).parent
SCRIPTS = {"/caller.mjs": HERE / "page/caller.mjs", "/web_calls.mjs": HERE / "node/web_calls.mjs"}
PUBLISHED = ("tensorferry/v1/tensor_service.proto", "grpc/health/v1/health.proto")


def modules_of(package: str) -> dict[str, str]:
    """Where the page finds what it imports by a package's name, as the package's own `exports` have it."""
    described = json.loads((NODE_MODULES / package / "package.json").read_text())
    exports = described.get("exports", {".": {"import": f"./{described.get('module', '')}"}})
    return {package + name[1:]: f"/node_modules/{package}{of['import'][1:]}" for name, of in exports.items()}


def write_page(folder: Path) -> dict[str, Path]:
    """The files of the page, by their paths."""
    packages = ("@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-web", "grpc-web")
    imports = {name: path for package in packages for name, path in modules_of(package).items()}
    (folder / "index.html").write_text(
        f"""<!doctype html><title>Caller</title><script type="importmap">{json.dumps({"imports": imports})}</script>
        <script type="module" src="caller.mjs"></script>"""
    )
    into = f"--descriptor_set_out={folder}/descriptors.bin"
    subprocess.run(["protoc", "-I", REPO_ROOT / "proto", "--include_imports", into, *PUBLISHED], check=True)
    return {**SCRIPTS, "/": folder / "index.html", "/descriptors.bin": folder / "descriptors.bin"}


@pytest.fixture(scope="module")
def page_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A port at which the page is, at `localhost` and at `127.0.0.1`: two origins, and two sites."""
    files = write_page(tmp_path_factory.mktemp("page"))

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def translate_path(self, path: str) -> str:
            of_package = path.removeprefix("/node_modules/")
            return str(files.get(path, "/nothing") if of_package == path else NODE_MODULES / of_package)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        yield pages.server_port
        pages.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(page_port: int) -> Iterator[Server]:
    """Lets the pages of one origin call it."""
    with Server("--http-listen", "127.0.0.1:0", "--http-origin", f"http://localhost:{page_port}") as running:
        yield running
        assert running.alive(), running.log()
        assert running.stop() == 0


def call(server: Server, client: str, method: str, request: dict[str, Any]) -> dict[str, Any]:
    service, _, name = method.rpartition("/")
    headers = {"authorization": "Bearer any"}  # The browser has to be told that it may send this, too.
    asked = {"client": client, "service": service, "method": name, "request": request, "headers": headers}
    return {"baseUrl": f"http://{server.http}", "enough": 1, **asked}


def conversion(server: Server, client: str, data: bytes) -> dict[str, Any]:
    array = {"name": "x", "dtype": "bfloat16", "shape": ["3", "400"], "data": base64.b64encode(data).decode()}
    wanted = {"digest": "DIGEST_ALGORITHM_XXH3_128", "returnData": True, "arrays": [array]}
    return call(server, client, "tensorferry.v1.TensorService/Convert", wanted)


def test_a_page_that_may_converts_and_reads_a_stream(server: Server, page_port: int) -> None:
    """The browser asks about each call first; the stream goes on when its message is read."""
    data = oracle.random_bytes("bfloat16", 1200)
    expected = oracle.expect("bfloat16", (3, 400), data)
    broken = conversion(server, "connect", data[:-1])
    clients = ("connect", "binary", "text")
    watch = call(server, "connect", "grpc.health.v1.Health/Watch", {})
    calls = [*(conversion(server, client, data) for client in clients), broken, watch]
    *converted, refused, watched = browse("calls", f"http://localhost:{page_port}/", calls=calls)["seen"]
    for client, answer in zip(clients, converted, strict=True):
        assert answer["error"] is None, client
        (tensor,) = answer["messages"][0]["tensors"]
        receipt = tensor["metadata"]["receipt"]
        assert (tensor["metadata"]["dtype"], receipt["dtypeEqual"]) == (expected.torch_dtype, True)
        assert base64.b64decode(receipt["digest"]).hex() == xxhash.xxh3_128(expected.data).hexdigest()
        assert base64.b64decode(tensor["data"]) == expected.data
    assert (refused["messages"], refused["error"]["code"]) == ([], 3)
    assert "needs 2400 bytes, got 2399" in refused["error"]["message"]
    assert watched == {"messages": [{"status": "SERVING"}], "error": None}


def counted(server: Server) -> tuple[float, float]:
    """How many arrays were converted, and how many requests were refused for whose page had sent them."""
    scraped = Scrape.of(families_of(ask(str(server.http), "/metrics").body.decode()))
    tensors = sum(value for _, value in scraped.named("tensorferry_tensors_total"))
    return tensors, scraped.value("tensorferry_http_refusals_total", status="403")


def test_a_page_of_another_origin_is_refused_by_the_browser(server: Server, page_port: int, tmp_path: Path) -> None:
    """What a browser sends without asking first, a file in a plain POST, is refused by the server."""
    np.save(tmp_path / "x.npy", np.arange(3))
    tensors, refusals = counted(server)
    calls = [conversion(server, client, bytes(2400)) for client in ("connect", "binary")]
    post = {"to": f"http://{server.http}/v1/convert", "file": tmp_path / "x.npy"}
    seen = browse("calls", f"http://127.0.0.1:{page_port}/", calls=calls, post=post)
    for answer in seen["seen"]:
        assert answer["messages"] == []
        assert answer["error"] is not None
    assert len([said for said in seen["complaints"] if "blocked by CORS policy" in said]) == len(calls)
    assert seen["post"] == "opaque"
    assert counted(server) == (tensors, refusals + len(calls) + 1)
