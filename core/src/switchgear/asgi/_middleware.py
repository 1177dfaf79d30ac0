"""Middleware for the application's own requests: one view of its levels for each, and 503 instead of what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import cast

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from switchgear._criticality import Criticality, sheds
from switchgear._errors import CallNotPermitted, CapabilityNotOffered
from switchgear._gear import Switchgear
from switchgear._scope import criticality
from switchgear.asgi._responses import ProblemResponse

#: A loop that is so many seconds late is as full as it can be.
_LATE = 1.0
#: Seconds after which to come back, where nobody knows better.
_SOME_TIME = 10.0

#: How much a request matters, by its scope; None: nothing is said.
Classifier = Callable[[Scope], Criticality | None]


class SwitchgearMiddleware:
    """Pure ASGI middleware: `app.add_middleware(SwitchgearMiddleware, gear=gear)`.

    A request sees the same levels from its beginning to its end. CallNotPermitted and CapabilityNotOffered, where the
    application lets them through before it has begun to answer, become 503 with Retry-After. With a `classifier`, such
    as `by_header("x-criticality")`, the calls of a request matter as much as it says: under pressure those that matter
    least are refused, and when the event loop itself is late, so are the requests.
    """

    def __init__(self, app: ASGIApp, gear: Switchgear, *, classifier: Classifier | None = None) -> None:
        self._app, self._gear, self._classifier = app, gear, classifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        matters = (self._classifier and self._classifier(scope)) or Criticality.CRITICAL
        if sheds(matters, self._gear.lag / _LATE):
            self._gear.shed.tick(matters)
            await _unavailable(None, "This is busy with what matters more.")(scope, receive, send)
            return
        try:
            with self._gear.degradation.pin(), criticality(matters):
                await self._app(scope, receive, sending)
        except Exception as exc:
            refusal = _refusal(exc)
            if begun or refusal is None:
                raise
            after = getattr(refusal, "retry_after", None)
            await _unavailable(after, "Something that this needs is not there now.")(scope, receive, send)


def by_header(name: str) -> Classifier:
    """Requests say in a header how much they matter: critical, degraded, best_effort or bulk, in any case.

    Whoever can set the header can at most make a request matter less than one that says nothing.
    """
    words = {level.value: level for level in Criticality}
    return lambda scope: words.get(Headers(scope=scope).get(name, "").lower().replace("-", "_"))


def _refusal(exc: BaseException) -> CallNotPermitted | CapabilityNotOffered | None:
    """The refusal that an exception is, or that all of a group are."""
    if isinstance(exc, CallNotPermitted | CapabilityNotOffered):
        return exc
    if isinstance(exc, BaseExceptionGroup):
        members = [_refusal(member) for member in cast("BaseExceptionGroup[BaseException]", exc).exceptions]
        return members[0] if all(members) else None
    return None


def _unavailable(after: float | None, detail: str) -> ProblemResponse:
    # No word of which service it is, or why: that is for operators, not for whoever asks.
    seconds = max(1, ceil(_SOME_TIME if after is None else after))
    return ProblemResponse(503, detail, {"Retry-After": str(seconds)})
