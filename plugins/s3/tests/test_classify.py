from __future__ import annotations

import asyncio
import importlib
from typing import Any

import aiohttp
import aiohttp.http_exceptions
import botocore.exceptions as boto
import pytest
from aiohttp.client_reqrep import ConnectionKey
from botocore.parsers import ResponseParserError
from botocore.retries.standard import ThrottledRetryableChecker

from switchgear import Verdict
from switchgear_s3._classify import CODES, EXCEPTIONS, LONGEST_WAIT, classify, classify_result

SUCCESS, FAILURE, THROTTLED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.IGNORED


def answer(status: int, code: str = "", **headers: str) -> boto.ClientError:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {name.replace("_", "-"): v for name, v in headers.items()}}
    response: Any = {"Error": {"Code": code or str(status)}, "ResponseMetadata": metadata}
    return boto.ClientError(response, "GetObject")


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_every_row_names_an_exception_that_exists(name: str) -> None:
    """A row whose exception the SDK has renamed would silently judge nothing."""
    module, _, qualname = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), qualname), Exception)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (answer(404, "NoSuchKey"), SUCCESS),
        (answer(404), SUCCESS),  # of a HEAD, which has no body to name a code in
        (answer(404, "NoSuchBucket"), SUCCESS),
        (answer(409, "BucketAlreadyOwnedByYou"), SUCCESS),
        (answer(412, "PreconditionFailed"), SUCCESS),
        (answer(416, "InvalidRange"), SUCCESS),
        (answer(304), SUCCESS),
        (answer(301, "PermanentRedirect"), SUCCESS),
        (answer(400, "InvalidRequest"), SUCCESS),
        (answer(501, "NotImplemented"), SUCCESS),
        (answer(501), SUCCESS),
        (answer(500, "InternalError"), FAILURE),
        (answer(502), FAILURE),
        (answer(503, "ServiceUnavailable"), FAILURE),
        (answer(507, "XMinioStorageFull"), FAILURE),
        (answer(400, "RequestTimeout"), FAILURE),
        (answer(408), FAILURE),
        (answer(503, "SlowDown"), THROTTLED),
        (answer(400, "Throttling"), THROTTLED),
        (answer(503, "ErrTooManyRequest"), THROTTLED),
        (answer(429), THROTTLED),
        (answer(403, "AccessDenied"), IGNORED),
        (answer(403, "RequestTimeTooSkewed"), IGNORED),
        (answer(400, "ExpiredToken"), IGNORED),
        (answer(401), IGNORED),
    ],
    ids=str,
)
def test_answers(error: boto.ClientError, verdict: Verdict) -> None:
    """Only an answer that shows the service not serving counts against it."""
    assert classify(error) == verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (answer(503, "SlowDown", x_amz_retry_after="1500"), THROTTLED.after(1.5)),  # milliseconds
        (answer(503, "SlowDown", retry_after="2"), THROTTLED.after(2)),
        (answer(429, retry_after="7", x_amz_retry_after="100"), THROTTLED.after(0.1)),
        (answer(503, "ServiceUnavailable", retry_after="3"), THROTTLED.after(3)),  # who names a time is alive
        (
            answer(503, retry_after="Fri, 31 Dec 1999 23:59:59 GMT", date="Fri, 31 Dec 1999 23:59:29 GMT"),
            THROTTLED.after(30),
        ),
        (answer(503, "SlowDown", retry_after="soon"), THROTTLED),
        (answer(503, "SlowDown", retry_after="Fri, 31 Dec 1999 23:59:59 GMT"), THROTTLED),  # and no date to compare
        (answer(503, "SlowDown", retry_after="0"), THROTTLED),
        (answer(503, "SlowDown", retry_after="86400"), THROTTLED.after(LONGEST_WAIT)),
        (answer(404, "NoSuchKey", retry_after="5"), SUCCESS),
    ],
    ids=str,
)
def test_a_time_that_the_server_names(error: boto.ClientError, verdict: Verdict) -> None:
    """Retry-After and x-amz-retry-after are obeyed within reason, and what cannot be understood is no time at all."""
    assert classify(error) == verdict


