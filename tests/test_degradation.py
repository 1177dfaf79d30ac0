"""Property P8: levels fall at once and rise slowly, on virtual time; what an operator says wins, and ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import ConfigurationError, _level
from switchgear._criticality import Criticality, sheds
from switchgear._damping import Damping
from switchgear._degradation import Assessment, DegradationMachine, SelfSuspicion
from switchgear._graph import Capability, Graph
from switchgear._level import Level, LevelChange, LevelMachine, LevelReason, Override, hold_for
from switchgear._report import Report
from switchgear._score import saturation_score
from tests.reports import report_of

FULL, REDUCED, FALLBACK, MINIMAL, OFF = Level.FULL, Level.REDUCED, Level.FALLBACK, Level.MINIMAL, Level.OFF
THRESHOLDS = {FULL: 90.0, REDUCED: 70.0, FALLBACK: 40.0, MINIMAL: 15.0, OFF: 0.0}

scores = st.sampled_from([0.0, 14.9, 15.0, 23.0, 40.0, 48.0, 70.0, 78.0, 89.9, 90.0, 97.9, 98.0, 100.0]) | st.floats(
    0, 100
)
holds = st.sampled_from([10.0, 20.0, 45.0])
#: What is seen of a capability: the score, and for how many seconds it is so.
weathers = st.lists(st.tuples(scores, st.integers(1, 60)), max_size=12)


def score_of(score: float) -> Report:
    return report_of("c", score)


def samples(
    weather: Iterable[tuple[float, int]], tick: float = 1.0, start: float = 0.0
) -> Iterator[tuple[float, float]]:
    """Times and scores, one for each tick."""
    now = start
    for score, seconds in weather:
        for _ in range(round(seconds / tick)):
            yield now, score
            now += tick


def drive(machine: LevelMachine, seen: Iterable[tuple[float, float]]) -> list[LevelChange]:
    changes = [machine.observe(score_of(score), now) for now, score in seen]
    return [change for change in changes if change]


# -- levels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "level"),
    [
        *[(100, FULL), (90, FULL), (89.9, REDUCED), (70, REDUCED), (69.9, FALLBACK), (40, FALLBACK)],
        *[(39.9, MINIMAL), (15, MINIMAL), (14.9, OFF), (0, OFF)],
    ],
)
def test_the_level_that_a_score_allows(score: float, level: Level) -> None:
    """90, 70, 40, 15."""
    assert Level.of(score) is level


def test_levels_compare_as_one_says_it() -> None:
    """More offered is more: FULL is at least FALLBACK."""
    assert sorted(Level) == [OFF, MINIMAL, FALLBACK, REDUCED, FULL]
    assert FULL >= FALLBACK > MINIMAL
    assert str(FULL) == "FULL"


@given(weathers, holds)
def test_invariant_36_protection_is_never_delayed(weather: list[tuple[float, int]], hold: float) -> None:
    """At every instant the level is no more than what the score of that instant allows."""
    machine = LevelMachine("c", hold=hold)
    for now, score in samples(weather):
        machine.observe(score_of(score), now)
        assert machine.level <= Level.of(score)


@given(weathers, holds)
def test_invariant_37_improvement_goes_one_step_after_the_hold(weather: list[tuple[float, int]], hold: float) -> None:
    """Up by one, and only when the score was 8 above the new level's threshold for the whole hold, which begins anew
    with each step; so there are at most 2 t/hold + 8 changes in a time t.
    """
    seen = list(samples(weather))
    changes = drive(LevelMachine("c", hold=hold), seen)
    for before, change in zip([None, *changes], changes, strict=False):
        if change.reason is LevelReason.IMPROVED:
            assert change.to_level == change.from_level + 1
            assert before is not None
            assert change.at - before.at >= hold
            held = [score for now, score in seen if change.at - hold <= now <= change.at]
            assert min(held) >= THRESHOLDS[change.to_level] + 8
        else:
            assert change.reason is LevelReason.WORSENED
            assert change.to_level is Level.of(change.score) < change.from_level
    assert len(changes) <= 2 * len(seen) / hold + 8
    assert all(one.to_level is other.from_level for one, other in pairwise(changes))


@given(weathers, holds, st.sampled_from([0.25, 1.0, 3.0]))
def test_invariant_38_damping_ends_and_a_healthy_capability_gets_to_full(
    weather: list[tuple[float, int]], hold: float, tick: float
) -> None:
    """Whatever was before, of a healthy input FULL is made within 180 + 4 * hold + 60 s."""
    machine = LevelMachine("c", hold=hold)
    drive(machine, samples(weather, tick))
    start = sum(seconds for _, seconds in weather) + tick
    drive(machine, samples([(100.0, int(180 + 4 * hold + 60))], tick, start))
    assert machine.level is FULL


@given(st.lists(st.floats(0, 300), max_size=30))
def test_invariant_38_damping_lasts_at_most_180_seconds(pauses: list[float]) -> None:
    """However often it fell: 180 s after the last time it may rise, and then it may go on rising."""
    damping, now = Damping(), 0.0
    for pause in pauses:
        now += pause
        damping.penalize(now)
    assert not damping.suppresses(now + 180.001)
    assert not damping.suppresses(now + 180.001)


def test_damping_begins_with_the_third_fall_and_ends_below_the_mark() -> None:
    """1000 a fall, half of it gone in 60 s: three in a row suppress, from 2000 on, until there are 750 left."""
    damping = Damping()
    for fall in range(3):
        assert not damping.suppresses(fall)
        damping.penalize(float(fall))
    assert damping.suppresses(2.0)
    left = sum(1000 * 2 ** (-(62 - fall) / 60) for fall in range(3))
    assert left > 750
    assert damping.suppresses(62.0)
    assert damping.suppresses(121.0)  # below 2000 again, and not yet below 750
    assert not damping.suppresses(124.0)


def test_damping_of_the_worst_lasts_180_seconds() -> None:
    """Its penalty is cut at what has decayed to 750 by then."""
    damping = Damping()
    for _ in range(20):
        damping.penalize(5.0)
    assert damping.suppresses(5.0 + 179.9)
    assert not damping.suppresses(5.0 + 180.0)


def test_two_falls_in_one_instant_are_damped() -> None:
    """At 2000 sharp."""
    damping = Damping()
    damping.penalize(5.0)
    damping.penalize(5.0)
    assert damping.suppresses(5.0)


def test_two_falls_alone_are_not_damped() -> None:
    """The first has decayed a little by the second."""
    damping = Damping()
    damping.penalize(0.0)
    damping.penalize(0.1)
    assert not damping.suppresses(0.1)


def square_wave(seconds: int = 3600, half: int = 15) -> Iterator[tuple[float, float]]:
    """A backend that is bad (50) and good (100) for 15 s each, looked at every second."""
    for now in range(seconds):
        yield float(now), 100.0 if now // half % 2 else 50.0


def test_a_fall_in_several_steps_is_one() -> None:
    """An outage that shows bit by bit is no flapping: afterwards the level rises as after one that shows at once."""
    for outage in ([(10.0, 4)], [(80.0, 1), (60.0, 1), (30.0, 1), (10.0, 1)]):
        machine = LevelMachine("c")
        changes = drive(machine, [*samples(outage), *samples([(100.0, 60)], start=4.0)])
        assert [(change.to_level, change.at) for change in changes[-4:]] == [
            *[(MINIMAL, 14.0), (FALLBACK, 24.0), (REDUCED, 34.0), (FULL, 44.0)]
        ]


def test_flapping_without_any_defence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 30 s square wave for an hour: 360 transitions with neither gap nor hold nor damping."""
    monkeypatch.setattr(_level, "_GAP", 0.0)
    monkeypatch.setattr(Damping, "suppresses", lambda *_: False)
    assert len(drive(LevelMachine("c", hold=0.0), square_wave())) == 360


