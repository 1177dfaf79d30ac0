"""What callers do and what goes wrong meanwhile, as data: for tests to draw (see `strategies`), print and play."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import anyio

from switchgear._verdict import Verdict
from switchgear.testing.proxy import FaultProxy
from switchgear.testing.toxics import Toxic


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCall:
    """One call of a sequence. Times in seconds."""

    pause: float  #: after the one before has begun
    operation: str
    domain: str
    latency: float  #: until it ends
    outcome: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedFault:
    """One phase of a fault script. Times in seconds."""

    pause: float  #: after the one before is over
    seconds: float  #: that it lasts
    fault: Toxic | Literal["down", "blackhole"]


async def play(script: Iterable[ScriptedFault], proxy: FaultProxy) -> None:
    """Let a proxy suffer the faults one after another; afterwards it is healed, also when this is cancelled."""
    try:
        for phase in script:
            await anyio.sleep(phase.pause)
            if isinstance(phase.fault, Toxic):
                proxy.add(phase.fault)
            elif phase.fault == "down":
                await proxy.down()
            else:
                await proxy.blackhole()
            await anyio.sleep(phase.seconds)
            await proxy.heal()
    finally:
        with anyio.CancelScope(shield=True):
            await proxy.heal()
