"""What holds for all calls of a task: criticality, and where they may not go."""

from __future__ import annotations

import pickle
from contextlib import suppress

import anyio
import pytest

import switchgear as sg
from switchgear import CallNotPermitted, Criticality, LimitExceeded, State, Switchgear
from switchgear._scope import forbidding, scope
from switchgear.testing import VirtualClock
from tests.backends import GET, Client, backend_of

pytestmark = pytest.mark.anyio


def gear_with(**saturations: float) -> Switchgear:
    gear = Switchgear(clock=VirtualClock())
    backend = backend_of(saturation=lambda _client: saturations)
    gear.guard(Client(), backend, name="toy")
    gear.degradation.look()
    return gear


@pytest.mark.parametrize(
    ("used", "shed"),
    [
        (0.79, []),
        (0.80, ["BULK"]),
        (0.87, ["BEST_EFFORT", "BULK"]),
        (0.94, ["DEGRADED", "BEST_EFFORT", "BULK"]),
        (1.0, ["DEGRADED", "BEST_EFFORT", "BULK"]),
    ],
)
def test_under_pressure_what_matters_least_is_shed_first(used: float, shed: list[str]) -> None:
    """And what is CRITICAL never: only the limit itself refuses that. What nobody has classed is CRITICAL."""
    service = gear_with(pool=used, other=0.1).service("toy")
    service.admit(GET).succeed()
    refused = []
    for level in Criticality:
        with sg.criticality(level):
            try:
                service.admit(GET).succeed()
            except LimitExceeded as refusal:
                refused.append((level.name, refusal.strategy, refusal.reason))
    assert refused == [(name, "pool", f"{used:.0%} in use, and {name} calls are shed first") for name in shed]


def test_a_shed_call_is_no_evidence_and_no_state() -> None:
    """The backend was not asked. The refusal travels."""
    service = gear_with(pool=1.0).service("toy")
    with sg.criticality(Criticality.BULK), pytest.raises(CallNotPermitted) as refusal:
        service.admit(GET)
    assert refusal.value.state is State.CLOSED
    assert service.group.snapshots()[0].calls == 0
    assert str(pickle.loads(pickle.dumps(refusal.value))) == str(refusal.value)


def test_shed_calls_are_counted_by_how_much_they_mattered() -> None:
    """From zero, so that a rate has where to begin."""
    service = gear_with(pool=0.9).service("toy")
    assert set(service.shed.counts().values()) == {0}
    for level in (Criticality.BULK, Criticality.BULK, Criticality.BEST_EFFORT, Criticality.DEGRADED):
        with sg.criticality(level), suppress(LimitExceeded):
            service.admit(GET).succeed()
    assert service.shed.counts() == {Criticality.DEGRADED: 0, Criticality.BEST_EFFORT: 1, Criticality.BULK: 2}


def test_what_is_called_for_a_call_matters_no_more_than_the_call() -> None:
    """The least of nested criticalities holds, and ends with its block."""
    with sg.criticality(Criticality.BULK), sg.criticality(Criticality.CRITICAL):
        now = scope.get()
        assert now is not None
        assert now.criticality is Criticality.BULK
    assert scope.get() is None


async def test_tasks_inherit_it() -> None:
    """What a task starts is done for the same reason."""
    service = gear_with(pool=1.0).service("toy")
    shed = []

    async def call() -> None:
        try:
            service.admit(GET).succeed()
        except LimitExceeded:
            shed.append(True)

    with sg.criticality(Criticality.BULK):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
    await call()
    assert shed == [True]


def test_forbidden_services_refuse_with_the_reason() -> None:
    """Also inside a further block; other services do not mind."""
    gear = gear_with()
    refusal = pytest.raises(CallNotPermitted, match="it has failed you")
    with forbidding({"toy": "it has failed you"}), forbidding({"other": "that too"}), refusal:
        gear.service("toy").admit(GET)
    with forbidding({"other": "not this one"}):
        gear.service("toy").admit(GET).succeed()


def test_a_saturation_that_cannot_be_read_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """Foreign code fails: that is logged, and health goes on."""
    gear = Switchgear(clock=VirtualClock())
    broken = backend_of(saturation=lambda client: {"pool": float(client.name)})
    client = gear.guard(Client(), broken, name="toy")
    assert gear.service("toy").saturations() == {}
    assert "saturation" in caplog.text
    assert gear.health("toy").score == 100
    assert client.service is gear.service("toy")


def test_the_fullest_client_of_a_service_counts_while_it_lives() -> None:
    """A client that is gone takes its pool along."""
    gear = Switchgear(clock=VirtualClock())
    backend = backend_of(saturation=lambda client: {"pool": float(client.name)})
    first = gear.guard(Client("0.5"), backend, name="toy")
    second = gear.guard(Client("0.9"), backend, name="toy")
    service = gear.service("toy")
    assert service.saturations() == {"pool": 0.9}
    del second
    assert service.saturations() == {"pool": 0.5}
    assert first.service is service
