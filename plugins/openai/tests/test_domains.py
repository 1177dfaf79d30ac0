"""Of ten models one is broken: its branch opens, the other nine serve every call."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from plugins.openai.tests.support import ANYIO, Outcome, Way, Witness, chat, connection, outcome, stream
from switchgear import BreakerConfig
from switchgear.testing import OpenAIServer

pytestmark = ANYIO

ROUNDS = 15
MODELS = [f"model-{number}" for number in range(10)]
BROKEN, *SOUND = MODELS
STAYS = BreakerConfig(consecutive_failures=2, wait_duration_in_open=60, ramp=None)
PATIENCE = 3.0  # seconds of silence: more than a busy machine takes for a sound answer

FAULTS: dict[str, tuple[str, dict[str, Any], Way]] = {
    "500": ("status", {"status": 500}, chat),
    "429 with a time": ("status", {"status": 429, "retry_after": 60}, chat),
    "reset": ("reset", {}, chat),
    "hang": ("hang", {}, chat),
    "a stream is cut": ("cut", {"after": 2}, stream),
    "a stream just ends": ("truncate", {"after": 2}, stream),
    "a stream stalls": ("stall", {"after": 2}, stream),
}


@pytest.mark.parametrize("row", FAULTS)
async def test_one_model_of_ten_is_broken(row: str, llm: OpenAIServer) -> None:
    """In each of the ways that a server has to fail, under the load of all ten in parallel. The broken one is asked no
    more once its branch is open; each call of the others is answered as ever."""
    fault, details, way = FAULTS[row]
    witness = Witness(STAYS)
    ends: dict[str, list[Outcome]] = {model: [] for model in MODELS}

    async def ask(client: Any, model: str) -> None:
        ends[model].append(await outcome(way(client, model)))  # type: ignore[call-arg]

    async with connection(llm.base_url, timeout=PATIENCE) as client:
        expected = await way(witness.guard(client))
        await llm.fault(fault, model=BROKEN, **details)  # type: ignore[arg-type]
        before = await llm.requests()
        for _ in range(ROUNDS):
            async with anyio.create_task_group() as tasks:
                for model in MODELS:
                    tasks.start_soon(partial(ask, client, model))
        asked = await llm.requests() - before
    assert {model: ends[model] for model in SOUND} == {model: [Outcome(expected)] * ROUNDS for model in SOUND}
    assert "OpenAICallNotPermitted" in ends[BROKEN][-1].raised
    assert asked - len(SOUND) * ROUNDS <= 2
    assert {event.domain for event in witness.moved} == {BROKEN}
    assert (witness.state(BROKEN), witness.main) == ("OPEN", "CLOSED")
    assert {witness.state(model) for model in SOUND} == {"CLOSED"}
