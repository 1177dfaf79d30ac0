"""A shop: `uvicorn --factory shop:application`, beside its configuration shop.toml."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from shop._app import create_app
from shop._shelves import Shelves
from switchgear import Switchgear

__all__ = ["application", "create_app"]


def application() -> FastAPI:
    """The application as it is deployed. Raises ConfigurationError."""
    gear = Switchgear.from_toml("shop.toml")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        async with gear:
            await Shelves(gear).fill()
            yield

    return create_app(gear, lifespan)
