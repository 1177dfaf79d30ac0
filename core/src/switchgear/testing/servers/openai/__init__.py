"""A stand-in for OpenAI's API whose faults are set while it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import Unpack

from switchgear.testing.servers._wire import Answer, http
from switchgear.testing.servers.openai._fault import Fault, FaultDetails, FaultKind
from switchgear.testing.servers.process import Server

__all__ = ["Fault", "FaultKind", "OpenAIServer"]


class OpenAIServer(Server):
    """Serves models, chat completions (plain and streamed, with usage) and embeddings at `base_url`.

    No model thinks behind it: chat echoes the last message. Any model name and any key are good.
    """

    name = "OpenAI stand-in"

    @property
    def base_url(self) -> str:
        """For `AsyncOpenAI(base_url=...)`."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def fault(self, kind: FaultKind, **details: Unpack[FaultDetails]) -> None:
        """Sets a fault for all models or for one (`model=`), in place of an earlier one for the same; see `Fault`.

        Raises ValueError when it makes no sense, OSError when the server does not run, TimeoutError when it hangs.
        """
        await self._control("POST", Fault(kind, **details).to_json())

    async def heal(self) -> None:
        """Ends all faults; requests that hang or stall are served now."""
        await self._control("DELETE")

    async def requests(self) -> int:
        """How many API requests have reached the server, those that met a fault included."""
        return int(json.loads((await self._control("GET")).body)["requests"])

    def command(self) -> Sequence[str]:
        """This Python, which can import what this one can."""
        return (sys.executable, "-m", __name__, "--port", str(self.port), *self.arguments)

    async def probe(self) -> str:
        """Asks its control endpoint, which does not count as a request."""
        return (await self._control("GET")).headers["server"].rpartition("/")[2]

    async def _control(self, method: str, body: bytes = b"") -> Answer:
        answer = await http(self.port, "/_fault", method=method, body=body)
        if answer.status != HTTPStatus.OK:
            raise ConnectionError(f"{self.name} on port {self.port} answered {answer.status} to a control request.")
        return answer
