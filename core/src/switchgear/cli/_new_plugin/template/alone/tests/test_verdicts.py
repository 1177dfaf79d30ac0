"""Each answer of the server is judged as it should be."""

from __future__ import annotations

from contextlib import suppress

import pytest
from fake_server import fake_server
from switchgear import Switchgear
from switchgear.testing.events import Events

from switchgear_acme import ACME
from switchgear_acme.client import AcmeError, Client

pytestmark = pytest.mark.anyio

ANSWERS = [("ok", "SUCCESS"), ("declined", "SUCCESS"), ("busy", "THROTTLED"), ("quota exceeded", "EXHAUSTED")]


@pytest.mark.parametrize(("mood", "verdict"), ANSWERS)
async def test_an_answer_has_its_verdict(mood: str, verdict: str, gear: Switchgear, events: Events) -> None:
    """As it comes from the server, through the client."""
    with fake_server() as server:
        client = gear.guard(Client("127.0.0.1", server.port, timeout=5.0), ACME, name="acme")
        server.mood = mood
        with suppress(AcmeError):
            await client.get("key")
    assert events.verdicts == [("acme.get", verdict)]


async def test_a_server_that_is_gone_fails(gear: Switchgear, events: Events) -> None:
    """Nobody listens."""
    with fake_server() as server:
        client = gear.guard(Client("127.0.0.1", server.port, timeout=5.0), ACME, name="acme")
    with pytest.raises(AcmeError):
        await client.get("key")
    assert events.verdicts == [("acme.get", "FAILURE")]
