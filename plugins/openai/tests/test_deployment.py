"""What a deployment is validated by: what a client keeps itself to, and what its key may do."""

from __future__ import annotations

import openai
import pytest

from plugins.openai.tests.support import ANYIO, KEY
from switchgear.spi import ClientLimits
from switchgear.testing import OpenAIServer
from switchgear_openai import OpenAISettings
from switchgear_openai._connect import connect, limits, permissions

pytestmark = ANYIO


async def test_the_limits_are_those_of_the_settings() -> None:
    """The silence that it bears, and no retries."""
    settings = OpenAISettings(api_key=KEY, base_url="http://127.0.0.1:9/v1", timeout=7.0, connect_timeout=2.0)
    async with connect(settings) as client:
        assert limits(client, settings) == ClientLimits(timeout=7.0, connect_timeout=2.0, retries=0)


async def test_a_key_of_few_rights_is_told_from_none(bare: openai.AsyncOpenAI, llm: OpenAIServer) -> None:
    """A restricted key may not list models, which is told; a key that is not accepted is an error."""
    assert await permissions(bare, []) == {"list models": ""}
    await llm.fault("status", status=403)
    assert "403" in (await permissions(bare, []))["list models"]
    await llm.heal()
    await llm.fault("status", status=401)
    with pytest.raises(openai.AuthenticationError):
        await permissions(bare, [])