def test_flapping_with_gap_and_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """240 with gap and hold: a hold of 10 s is shorter than the good half of 15 s."""
    monkeypatch.setattr(Damping, "suppresses", lambda *_: False)
    assert len(drive(LevelMachine("c", hold=10.0), square_wave())) == 240


def test_flapping_with_damping() -> None:
    """105 with damping."""
    assert len(drive(LevelMachine("c", hold=10.0), square_wave())) == 105


def test_flapping_with_a_hold_of_twice_the_open_wait() -> None:
    """With a breaker's wait of 15 s and the hold that follows from it, the level falls once and stays."""
    assert len(drive(LevelMachine("c", hold=hold_for([15.0])), square_wave())) == 1


def test_the_hold_is_twice_the_longest_wait_and_ten_seconds_at_least() -> None:
    """Of the breakers that the capability depends on."""
    assert [hold_for(), hold_for([1.0]), hold_for([5.0, 20.0])] == [10.0, 10.0, 40.0]


def test_a_hold_that_is_interrupted_begins_anew() -> None:
    """77.9 is not 78: the 10 s count from when it was good again."""
    machine = LevelMachine("c")
    changes = drive(machine, samples([(50.0, 1), (80.0, 9), (77.9, 1), (80.0, 11)]))
    assert [(change.at, change.to_level) for change in changes] == [(0.0, FALLBACK), (21.0, REDUCED)]


