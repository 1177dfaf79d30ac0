from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from switchgear import Switchgear
from switchgear.asgi import create_app
from tests.asgi.browsing import browsing, served

if TYPE_CHECKING:
    from playwright.async_api import Browser


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


@pytest.fixture(scope="module")
async def empty(anyio_backend: str) -> AsyncIterator[str]:
    """The URL of an application without services, for pages whose data is staged."""
    async with served(create_app(Switchgear())) as url:
        yield url
