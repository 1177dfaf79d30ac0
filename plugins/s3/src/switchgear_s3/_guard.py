"""The guard: hung on the narrow waist of a client, so that all its operations pass it, retries and transfers included.

Each attempt at an operation asks for a permit and is judged by its own outcome, for a client that tries again on its
own would otherwise hide an outage for minutes. Once the breaker is not closed the client is told that each attempt was
its last; its caller gets the service's real error, and the next call is refused at once.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from functools import partial
from typing import Any

from aiohttp import ClientResponse
from botocore.exceptions import ClientError

from switchgear.spi import Permit, Service
from switchgear_s3._operations import CLEAN_UP, LARGE, operation
from switchgear_s3._payload import Payload
from switchgear_s3._refusal import S3CallNotPermitted, S3CallTimedOut
from switchgear_s3._stream import settle_at_end
from switchgear_s3._uploads import Uploads
from switchgear_s3._waist import waist_of

#: Where a request's context, botocore's notes on one call, has the bucket, and the upload that it belongs to.
_BUCKET, _UPLOAD = "switchgear.bucket", "switchgear.upload"
#: From this HTTP status on, botocore has an error to raise.
_ERROR = 300
#: More attempts than any client is set to, and how many those make that are not set.
_LAST_ATTEMPT, _DEFAULT_ATTEMPTS = sys.maxsize, 5


def guard_client(client: Any, service: Service) -> Any:
    """Guard an aiobotocore (or aioboto3) client in place. Raises ConfigurationError for one that cannot be guarded."""
    endpoint = waist_of(client)
    service.refusal, service.timed_out = S3CallNotPermitted, S3CallTimedOut
    guard = guard_of(endpoint)
    if guard is None:
        Guard(client, endpoint, service)
    else:
        guard.service = service
    return client


def guard_of(endpoint: Any) -> Guard | None:
    """The guard of a client, by its endpoint."""
    guard = getattr(getattr(endpoint, "_do_get_response", None), "__self__", None)
    return guard if isinstance(guard, Guard) else None


class Guard:
    """What every attempt of one client passes."""

    def __init__(self, client: Any, endpoint: Any, service: Service) -> None:
        self.service = service
        self.uploads = Uploads()
        retries: dict[str, Any] = client.meta.config.retries or {}
        self._most_attempts: int = retries.get("total_max_attempts", _DEFAULT_ATTEMPTS)
        self._do_get_response = endpoint._do_get_response
        self._needs_retry = endpoint._needs_retry
        endpoint._do_get_response = self.attempt
        endpoint._needs_retry = self.needs_retry
        self._make_api_call = client._make_api_call
        client._make_api_call = self.call
        client.meta.events.register("before-parameter-build.s3", _note, unique_id="switchgear-s3")

    def call(self, operation_name: str, api_params: dict[str, Any]) -> Coroutine[Any, Any, Any]:
        """One operation, with all that the client makes of it, inside the service's strategies if it has any. A place
        among them is held until the answer begins: a body is read at its reader's pace.
        """
        if self.service.pipeline is None or operation_name == CLEAN_UP:  # it must get through when nothing else does
            return self._make_api_call(operation_name, api_params)  # type: ignore[no-any-return]
        payload = Payload.of(api_params)

        async def attempt(**params: Any) -> Any:  # a dict of its own: the SDK's handlers write into it
            if payload.rewind:
                payload.rewind()
            return await self._make_api_call(operation_name, params)

        planned = payload.operation(operation_name, hedged=self.service.has("hedge"))
        # The caller's own parameters are those that a fallback is called with, and knows a last good answer by.
        return self.service.run(planned, api_params.get("Bucket", ""), partial(attempt, **api_params))

    async def attempt(self, request: Any, operation_model: Any, context: dict[str, Any]) -> tuple[Any, Any]:
        """One request and its answer: (response and what it says) or the exception that the client will raise.

        Raises S3CallNotPermitted.
        """
        if operation_model.name == CLEAN_UP:
            self.service.count("multipart_aborts")
            answer, error = await self._do_get_response(request, operation_model, context)
            if error is None:
                self._done(operation_model, answer[1], context)
            return answer, error
        sent = _body_length(request)
        wanted = operation(operation_model.name, large=sent is None or sent > LARGE)
        permit = self.service.admit(wanted, context.get(_BUCKET, ""))
        try:
            answer, error = await self._do_get_response(request, operation_model, context)
            if error is not None:
                permit.fail(error)
            else:
                self._answered(permit, request, operation_model, *answer)
                self._done(operation_model, answer[1], context, sent)
        except BaseException as exc:
            permit.fail(exc)
            raise
        return answer, error

    async def needs_retry(
        self,
        attempts: int,
        operation_model: Any,
        request_dict: dict[str, Any],
        response: Any = None,
        caught_exception: Exception | None = None,
    ) -> bool:
        """Whether the client goes on by itself: tries again, after a pause, or follows a redirect to another region,
        which it does whatever the attempt's number."""
        domain = request_dict["context"].get(_BUCKET, "")
        exempt = operation_model.name == CLEAN_UP
        closed = exempt or self.service.closed(domain)
        if not closed and attempts < self._most_attempts and self._failed(operation_model, response):
            self.service.count("vetoed_retries")
        if not closed or self.service.retried():
            # Its handlers must be heard all the same: one of them brings the status of an error inside a 200 to light.
            attempts = _LAST_ATTEMPT
        again: bool = await self._needs_retry(attempts, operation_model, request_dict, response, caught_exception)
        if again and not exempt and attempts != _LAST_ATTEMPT and not self.service.closed(domain):
            self.service.count("vetoed_retries")
            return False  # it has opened in the pause
        return again

    def _answered(self, permit: Permit, request: Any, model: Any, response: Any, parsed: dict[str, Any]) -> None:
        raw = response.raw if isinstance(response.raw, ClientResponse) else None
        # Not the response's own status: an error inside a 200 has been noticed by the parser only, so far.
        if parsed["ResponseMetadata"]["HTTPStatusCode"] >= _ERROR:
            error = _error(model, parsed)
            verdict = self.service.backend.classify(error)
            permit.settle(verdict, error)
            if verdict.name == "THROTTLED":
                self.service.count("throttled")
        elif request.stream_output and raw is not None:
            settle_at_end(raw, parsed[model.output_shape.serialization["payload"]], permit, self.service)
            return
        else:
            permit.succeed(parsed)
        if raw is not None and raw.content.total_bytes:
            self.service.count("bytes", raw.content.total_bytes, direction="down")

    def _done(self, model: Any, parsed: dict[str, Any], context: dict[str, Any], sent: int | None = None) -> None:
        """Count what an operation has sent, and what it did to an upload."""
        if sent:
            self.service.count("bytes", sent, direction="up")
        if parsed["ResponseMetadata"]["HTTPStatusCode"] >= _ERROR:
            return
        if model.name == "PutObject" and sent is not None:
            self.service.observe("object_size", sent, direction="up")
        self.uploads.heard(self.service, model.name, parsed, context.get(_UPLOAD, ""))

    def _failed(self, model: Any, response: Any) -> bool:
        """Whether what came of an attempt is one of the outcomes that make clients try again."""
        if response is None:
            return True
        _, parsed = response
        if parsed["ResponseMetadata"]["HTTPStatusCode"] < _ERROR:
            return False
        return self.service.backend.classify(_error(model, parsed)).name in {"FAILURE", "THROTTLED"}


def _note(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_BUCKET] = params.get("Bucket", "")
    context[_UPLOAD] = params.get("UploadId", "")


def _error(model: Any, parsed: Any) -> ClientError:
    """What the client will raise for an answer."""
    return ClientError(parsed, model.name)


def _body_length(request: Any) -> int | None:
    """Bytes that a request sends, without what wraps them; None if it does not say."""
    if not request.body:
        return 0
    length = request.headers.get("X-Amz-Decoded-Content-Length") or request.headers.get("Content-Length")
    return None if length is None else int(length)
