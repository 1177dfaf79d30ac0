"""The switchgear plugin for Acme: guards every request of a `Client`.

Importing this module does not import the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from switchgear.spi import Backend, BreakerConfig, Service, hookimpl
from switchgear_acme._connect import AcmeSettings, connect
from switchgear_acme._operations import OPERATIONS, OTHER
from switchgear_acme._verdicts import classify

if TYPE_CHECKING:
    from switchgear_acme.client import Client

__all__ = ["ACME", "AcmeSettings", "register_backends"]

#: The version of switchgear's plugin interface that this is written for.
SPI_VERSION = "1.0"


def guard(client: Client, service: Service) -> Client:
    """Guard a client in place, at its narrow waist: `request`, which all of its methods go through."""
    from switchgear_acme._refusal import AcmeCallNotPermitted

    service.refusal = AcmeCallNotPermitted
    request = partial(type(client).request, client)  # its own, so that nothing is guarded twice

    async def guarded(verb: str, *words: str) -> str:
        with service.admit(OPERATIONS.get(verb, OTHER)):
            return await request(verb, *words)

    vars(client)["request"] = guarded
    return client


async def probe(client: Client, domain: str) -> bool:
    """The cheapest request that the server has to answer."""
    await client.request("ping")
    return True


ACME = Backend(
    name="acme",
    settings=AcmeSettings,
    connect=connect,
    guard=guard,
    classify=classify,
    operations=(*OPERATIONS.values(), OTHER),
    probe=probe,
    recommended=BreakerConfig(slow_call_duration_threshold={"read": 1.0, "write": 1.0}, probe_with="both"),
)


@hookimpl
def register_backends() -> Sequence[Backend[Any, Any]]:
    """Acme."""
    return [ACME]
