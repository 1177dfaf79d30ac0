"""Invariant 2: open before its deadline, no call reaches the dependency."""

from __future__ import annotations

from contextlib import suppress

import pytest

from switchgear import (
    CallNotPermitted,
    Refused,
    State,
)
from switchgear.testing import VirtualClock
from tests.support import (
    Ear,
    opened,
)
from tests.tasks import in_threads
from tests.ways import (
    Way,
    each_way,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("state", [State.OPEN, State.FORCED_OPEN], ids=str)
@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
@each_way
async def test_invariant_02_open_before_its_deadline_no_call_reaches_the_dependency(
    way: Way, heard: bool, state: State
) -> None:
    """A hundred calls spread over the whole wait, up to its last instant: none is begun, all are refused."""
    clock = VirtualClock()
    breaker = opened(clock)
    if state is State.FORCED_OPEN:
        breaker.force_open("migration", for_=8.0)
    ear = Ear()
    if heard:
        breaker.subscribe(ear)
    begun = 0

    async def body() -> None:
        nonlocal begun
        begun += 1

    for _ in range(100):
        with pytest.raises(CallNotPermitted):
            await way(breaker, body)
        clock.advance(8.0 / 128)
    assert (begun, breaker.snapshot().refused) == (0, {state: 100})
    assert len(ear.of(Refused)) == (100 if heard else 0)
    clock.advance(8.0 - 100 * 8.0 / 128)
    await way(breaker, body)
    assert begun == 1


def test_invariant_02_in_threads() -> None:
    """Nor does one of eight threads get through, whatever the others do."""
    breaker = opened(VirtualClock())
    begun: list[int] = []

    def work(number: int) -> None:
        for _ in range(200):
            with suppress(CallNotPermitted), breaker.permit():
                begun.append(number)
            breaker.snapshot()

    in_threads(work)
    assert (begun, breaker.snapshot().refused) == ([], {State.OPEN: 1600})