def test_a_hold_for_the_next_level_begins_when_the_score_is_good_enough_for_that() -> None:
    """80 made REDUCED at 11 s; 98 is there from 12 s on, so FULL comes at 22 s. 98 is enough."""
    changes = drive(LevelMachine("c"), samples([(50.0, 1), (80.0, 11), (98.0, 20)]))
    assert [(change.at, change.to_level) for change in changes] == [(0.0, FALLBACK), (11.0, REDUCED), (22.0, FULL)]


def test_a_change_says_why() -> None:
    """What it fell by and where that came from; what it rose by."""
    machine = LevelMachine("c")
    fell, rose = drive(machine, samples([(50.0, 1), (80.0, 11)]))
    assert fell == LevelChange(
        capability="c", from_level=FULL, to_level=FALLBACK, reason=LevelReason.WORSENED,
        detail="score 50.0, c <- errors: c is at 50", score=50.0, at=0.0,
    )  # fmt: skip
    assert (rose.from_level, rose.to_level, rose.reason) == (FALLBACK, REDUCED, LevelReason.IMPROVED)
    assert rose.detail == "score 80.0, 78 or more for 10 s"
    assert str(rose.reason) == "improved"


# -- overrides -----------------------------------------------------------------------------------------------------


@given(weathers, st.sampled_from(Level), st.integers(0, 200), st.integers(1, 200))
def test_invariant_43_an_override_wins_and_expires(
    weather: list[tuple[float, int]], level: Level, start: int, seconds: int
) -> None:
    """From its beginning to its end the level is the operator's, before and after it the one that would have been."""
    machine, undisturbed = LevelMachine("c"), LevelMachine("c")
    for now, score in samples(weather):
        if now == start:
            machine.override = Override(level=level, reason="drill", until=now + seconds)
        before = machine.level
        change = machine.observe(score_of(score), now)
        undisturbed.observe(score_of(score), now)
        assert machine.automatic is undisturbed.level
        assert machine.level is (level if start <= now < start + seconds else undisturbed.level)
        assert (change is None) is (machine.level is before)
        if change:
            assert (change.from_level, change.to_level) == (before, machine.level)
            if now == start:
                assert (change.reason, change.detail) == (LevelReason.OVERRIDDEN, "drill")
            elif now == start + seconds:
                assert (change.reason, change.detail) == (LevelReason.OVERRIDE_ENDED, "the override is over: drill")
            else:
                assert change.reason in {LevelReason.WORSENED, LevelReason.IMPROVED}


@pytest.mark.parametrize(
    ("reason", "until", "problem"), [(" ", 9.0, "a reason"), ("r", float("inf"), "limit"), ("r", float("nan"), "limit")]
)
def test_invariant_43_an_override_has_a_reason_and_an_end(reason: str, until: float, problem: str) -> None:
    """What nobody can explain or nothing ends is refused."""
    with pytest.raises(ValueError, match=problem):
        Override(level=OFF, reason=reason, until=until)


