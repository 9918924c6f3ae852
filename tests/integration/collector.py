"""A collector of OpenTelemetry's, over HTTP, which takes spans as OTLP has it, or misbehaves."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from certificates import Pair

ID_FIELDS = ("traceId", "spanId", "parentSpanId")


def parse_export(body: bytes) -> ExportTraceServiceRequest:
    """The message of OTLP/HTTP's JSON: protobuf's own mapping, but for ids, which are hexadecimal, not base64."""
    message = json.loads(body)
    for resource in message["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for field in ID_FIELDS:
                    if field in span:
                        span[field] = base64.b64encode(bytes.fromhex(span[field])).decode()
    return json_format.ParseDict(message, ExportTraceServiceRequest())


class Collector:
    """Listens on a free port. `answer` says with which status, and headers, each request is answered.

    With `tls`, its certificate and key, it speaks https.
    """

    def __init__(
        self, answer: Callable[[], tuple[int, dict[str, str]]] = lambda: (200, {}), tls: Pair | None = None
    ) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.headers["content-type"] == "application/json"
                outer.paths.append(self.path)
                outer.headers.append({key.lower(): value for key, value in self.headers.items()})
                status, headers = answer()
                if status == 200:
                    outer.requests.append(parse_export(body))
                self.send_response(status)
                for key, value in {"content-length": "2", **headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return self.endpoint_at("127.0.0.1")

    def endpoint_at(self, host: str) -> str:
        return f"{self._scheme}://{host}:{self._server.server_port}"

    def spans(self) -> list[Span]:
        return [
            span
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class SilentCollector:
    """Accepts connections, reads nothing and answers nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def __enter__(self) -> SilentCollector:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"
