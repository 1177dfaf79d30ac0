"""The simulation: no seed breaks an invariant, each repeats itself to the last step, and defects are noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switchgear import Reason, Switchgear, Verdict
from switchgear._breaker import BreakerMachine
from switchgear._breaker_config import Backoff
from switchgear._budget import RetryBudget
from switchgear._config import read_toml
from switchgear._era import Lease
from switchgear._permit import Permit
from switchgear._strategies.bulkhead import Bulkhead
from switchgear.testing.simulation import InvariantBroken, simulate
from switchgear.testing.simulation.__main__ import main
from switchgear.testing.simulation._draw import draw
from tests.planted import Garden

SEEDS, CHUNK = 300, 15

OWN = """
[services.cache]
plugin = "memory"
breaker = { wait_duration_in_open = 1.0, ramp = { duration = 2.0 } }
pipeline = { bulkhead = 4 }

[services.index]
plugin = "memory"
requires = ["cache"]
breaker = { wait_duration_in_open = 2.0, window = { seconds = 120 } }

[capabilities.search]
requires = ["index"]
prefers = { cache = 0.5 }
"""


@pytest.mark.parametrize("start", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_an_invariant(start: int) -> None:
    """300 seeds: at each step all that must hold holds, and after the faults everything comes back."""
    for seed in range(start, start + CHUNK):
        simulate(seed)


@pytest.mark.parametrize("start", range(0, 24, 8))
def test_no_seed_breaks_an_invariant_on_trio(start: int) -> None:
    """The same for some of them on the other event loop."""
    for seed in range(start, start + 8):
        simulate(seed, backend="trio")


def test_seeds_differ_in_what_they_have() -> None:
    """Of 300 seeds some have, and some lack, each kind of outage, each deed of operators, and each part of a gear."""
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        plan = draw(seed)
        services = plan.config.services
        seen.update({outage.kind for outage in plan.outages} | {deed.what for deed in plan.deeds})
        seen.update({each.name for service in services for each in service.pipeline or ()})
        seen.update({
            "requires": any(service.requires for service in services),
            "ramp": any(service.breaker.ramp for service in services),
            "one domain": all(len(domains) == 1 for domains in plan.domains.values()),
            "impatient": plan.traffic.patience is not None,
            "streams": plan.traffic.streams > 0,
            "watched": plan.watched,
            "raising": plan.raising,
        })  # fmt: skip
    kinds = {"refuses", "hangs", "slow", "errors", "throttles", "exhausted", "brownout", "rejects"}
    deeds = {"force_open", "disable", "metrics_only", "reset", "reconfigure", "override", "stall"}
    assert seen.keys() >= kinds | deeds | {"retry", "timeout", "hedge", "bulkhead", "fallback"}
    assert all(10 < count < SEEDS - 10 for count in seen.values()), seen


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_seed_repeats_itself_to_the_last_step(backend: str) -> None:
    """Also in another process, in which sets are in another order: its digest is that of every line of the trace."""
    seeds = range(6)
    here = [simulate(seed, backend=backend) for seed in seeds]
    assert [simulate(seed, backend=backend) for seed in seeds] == here
    code = (
        "from switchgear.testing.simulation import simulate\n"
        f"for seed in {list(seeds)}: print(simulate(seed, backend={backend!r}).digest)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert shown.stdout.split() == [result.digest for result in here]
    assert len({result.digest for result in here}) == len(here)


def test_the_command_shows_a_seed_step_by_step(capsys: pytest.CaptureFixture[str]) -> None:
    """`--seed 6` prints the trace of just that run, and what became of it."""
    assert main(["--seed", "6"]) == 0
    lines = capsys.readouterr().out.splitlines()
    result = simulate(6)
    assert lines[-1] == str(result)
    assert len(lines) - 1 == result.lines
    assert any(" moves " in line for line in lines)


def test_many_seeds_on_all_cores(capsys: pytest.CaptureFixture[str]) -> None:
    """`--seeds` says how it went."""
    assert main(["--seeds", "12", "--start", "3"]) == 0
    assert "12 of 12 seeds, 0 failed" in capsys.readouterr().err


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    Garden(tmp_path, monkeypatch).plant("memory")
    file = tmp_path / "switchgear.toml"
    file.write_text(OWN)
    return file


def test_an_applications_own_configuration_is_simulated(own: Path) -> None:
    """Its breakers, strategies, requirements and capabilities, on simulated backends: they trip and come back."""
    results = [simulate(seed, config=read_toml(own)) for seed in range(6)]
    assert sum(result.transitions for result in results) > 0
    assert results[0] == simulate(0, config=read_toml(own))


# -- defects ---------------------------------------------------------------------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]


def cancelled_calls_keep_their_permits(patch: pytest.MonkeyPatch) -> None:
    fail = Permit.fail
    patch.setattr(Permit, "fail", lambda self, exc: fail(self, exc) if isinstance(exc, Exception) else None)


def cancelled_calls_are_failures(patch: pytest.MonkeyPatch) -> None:
    def judge(exc: BaseException, classify: Any) -> Verdict:
        return classify(exc) if isinstance(exc, Exception) else Verdict.FAILURE

    patch.setattr("switchgear._circuit.judge", judge)


def waits_are_too_short(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Backoff, "wait", lambda *_: 0.1)


def waits_end_too_early(patch: pytest.MonkeyPatch) -> None:
    tick = BreakerMachine.tick
    patch.setattr(BreakerMachine, "tick", lambda self, now: tick(self, now + 0.2))


def half_open_admits_all(patch: pytest.MonkeyPatch) -> None:
    def lease(machine: BreakerMachine, era: Any, lane: Any, now: float) -> Lease:
        lease = Lease(machine.generation, lane, now, now + 5.0)
        era.leases.append(lease)
        return lease

    patch.setattr(BreakerMachine, "_lease", lease)


def it_never_probes(patch: pytest.MonkeyPatch) -> None:
    move = BreakerMachine._move

    def moved(machine: BreakerMachine, reason: Reason, *rest: Any, **until: Any) -> None:
        if reason is not Reason.WAIT_ELAPSED:
            move(machine, reason, *rest, **until)

    patch.setattr(BreakerMachine, "_move", moved)


def levels_rise_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("switchgear._degradation.hold_for", lambda _: 0.5)


def bulkheads_lose_places(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Bulkhead, "_leave", lambda self: None)


def retries_are_free(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RetryBudget, "withdraw", lambda _: True)


@pytest.mark.parametrize(
    ("defect", "invariant"),
    [
        (cancelled_calls_keep_their_permits, "1: a call settles exactly once"),
        (cancelled_calls_are_failures, "12: refusals and cancellations are no evidence"),
        (waits_are_too_short, "10: the open interval is bounded"),
        (waits_end_too_early, "9: an open interval is never cut short"),
        (half_open_admits_all, "3: so many probes in a round"),
        (it_never_probes, "55: everything comes back"),
        (levels_rise_at_once, "37: one level at a time, each held"),
        (bulkheads_lose_places, "55: everything comes back"),
        (retries_are_free, "23: further attempts are paid for"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_defect_is_noticed_and_its_seed_is_a_command(
    defect: Patch, invariant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A few seeds are enough; the error names the invariant, and the command in it shows the same again."""
    defect(monkeypatch)
    for seed in range(60):
        try:
            simulate(seed)
        except InvariantBroken as broken:
            told = str(broken)
            break
    else:
        pytest.fail("60 seeds noticed nothing.")
    *_, found, command = told.splitlines()
    assert found.startswith(f"Invariant {invariant}.")
    assert command.endswith(f"python -m switchgear.testing.simulation --seed {seed}")
    assert main(command.split()[-2:]) == 1
    assert found in capsys.readouterr().err


def test_what_nobody_thought_of_is_reported_with_its_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error inside is no InvariantBroken; the soak names the seed all the same, and goes on."""
    from switchgear.testing.simulation import _soak

    monkeypatch.setattr(Switchgear, "subscribe", lambda *_: 1 / 0)
    first = _soak.outcome(5, "asyncio", None)
    assert isinstance(first, str)
    assert "ZeroDivisionError" in first
    assert first.rstrip().endswith("python -m switchgear.testing.simulation --seed 5")
    monkeypatch.setattr(_soak, "_outcomes", lambda *_: iter([(5, first)]))
    assert _soak.soak(1, 5, "asyncio") == 1
    assert "1 of 1 seeds, 1 failed" in capsys.readouterr().err
