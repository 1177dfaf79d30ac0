"""An imitation of S3 in Python, for where SeaweedFS has no wheel."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from importlib.util import find_spec

from switchgear.testing.servers._wire import http
from switchgear.testing.servers.process import Server, ServerUnavailable


class MotoServer(Server):
    """Serves S3 at `endpoint` like SeaweedServer, but checks no credentials and forgets all at a `restart`."""

    name = "Moto"
    access_key = "switchgear"
    secret_key = "switchgear-secret"  # noqa: S105  nobody checks it

    @property
    def endpoint(self) -> str:
        """For `endpoint_url`."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        """This Python, which has Moto."""
        if not all(find_spec(module) for module in ("moto", "flask", "flask_cors")):
            raise ServerUnavailable('Moto is not installed. Install it with: pip install "moto[server]"')
        return (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port), *self.arguments)

    async def probe(self) -> str:
        """Asks for its own page."""
        return version("moto") if (await http(self.port, "/moto-api/")).status == HTTPStatus.OK else ""
