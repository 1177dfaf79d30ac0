"""The switchgear plugin for Acme: guards the clients of `acme_client`.

Importing this module does not import the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from switchgear.spi import Backend, BreakerConfig, Service, hookimpl
from switchgear_acme._connect import AcmeSettings, connect
from switchgear_acme._operations import CALL
from switchgear_acme._verdicts import classify

__all__ = ["ACME", "AcmeSettings", "register_backends"]

#: The version of switchgear's plugin interface that this is written for.
SPI_VERSION = "1.0"


def guard(client: Any, service: Service) -> Any:
    """Guard a client in place, at its narrow waist."""
    from switchgear_acme._refusal import AcmeCallNotPermitted

    service.refusal = AcmeCallNotPermitted
    # FILL IN: the one method that all operations go through is called `send` here.
    send = partial(client.__class__.send, client)  # its own, so that nothing is guarded twice

    async def guarded(*args: Any, **kwargs: Any) -> Any:
        with service.admit(CALL):
            return await send(*args, **kwargs)

    vars(client)["send"] = guarded
    return client


async def probe(client: Any, domain: str) -> bool:
    """The cheapest request that the server has to answer."""
    # FILL IN: ask the server, for instance: await client.ping()
    return False  # it cannot tell


ACME = Backend(
    name="acme",
    settings=AcmeSettings,
    connect=connect,
    guard=guard,
    classify=classify,
    operations=(CALL,),
    probe=probe,
    recommended=BreakerConfig(slow_call_duration_threshold={"read": 1.0, "write": 1.0}),
    sdk="acme-client",
)


@hookimpl
def register_backends() -> Sequence[Backend[Any, Any]]:
    """Acme."""
    return [ACME]
