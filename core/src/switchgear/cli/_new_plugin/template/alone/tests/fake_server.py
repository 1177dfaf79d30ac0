"""A server that speaks the client's protocol over real sockets, and is as well as a test wants it to be."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread


class FakeServer(ThreadingTCPServer):
    """Keeps values by key."""

    daemon_threads = True
    request_queue_size = 128  # five, as by default, make a crowd wait for a second

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.port = self.server_address[1]
        #: What it answers whatever it is asked; None: what it is asked for.
        self.mood: str | None = None
        self._values: dict[str, str] = {}

    def answer(self, verb: str, *words: str) -> tuple[str, str]:
        """Its status and its answer."""
        if self.mood:
            return self.mood, "not now"
        if verb == "put":
            self._values[words[0]] = words[1]
        elif verb == "get" and words[0] not in self._values:
            return "declined", "there is no such key"
        return "ok", self._values[words[0]] if verb == "get" else "done"


class _Requests(StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, FakeServer)
        for line in self.rfile:
            self.wfile.write(json.dumps(self.server.answer(*json.loads(line))).encode() + b"\n")


@contextmanager
def fake_server() -> Generator[FakeServer]:
    """A server that listens on `port` of 127.0.0.1."""
    with FakeServer() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
