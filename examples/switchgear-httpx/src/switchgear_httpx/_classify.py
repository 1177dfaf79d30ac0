"""What httpx's errors, and the statuses of answers, say about a host."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime

from switchgear.spi import Verdict

# By name, since importing the classes would import httpx. The most derived one that is listed decides.
_VERDICTS = {
    "TransportError": Verdict.FAILURE,  # not reached, not answered in time, broken off
    "ProtocolError": Verdict.FAILURE,  # an answer that is none
    "DecodingError": Verdict.FAILURE,
    # Our own doing: it says nothing about the host.
    "PoolTimeout": Verdict.IGNORED,
    "LocalProtocolError": Verdict.IGNORED,
    "UnsupportedProtocol": Verdict.IGNORED,
    "TooManyRedirects": Verdict.IGNORED,
    "StreamError": Verdict.IGNORED,
    "InvalidURL": Verdict.IGNORED,
    "CookieConflict": Verdict.IGNORED,
}
#: 4xx is the caller's affair, and so are methods and versions that a host does not know.
_THROTTLED, _DECLINED, _UNAVAILABLE = 429, {501, 505}, 503


def classify(exc: BaseException) -> Verdict:
    """The verdict on an exception of httpx; one that is not listed is a FAILURE."""
    if type(exc).__name__ == "HTTPStatusError":
        response = getattr(exc, "response", None)
        return _of_status(getattr(response, "status_code", 500), _wait(getattr(response, "headers", {})))
    return next((_VERDICTS[kind.__name__] for kind in type(exc).__mro__ if kind.__name__ in _VERDICTS), Verdict.FAILURE)


def _of_status(status: int, wait: float | None) -> Verdict:
    if status == _THROTTLED or (status == _UNAVAILABLE and wait is not None):
        return Verdict.THROTTLED.after(wait)
    return Verdict.FAILURE if status // 100 == 5 and status not in _DECLINED else Verdict.SUCCESS  # noqa: PLR2004


def _wait(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After, which is a number or a date by the host's own clock; None where it is neither."""
    after = headers.get("retry-after", "")
    with suppress(ValueError):
        return float(after)
    with suppress(KeyError, ValueError):
        return (parsedate_to_datetime(after) - parsedate_to_datetime(headers["date"])).total_seconds()
    return None