# -- the whole -----------------------------------------------------------------------------------------------------

SERVICES = ("db", "cache", "files")
SHOP = {
    "checkout": Capability(requires=["db"], prefers={"cache": 0.3}),
    "browse": Capability(any_of=[["cache", "files"]], criticality=Criticality.DEGRADED),
}


def shop(**more: Any) -> DegradationMachine:
    return DegradationMachine(Graph(dict.fromkeys(SERVICES, ()), SHOP), **more)


def seen(**given: float) -> dict[str, Report]:
    return {name: report_of(name, given.get(name, 100.0)) for name in SERVICES}


services = st.fixed_dictionaries(dict.fromkeys(SERVICES, scores))


@given(st.lists(services, min_size=1, max_size=10))
def test_invariant_40_a_request_sees_one_set_of_levels(given: list[dict[str, float]]) -> None:
    """An assessment that was pinned is the same, to the last bit, whatever is observed or overridden after it."""
    machine = shop()
    pinned: list[tuple[Assessment, Any]] = []
    for second, one in enumerate(given):
        assessment = machine.observe(seen(**one), float(second))
        pinned.append((assessment, _plain(assessment)))
        machine.override("checkout", OFF, "drill", until=second + 1.5)
    assert all(_plain(assessment) == before for assessment, before in pinned)


def _plain(assessment: Assessment) -> Any:
    maps = (
        assessment.levels,
        assessment.services,
        assessment.capabilities,
        assessment.inhibited_by,
        assessment.overrides,
    )
    return deepcopy(
        (assessment.at, assessment.app, [dict(one) for one in maps], assessment.suspects, assessment.events)
    )


def test_invariant_40_an_assessment_cannot_be_changed() -> None:
    """Neither its fields nor what they hold."""
    assessment: Any = shop().observe(seen(), 0.0)
    with pytest.raises(AttributeError):
        assessment.levels = {}
    with pytest.raises(TypeError):
        assessment.levels["checkout"] = OFF


@given(st.lists(st.tuples(services, st.integers(1, 40)), max_size=10))
def test_invariant_36_every_level_is_at_most_what_its_capabilitys_score_allows(
    given: list[tuple[dict[str, float], int]],
) -> None:
    """Along the graph as for one capability alone, and the assessments' events tell every change."""
    machine, now, told = shop(), 0.0, dict.fromkeys(SHOP, FULL)
    for one, seconds in given:
        now += seconds
        assessment = machine.observe(seen(**one), now)
        for change in assessment.events:
            if isinstance(change, LevelChange):
                assert told[change.capability] is change.from_level
                told[change.capability] = change.to_level
        assert assessment.levels == told
        for name, level in assessment.levels.items():
            assert level <= Level.of(assessment.capabilities[name].score)


def test_an_outage_and_its_end() -> None:
    """When db is down: checkout off, browse untouched; the root cause is named. Back up: one level after another."""
    machine = shop()
    down = machine.observe(seen(db=10), 0.0)
    assert down.levels == {"checkout": OFF, "browse": FULL}
    assert (down.roots, down.inhibited_by) == (("db",), {"db": (), "checkout": ("db",)})
    assert down.capabilities["checkout"].path == down.app.path[1:] == ("checkout", "db", "errors")
    assert down.services["db"].score == 10
    assert (down.at, down.app.name, down.events[0].at) == (0.0, "app", 0.0)
    history = [machine.observe(seen(), float(second)) for second in range(1, 60)]
    changes = [(event.at, event.to_level) for one in history for event in one.events if isinstance(event, LevelChange)]
    assert changes == [(11.0, MINIMAL), (21.0, FALLBACK), (31.0, REDUCED), (41.0, FULL)]
    assert history[-1].inhibited_by == {}


