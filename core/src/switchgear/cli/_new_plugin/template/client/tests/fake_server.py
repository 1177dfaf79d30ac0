"""A server for the tests, over real sockets. It speaks HTTP; a client that speaks something else needs another one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class FakeServer(ThreadingHTTPServer):
    """Serves on `port` of 127.0.0.1."""

    request_queue_size = 128  # five, as by default, make a crowd wait for a second

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.port = self.server_address[1]


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        # FILL IN: what the client understands.
        self.send_response(404 if self.path.startswith("/missing") else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        pass


@contextmanager
def fake_server() -> Generator[FakeServer]:
    """A server that listens."""
    with FakeServer() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
