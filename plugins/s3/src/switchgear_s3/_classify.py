"""What an outcome of S3 says about the service, as tables.

The tables name exceptions by their full names, so that to read them no SDK need be loaded. An exception is judged by
the nearest of its base classes that has a row; one without any is nobody's known error, and so a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, cast

from switchgear.spi import Verdict

SUCCESS, FAILURE, THROTTLED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.IGNORED

_CODES: tuple[tuple[Verdict, str], ...] = (
    # "less, please", whatever the status: S3 itself answers 503, gateways 429 or 400; the Err... are SeaweedFS'
    (
        THROTTLED,
        """BandwidthLimitExceeded ErrRequestBytesExceed ErrTooManyRequest LimitExceededException PriorRequestNotComplete
        RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown ThrottledException Throttling
        ThrottlingException TooManyRequests TooManyRequestsException""",
    ),
    # a 400, though the request was sound and the server did not get it in time
    (FAILURE, "RequestTimeout RequestTimeoutException"),
    # inside the answer to a bulk delete there is no status, only the code of each key
    (FAILURE, "InternalError ServiceUnavailable"),
    # a 501: an answer, of a server that cannot do what was asked and never will
    (SUCCESS, "NotImplemented"),
    # our credentials or our clock, with a 400; the rest of that kind has a 403
    (
        IGNORED,
        """AuthorizationHeaderMalformed AuthorizationQueryParametersError ExpiredToken InvalidToken
        MissingSecurityHeader RequestExpired TokenRefreshRequired""",
    ),
)
#: Error codes that say something else than their HTTP status does.
CODES: Mapping[str, Verdict] = {code: verdict for verdict, codes in _CODES for code in codes.split()}

#: HTTP status of an answer without a row above; every other status is the service doing its work.
STATUSES: Mapping[int, Verdict] = {
    401: IGNORED,
    403: IGNORED,
    407: IGNORED,
    408: FAILURE,
    429: THROTTLED,
    501: SUCCESS,
}

EXCEPTIONS: Mapping[str, Verdict] = {
    # No connection to the endpoint, which all buckets share.
    "botocore.exceptions.ConnectionError": FAILURE.everywhere(),
    "aiohttp.client_exceptions.ClientConnectorError": FAILURE.everywhere(),
    "aiohttp.client_exceptions.ConnectionTimeoutError": FAILURE.everywhere(),
    # ... but a host name, and the certificate for it, may be one bucket's own.
    "aiohttp.client_exceptions.ClientConnectorDNSError": FAILURE,
    "aiohttp.client_exceptions.ClientSSLError": FAILURE,
    # A connection, and then no answer, half of one, or not the one that was stored.
    "botocore.exceptions.HTTPClientError": FAILURE,
    "botocore.exceptions.IncompleteReadError": FAILURE,
    "botocore.exceptions.ChecksumError": FAILURE,
    "botocore.exceptions.FlexibleChecksumError": FAILURE,
    "botocore.parsers.ResponseParserError": FAILURE,
    "aiohttp.client_exceptions.ClientError": FAILURE,
    "builtins.OSError": FAILURE,
    # Said before anything was sent: wrong parameters, no credentials, a stub.
    "botocore.exceptions.BotoCoreError": IGNORED,
    # Wrong use on this side: a closed client, a body of the wrong type, a read beyond the end, two readers of one body.
    "builtins.EOFError": IGNORED,
    "builtins.RuntimeError": IGNORED,
    "builtins.TypeError": IGNORED,
    "builtins.ValueError": IGNORED,
    "aiohttp.http_exceptions.LineTooLong": IGNORED,
}

#: Seconds. A time that a server names is obeyed up to here: a slip of a gateway must not shut a service for a day.
LONGEST_WAIT = 300.0


def classify(exc: BaseException) -> Verdict:
    """The verdict on anything that a call to S3 raises."""
    response = cast("Mapping[str, Any] | None", getattr(exc, "response", None))
    if isinstance(response, Mapping):  # botocore's ClientError
        return _of_error_response(response)
    # botocore wraps what the transport raised, and the transport is the more precise.
    arguments = cast("Mapping[str, Any] | None", getattr(exc, "kwargs", None))
    inner = arguments.get("error") if isinstance(arguments, Mapping) else None
    bases = type(inner if isinstance(inner, Exception) else exc).__mro__
    rows = (EXCEPTIONS.get(f"{base.__module__}.{base.__qualname__}") for base in bases)
    return next((verdict for verdict in rows if verdict), FAILURE)


def classify_result(result: Any) -> Verdict:
    """The verdict on an answer. A bulk delete answers 200 and lists the keys that it could not delete: it is as bad as
    the worst of them, as a group of exceptions is."""
    errors = cast("dict[str, Any]", result).get("Errors", ()) if isinstance(result, dict) else ()
    verdicts = {CODES.get(error.get("Code", ""), SUCCESS) for error in errors}
    return next((verdict for verdict in (FAILURE, THROTTLED) if verdict in verdicts), SUCCESS)


def _of_error_response(response: Mapping[str, Any]) -> Verdict:
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    by_status = STATUSES.get(status) or (FAILURE if status >= 500 else SUCCESS)  # noqa: PLR2004
    verdict = CODES.get(response.get("Error", {}).get("Code", ""), by_status)
    if verdict in (FAILURE, THROTTLED):
        # Who names a time is alive and asks for it.
        wait = _retry_after(metadata.get("HTTPHeaders", {}))
        return verdict if wait is None else THROTTLED.after(wait)
    return verdict


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait for; None if it names no time that can be understood."""
    try:
        if milliseconds := headers.get("x-amz-retry-after"):
            wait = int(milliseconds) / 1000
        elif (after := headers["retry-after"]).isdigit():
            wait = float(after)
        else:  # a date, compared with the server's own: the clocks of two hosts need not agree
            wait = (parsedate_to_datetime(after) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None
    return min(wait, LONGEST_WAIT) if wait > 0 else None