def test_levels_are_held_for_the_waits_of_the_breakers_below_them() -> None:
    """The breaker of db waits 20 s, so checkout holds 40; browse does not depend on it and holds 10."""
    machine = shop(open_waits={"db": 20.0, "cache": 2.0})
    machine.observe(seen(db=75, cache=75, files=75), 0.0)
    at: dict[str, float] = {}
    for second in range(1, 60):
        assessment = machine.observe(seen(), float(second))
        at.update({event.capability: event.at for event in assessment.events if isinstance(event, LevelChange)})
    assert at == {"checkout": 41.0, "browse": 11.0}


def test_an_operator_overrides_a_level_for_a_time() -> None:
    """It is in force from the next observation, is shown with its reason, and is over by itself or when ended."""
    machine = shop()
    machine.override("browse", MINIMAL, "load test", until=5.0)
    held = machine.observe(seen(), 0.0)
    assert held.levels["browse"] is MINIMAL
    assert held.overrides == {"browse": Override(level=MINIMAL, reason="load test", until=5.0)}
    assert machine.observe(seen(), 5.0).levels["browse"] is FULL
    machine.override("browse", OFF, "load test", until=50.0)
    assert machine.observe(seen(), 6.0).levels["browse"] is OFF
    machine.end_override("browse")
    after = machine.observe(seen(), 7.0)
    assert (after.levels["browse"], after.overrides) == (FULL, {})
    assert [event.reason for event in after.events if isinstance(event, LevelChange)] == [LevelReason.OVERRIDE_ENDED]


def test_an_override_of_a_capability_that_is_not_there_is_refused() -> None:
    """With the nearest name."""
    with pytest.raises(ConfigurationError, match=r"There is no capability 'chekout'\. Did you mean 'checkout'"):
        shop().override("chekout", OFF, "drill", until=1.0)
    with pytest.raises(ConfigurationError, match="Did you mean 'browse'"):
        shop().end_override("browze")


def test_three_outages_at_once_are_suspicious_and_three_in_a_row_are_not() -> None:
    """Told once when it begins and once when it is over; onsets are when a root cause was first seen as one."""
    machine = shop()
    assert machine.observe(seen(db=0), 0.0).suspects == ()
    assert machine.observe(seen(db=0, cache=0), 1.0).suspects == ()
    suspicious = machine.observe(seen(db=0, cache=0, files=0), 2.0)
    assert suspicious.suspects == ("cache", "db", "files")
    assert suspicious.events[-1] == SelfSuspicion(services=("cache", "db", "files"), lag=0.0, at=2.0)
    assert machine.observe(seen(db=0, cache=0, files=0), 60.0).events == ()
    over = machine.observe(seen(cache=0, files=0), 61.0)
    assert over.events[-1] == SelfSuspicion(services=(), lag=0.0, at=61.0)
    assert machine.observe(seen(db=0, cache=0, files=0), 64.0).suspects == ()


# -- shedding ------------------------------------------------------------------------------------------------------


@given(st.floats(0, 2))
def test_invariant_42_the_least_critical_is_shed_first(pressure: float) -> None:
    """What is shed is always the end of the list: no class while a lesser one is admitted, and never CRITICAL."""
    shed = [sheds(criticality, pressure) for criticality in Criticality]
    assert shed == sorted(shed)
    assert not sheds(Criticality.CRITICAL, pressure)


def test_shedding_begins_where_the_saturation_score_begins_to_fall() -> None:
    """BULK at 80 %, BEST_EFFORT at 87 %, DEGRADED at 94 %: with room left for what is CRITICAL."""
    assert [str(c) for c in Criticality if sheds(c, 0.79)] == []
    assert [str(c) for c in Criticality if sheds(c, 0.80)] == ["BULK"]
    assert [str(c) for c in Criticality if sheds(c, 0.87)] == ["BEST_EFFORT", "BULK"]
    assert [str(c) for c in Criticality if sheds(c, 0.94)] == ["DEGRADED", "BEST_EFFORT", "BULK"]
    assert saturation_score(0.80) == 100 > saturation_score(0.81)
