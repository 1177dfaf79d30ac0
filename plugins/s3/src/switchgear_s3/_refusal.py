"""The error of a call that was refused."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError

from switchgear.spi import CallNotPermitted


class S3CallNotPermitted(CallNotPermitted, BotoCoreError):
    """The breaker of an S3 service, or of one bucket of it, did not permit the call.

    An `except BotoCoreError` catches it. It is neither an HTTPClientError nor a ConnectionError, which botocore and
    libraries above it take for a reason to try again, nor a ClientError, since no server has answered.
    """

    kwargs: Any = {}  # noqa: RUF012 - what other BotoCoreErrors make their message of; ours stays empty
