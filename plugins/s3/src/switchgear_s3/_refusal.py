"""The errors of a call that was refused, and of one that takes too long."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ReadTimeoutError

from switchgear.spi import CallNotPermitted, CallTimedOut


class S3CallNotPermitted(CallNotPermitted, BotoCoreError):
    """The breaker of an S3 service, or of one bucket of it, did not permit the call.

    An `except BotoCoreError` catches it. It is neither an HTTPClientError nor a ConnectionError, which botocore and
    libraries above it take for a reason to try again, nor a ClientError, since no server has answered.
    """

    kwargs: Any = {}  # noqa: RUF012 - what other BotoCoreErrors make their message of; ours stays empty


class S3CallTimedOut(CallTimedOut, ReadTimeoutError):
    """The call took longer than the pipeline of its service allows. `except ReadTimeoutError` catches it, as it does
    botocore's own error for an answer that does not come; botocore's retries are further in.
    """

    kwargs: Any = {}  # noqa: RUF012 - as above