KEY = ConnectionKey("h", 80, False, True, None, None, None)
UNRESOLVED = aiohttp.ClientConnectorDNSError(KEY, OSError())
REFUSED = aiohttp.ClientConnectorError(KEY, ConnectionRefusedError())


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        # the endpoint cannot be reached: true of all buckets
        (boto.EndpointConnectionError(endpoint_url="u", error=REFUSED), FAILURE.everywhere()),
        (boto.ConnectTimeoutError(endpoint_url="u", error=aiohttp.ConnectionTimeoutError()), FAILURE.everywhere()),
        (boto.ConnectTimeoutError(endpoint_url="u"), FAILURE.everywhere()),
        # a host name may be one bucket's own
        (boto.EndpointConnectionError(endpoint_url="u", error=UNRESOLVED), FAILURE),
        (boto.SSLError(endpoint_url="u", error=aiohttp.ClientConnectorSSLError(KEY, OSError())), FAILURE),
        # reset in the middle: aiobotocore calls this an EndpointConnectionError, too
        (boto.EndpointConnectionError(endpoint_url="u", error=aiohttp.ClientOSError(104, "reset")), FAILURE),
        (boto.ConnectionClosedError(endpoint_url="u", error=aiohttp.ServerDisconnectedError()), FAILURE),
        (boto.ReadTimeoutError(endpoint_url="u", error=TimeoutError()), FAILURE),
        (boto.ResponseStreamingError(error=aiohttp.ClientPayloadError()), FAILURE),
        (boto.HTTPClientError(error=aiohttp.ClientPayloadError()), FAILURE),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), FAILURE),
        (boto.FlexibleChecksumError(error_msg="m"), FAILURE),
        (ResponseParserError("no XML"), FAILURE),
        (aiohttp.ClientPayloadError(), FAILURE),
        (aiohttp.SocketTimeoutError(), FAILURE),
        (TimeoutError(), FAILURE),
        (LookupError("whatever this is"), FAILURE),
        # on this side
        (boto.ParamValidationError(report="r"), IGNORED),
        (boto.NoCredentialsError(), IGNORED),
        (boto.HTTPClientError(error=RuntimeError("Session is closed")), IGNORED),
        (boto.HTTPClientError(error=TypeError("a body of this type")), IGNORED),
        (asyncio.IncompleteReadError(b"", 9), IGNORED),
        (aiohttp.http_exceptions.LineTooLong(b"x"), IGNORED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_exceptions(error: Exception, verdict: Verdict) -> None:
    """Both families of botocore's transport errors count, what went wrong on this side does not, and only what all
    buckets share is said of all."""
    assert classify(error) == verdict


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        (["AccessDenied"], SUCCESS),
        (["AccessDenied", "SlowDown"], THROTTLED),
        (["SlowDown", "InternalError", "AccessDenied"], FAILURE),
    ],
)
def test_a_bulk_delete_is_as_bad_as_its_worst_key(codes: list[str], verdict: Verdict) -> None:
    """Errors in a list of keys, under a status of 200, are judged as those with a status are."""
    errors: list[dict[str, Any]] = [{"Key": str(i), "Code": code} for i, code in enumerate(codes)]
    assert classify_result({"Errors": errors}) == verdict


def test_every_throttling_code_that_botocore_knows_is_one_here() -> None:
    """But for those of other services: what the client itself takes for "less, please" is THROTTLED."""
    elsewhere = "EC2ThrottledException ProvisionedThroughputExceededException TransactionInProgressException"
    checker: Any = ThrottledRetryableChecker
    known = set(checker._THROTTLED_ERROR_CODES) - set(elsewhere.split(" "))
    assert known <= {code for code, verdict in CODES.items() if verdict == THROTTLED}
