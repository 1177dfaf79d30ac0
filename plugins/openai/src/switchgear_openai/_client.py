"""A client whose operations go through its service's strategies. Loads the SDK.

They stand round the operation as its caller sees it, with the SDK's own results and errors, so that a fallback can take
its place; what an attempt of it means for the breaker is judged further in, at the transport.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, cast

import openai

from switchgear_openai._guard import guard_of
from switchgear_openai._operations import planned_of


class PipedClient(openai.AsyncOpenAI):
    """The SDK's copies of a client (`with_options`) are of its class, and so go through the strategies too."""

    async def request(self, cast_to: Any, options: Any, **streaming: Any) -> Any:
        """Every operation of the client passes here, once, with all its attempts. A place among the strategies is held
        until the answer begins, or is here as a whole where the SDK reads it.
        """
        guard = guard_of(self)
        if guard is None:  # a copy with connections of its own
            return await super().request(cast_to, options, **streaming)
        service = guard.service

        async def attempt(**_body: Any) -> Any:
            if service.retried():
                options.max_retries = 0
            return await super(PipedClient, self).request(cast_to, options, **streaming)

        address = self.base_url.netloc
        operation, domain = planned_of(options, streaming.get("stream") is True, address, guard.home)
        # What a fallback is called with: the body of the request, as the SDK's method took it.
        sent: object = options.json_data
        body = cast("dict[str, Any]", sent) if isinstance(sent, dict) else {}
        return await service.run(operation, domain, partial(attempt, **body))


def pipe(client: openai.AsyncOpenAI) -> None:
    """Let a guarded client's operations go through its service's strategies. It stays the object it is."""
    kind: Any = type(client)
    if not issubclass(kind, PipedClient):
        client.__class__ = _piped(kind)


@cache
def _piped(cls: Any) -> Any:
    # The names of the class it was: a repr, a log line or a metric label must not change by being guarded.
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls.__name__, (PipedClient, cls), names)
