"""One request and its answer, from the permit to the verdict."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio

from switchgear.spi import Permit, Verdict
from switchgear_openai._bill import bill
from switchgear_openai._classify import AUTH_STATUSES, BadAnswer, classify, names_in, verdict_of_status
from switchgear_openai._limits import wait_of
from switchgear_openai._operations import Call
from switchgear_openai._sse import EventWatch
from switchgear_openai._stream import PeekedBody, WatchedBody, of_family
from switchgear_openai._watch import SERVED, DocumentWatch, Finding, Watch, WebPageWatch

if TYPE_CHECKING:
    from switchgear_openai._guard import Guard

#: As much of an error's body as is looked at, in bytes: the API's own are far shorter.
_PEEK = 4096
#: The SDK waits as long as a server asks, up to so many seconds.
_PATIENCE = 120.0
#: Streams of these have an end to wait for; what others look like when they are whole is not known.
_FINISHING = frozenset({"openai.chat.completions", "openai.completions", "openai.responses"})
#: What stands in for the watch until there is an answer.
_NOTHING_YET = Watch()


class Exchange:
    """Settles the permit of one request, once, by whatever settles it first."""

    __slots__ = ("_bill", "_call", "_guard", "_last", "_permit", "_request", "_started", "_watch")

    def __init__(self, guard: Guard, call: Call, permit: Permit, request: Any) -> None:
        self._guard = guard
        self._call = call
        self._permit = permit
        self._request = request
        self._started = self._last = monotonic()
        self._watch = _NOTHING_YET
        self._bill = bill.get()

    # -- the answer's head ---------------------------------------------------------------------------------------

    async def answered(self, response: Any, headers: dict[bytes, bytes]) -> None:
        """Judges an error by its status and code; watches the body of anything else."""
        self._guard.service.heard(self._call.domain, response)
        if response.is_error:
            await self._error(response, headers)
            return
        self._watch = self._watch_for(response, headers)
        if response.is_closed:  # a body that came with the head, as a mock's does
            self.passes(response.content)
            self.ended()
        else:
            response.stream = of_family(WatchedBody, self._guard.family.AsyncByteStream)(response.stream, self)

    async def _error(self, response: Any, headers: dict[bytes, bytes]) -> None:
        if response.is_closed:
            head, encoding = response.content[:_PEEK], b""
        else:
            head, encoding = await self._peek(response), headers.get(b"content-encoding", b"")
        status: int = response.status_code
        names = names_in(head, encoding)
        if status in AUTH_STATUSES:
            self._guard.service.count("auth_errors", status=str(status))
        verdict = verdict_of_status(status, names, wait_of(response.headers))
        self._settle(Finding(verdict, BadAnswer(" ".join(("HTTP", str(status), *names[:1])))))
        if not _waits(verdict, headers) and not self._guard.service.closed(self._call.domain):
            response.headers["x-should-retry"] = "false"  # the SDK's own protocol: it goes by this

    async def _peek(self, response: Any) -> bytes:
        body: PeekedBody = of_family(PeekedBody, self._guard.family.AsyncByteStream)(response.stream)
        response.stream = body
        try:
            return await body.peek(_PEEK)
        except BaseException:  # cancelled: nobody else knows of this body yet
            with anyio.CancelScope(shield=True):
                await body.aclose()
            raise

    def _watch_for(self, response: Any, headers: dict[bytes, bytes]) -> Watch:
        if not response.is_success:  # a redirection; where it leads to is another request
            return Watch()
        encoding = b"" if response.is_closed else headers.get(b"content-encoding", b"")
        content = headers.get(b"content-type", b"")
        if self._call.expects_json and content.startswith(b"text/html"):
            return WebPageWatch()
        if self._call.streamed or content.startswith(b"text/event-stream"):
            finishing = self._call.streamed and self._call.operation.name in _FINISHING
            return EventWatch(encoding, must_finish=finishing)
        if self._call.expects_json and content.startswith(b"application/json"):
            return DocumentWatch(encoding)
        return Watch()

    # -- its body ------------------------------------------------------------------------------------------------

    def passes(self, chunk: bytes) -> None:
        """A piece of the body has arrived."""
        if self._permit.settled:
            return
        begun = self._watch.begun
        finding = self._watch.feed(chunk)
        if self._watch.begun and self._call.operation.klass == "stream":
            now = monotonic()
            if not begun:
                self._permit.first_chunk()
                self._guard.first_chunks.observe(now - self._started)
            else:
                self._guard.chunk_gaps.observe(now - self._last)
            self._last = now
        if finding is not None:
            self._settle(finding)

    def ended(self) -> None:
        """The body has ended in good order."""
        if not self._permit.settled:
            self._settle(self._watch.end())

    def left(self) -> None:
        """The reader has closed the body. Before its end, that says nothing, and the permit goes back."""
        if not self._permit.settled and (finding := self._watch.dropped()) is not None:
            self._settle(finding)
        self._permit.release()

    def lost(self) -> None:
        """The reader has forgotten the body. A finalizer may not settle a permit in another way than this."""
        self._permit.release()

    # -- or what came instead ------------------------------------------------------------------------------------

    def broke(self, exc: BaseException) -> Exception | None:
        """The body raised. Returns what to raise instead, if that is another exception."""
        self._fail(exc)
        return self._guard.veto(exc, self._request, self._call) if self._call.read_by_sdk else None

    def failed(self, exc: BaseException) -> Exception | None:
        """There was no answer. Returns what to raise instead, if that is another exception."""
        self._fail(exc)
        return self._guard.veto(exc, self._request, self._call)

    def _fail(self, exc: BaseException) -> None:
        # The address of a client's copy may be dead while the service's own is well.
        if not self._call.home and isinstance(exc, Exception) and (verdict := classify(exc)).service_wide:
            self._permit.settle(Verdict(verdict.name), exc)
        self._permit.fail(exc)

    def _settle(self, finding: Finding) -> None:
        if finding is SERVED:
            self._permit.succeed()  # the cheaper way
        else:
            self._permit.settle(finding.verdict, finding.cause)
        if finding.truncated:
            self._guard.service.count("truncated_streams")
        tokens = self._watch.tokens()
        for kind, amount in tokens.items():
            self._guard.tokens[kind].add(amount)
        if tokens and self._bill is not None:
            self._bill.pay(tokens)


def _waits(verdict: Verdict, headers: dict[bytes, bytes]) -> bool:
    """Whether the SDK waits for its retry as long as the breaker does: then that comes in time to be the probe."""
    wait = verdict.retry_after
    asked = b"retry-after" in headers or b"retry-after-ms" in headers  # other headers the SDK does not read
    return verdict.name == "THROTTLED" and asked and wait is not None and wait <= _PATIENCE
