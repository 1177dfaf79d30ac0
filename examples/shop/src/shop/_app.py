"""The endpoints."""

from __future__ import annotations

from typing import Any, Literal

import httpx
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from shop._shelves import Shelves
from switchgear import Switchgear
from switchgear.asgi import SwitchgearMiddleware, by_header
from switchgear.asgi import create_app as switchgear_app

_FLAT_RATE = 9.0


class Product(BaseModel):
    """A product's page."""

    id: int
    name: str


class Order(BaseModel):
    """One sold, and what its way costs."""

    product: int
    shipping: float
    priced_by: Literal["carrier", "us"]


def create_app(gear: Switchgear, lifespan: Any = None) -> FastAPI:
    """The shop on the services of a gear, which somebody enters: `lifespan`, or the caller."""
    app = FastAPI(title="Shop", lifespan=lifespan)
    # What is not offered, and what is refused and not caught, becomes 503 with Retry-After.
    app.add_middleware(SwitchgearMiddleware, gear=gear, classifier=by_header("x-criticality"))
    app.mount("/switchgear", switchgear_app(gear))
    shelves = Shelves(gear)

    @app.get("/products/{product}")
    @gear.requires("catalogue")
    async def page(product: int) -> Product:
        name = await shelves.name_of(product)
        if name is None:
            raise HTTPException(404)
        return Product(id=product, name=name)

    async def none_known() -> list[int]:  # while the level says so: the cache is not even asked then
        return []

    @app.get("/bestsellers")
    @gear.requires("bestsellers", otherwise=none_known)
    async def bestsellers() -> list[int]:
        return await shelves.bestsellers()

    @app.post("/orders/{product}")
    @gear.requires("checkout")
    async def order(product: int) -> Order:
        if not await shelves.take(product):
            raise HTTPException(409, "Sold out.")
        carrier: httpx.AsyncClient = gear.client("carrier")
        try:
            answer = (await carrier.get("/price", params={"product": product})).raise_for_status()
        except httpx.HTTPError:  # which a refusal is, too
            return Order(product=product, shipping=_FLAT_RATE, priced_by="us")
        return Order(product=product, shipping=answer.json()["price"], priced_by="carrier")

    return app
