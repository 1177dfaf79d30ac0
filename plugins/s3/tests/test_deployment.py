"""What a deployment is validated by: what a client keeps itself to, and what its account may do."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from plugins.s3.tests.wire import Wire, error
from switchgear.spi import ClientLimits
from switchgear_s3 import S3Settings
from switchgear_s3._connect import connect
from switchgear_s3._probe import limits, permissions

pytestmark = pytest.mark.anyio


async def test_the_limits_are_those_of_the_configuration() -> None:
    """As botocore has them; without retries."""
    settings = S3Settings(region_name="x", aws_access_key_id="a", aws_secret_access_key="b", read_timeout=7)
    async with connect(settings) as client:
        assert limits(client, settings) == ClientLimits(timeout=7, connect_timeout=3, connections=50, retries=0)


async def test_an_account_that_may_do_all(files: Any, bucket: str) -> None:
    """Buckets are listed, and those that are named are looked at; one that is not there is told."""
    assert await permissions(files, [bucket]) == {"list buckets": "", f"head of the bucket {bucket}": ""}
    told = await permissions(files, ["no-such-bucket"])
    assert "404" in told["head of the bucket no-such-bucket"]


async def test_what_is_denied_is_told_in_the_servers_words(wired: Any, wire: Wire) -> None:
    """An account of few rights is told which are missing; one that is none at all is an error."""
    wire.answer = error(403, "AccessDenied")
    told = await permissions(wired, ["photos"])
    assert "AccessDenied" in told["list buckets"]
    assert "403" in told["head of the bucket photos"]
    wire.answer = error(403, "InvalidAccessKeyId")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        await permissions(wired, [])
