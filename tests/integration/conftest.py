"""All four breakers together, in one application, on real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.integration.hurry import HurriedLoop
from tests.integration.plant import Plant, running
from tests.integration.scenario import Scenario, scenario_on


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": HurriedLoop}  # the four clients run on nothing but asyncio


@pytest.fixture(scope="session")
def plant() -> Iterator[Plant]:
    with running() as plant:
        yield plant


@pytest.fixture
async def scenario(plant: Plant) -> AsyncIterator[Scenario]:
    async with scenario_on(plant) as scenario:
        yield scenario
