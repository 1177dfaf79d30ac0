"""The other company's service, as far as the shop knows it: `python carrier.py PORT`."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Prices(BaseHTTPRequestHandler):
    """Every way costs the same."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b'{"price": 4.5}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Prices).serve_forever()
