"""Scores, reports and aggregates: the properties P1 to P7, the invariants 27 to 34, and the figures promised."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf, log2, sqrt
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from switchgear import BreakerGroup, CircuitBreaker, ConfigurationError, Ramp, State, Verdict
from switchgear._aggregate import app_health, capability_health, inherited
from switchgear._criticality import Criticality
from switchgear._decay import DecayedSums, Evidence
from switchgear._graph import Capability
from switchgear._health import Domain, service_health
from switchgear._report import Report, Status, average
from switchgear._score import (
    HealthConfig,
    bad_ratio,
    confidence,
    error_score,
    reached,
    saturation_score,
    state_score,
)
from switchgear.testing import VirtualClock
from tests.reports import report_of, snapshot_of
from tests.support import SMALL, as_said, breaker_of, fail, succeed

NEARLY = 1e-9  # what rounding may add to a score
R50S = {"redis": 0.1, "s3": 0.05, "db": 0.05, "openai": 0.2}

#: One call's worth each; every one is worse than those before it.
SERVED, TOLERATED, THROTTLED, FAILED = Evidence(1), Evidence(1, 0.5, 0.5), Evidence(1, 0.5), Evidence(1, 1)
OUTCOMES = [SERVED, TOLERATED, THROTTLED, FAILED]
outcomes = st.sampled_from(OUTCOMES)
#: Calls of one service: seconds since the one before, and what became of it.
histories = st.lists(st.tuples(st.floats(0, 20), outcomes), max_size=60)
ratios = st.sampled_from(sorted({*R50S.values()})) | st.floats(0.01, 0.9)
scores = st.sampled_from([0.0, 10.0, 40.0, 90.0, 100.0]) | st.floats(0, 100)
snapshots = st.builds(snapshot_of, st.sampled_from(State)) | st.builds(
    lambda share: snapshot_of(share=share), st.floats(0.01, 1)
)
evidences = st.builds(
    lambda calls, share, late: Evidence(calls, calls * share, calls * share * late),
    st.floats(0, 1e6),
    st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
    st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
)
saturations = st.dictionaries(st.sampled_from(["pool", "bulkhead", "quota"]), st.floats(0, 2))


def after(history: list[tuple[float, Evidence]], pause: float = 0.0) -> Evidence:
    sums, now = DecayedSums(), 0.0
    for wait, outcome in history:
        now += wait
        sums.add(outcome, now)
    return sums.evidence(now + pause)


def branch(clock: VirtualClock) -> CircuitBreaker:
    """A breaker whose users are satisfied with calls of up to a second."""
    config = HealthConfig(tolerated=1.0)
    return BreakerGroup("b", SMALL, classify=as_said, clock=clock, tolerated_for=config.tolerated_for).branch("")


# -- one outcome ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "latency", "bad"),
    [
        (Verdict.SUCCESS, 1.0, SERVED),
        (Verdict.SUCCESS, 1.01, TOLERATED),
        (Verdict.SUCCESS, 4.0, TOLERATED),
        (Verdict.SUCCESS, 4.01, FAILED),
        (Verdict.THROTTLED, 0.1, THROTTLED),
        (Verdict.FAILURE, 0.1, FAILED),
        (Verdict.EXHAUSTED, 0.1, FAILED),
        (Verdict.IGNORED, 9.0, Evidence()),
    ],
)
def test_badness_of_an_outcome(verdict: Verdict, latency: float, bad: Evidence) -> None:
    """Served in time 0, tolerated or throttled one half, failed or too slow 1; ignored is no evidence (T = 1 s)."""
    clock = VirtualClock()
    breaker = branch(clock)
    permit = breaker.permit()
    clock.advance(latency)
    permit.settle(verdict)
    assert reached(breaker.snapshot()) == bad


def test_plain_successes_are_evidence_too() -> None:
    """Those that passed without the lock count like the others, and late ones among them do not pass so."""
    clock = VirtualClock()
    breaker = branch(clock)
    for latency in (0.5,) * 30 + (2.0,) * 10:
        permit = breaker.permit()
        clock.advance(latency)
        permit.succeed()
    assert reached(breaker.snapshot()) == Evidence(40, 5, 5)


def test_tolerated_latency_is_told_by_operation_class() -> None:
    """One number is for all classes; a class that is not named, as one that waits by design, is never too slow."""
    by_class = HealthConfig(tolerated={"read": 0.05})
    assert [by_class.tolerated_for("read"), by_class.tolerated_for("blocking")] == [0.05, inf]
    assert HealthConfig(tolerated=0.2).tolerated_for("read") == 0.2
    assert HealthConfig().tolerated_for("read") == inf


def test_a_health_configuration_keeps_no_one_elses_mapping() -> None:
    """It is frozen, so what it was made from may change without it."""
    mine = {"read": 1.0}
    config = HealthConfig(tolerated=mine)
    mine["read"] = 9.0
    assert config.tolerated_for("read") == 1.0


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"tolerated": 0.0}, "tolerated"),
        ({"tolerated": {"read": -1.0}}, "tolerated.read"),
        ({"tolerated": inf}, "tolerated"),
        ({"r50": 0.0}, "r50"),
        ({"r50": 1.0}, "r50"),
    ],
)
def test_a_health_configuration_that_cannot_be_meant_is_refused(given: dict[str, Any], key: str) -> None:
    """The error names the key."""
    with pytest.raises(ConfigurationError, match=r"is no (length of time|ratio)") as refusal:
        HealthConfig(**given)
    assert refusal.value.key == key


# -- the score of errors -------------------------------------------------------------------------------------------


@given(histories, ratios, st.floats(0, 1e6))
def test_invariant_27_p1_a_score_is_bounded(history: list[tuple[float, Evidence]], r50: float, pause: float) -> None:
    """0 <= S <= 100 and 0 <= confidence < 1, whatever happened."""
    evidence = after(history, pause)
    assert 0 <= error_score(evidence, r50) <= 100
    assert 0 <= confidence(evidence) < 1


@given(histories, ratios, st.data())
def test_invariant_28_p2_a_worse_outcome_never_raises_the_score(
    history: list[tuple[float, Evidence]], r50: float, data: st.DataObject
) -> None:
    """Replace any outcome by a worse one: the score is no higher."""
    assume(history)
    index = data.draw(st.integers(0, len(history) - 1))
    wait, outcome = history[index]
    worse = [*history[:index], (wait, data.draw(st.sampled_from(OUTCOMES[OUTCOMES.index(outcome) :])))]
    worse += history[index + 1 :]
    assert error_score(after(worse), r50) <= error_score(after(history), r50) + NEARLY


@given(histories, ratios, st.floats(0, 100))
def test_invariant_29_p3_a_failure_never_raises_and_a_success_never_lowers(
    history: list[tuple[float, Evidence]], r50: float, pause: float
) -> None:
    """Of two futures that differ by one more call, that call decides which is better."""
    now = after(history, pause)
    score = error_score(now, r50)
    assert error_score(now + FAILED, r50) <= score + NEARLY
    assert error_score(now + SERVED, r50) >= score - NEARLY


@given(histories, ratios, st.floats(0, 1000), st.floats(0, 1000))
def test_invariant_30_p4_idle_time_never_lowers_the_score_and_confidence_falls(
    history: list[tuple[float, Evidence]], r50: float, pause: float, more: float
) -> None:
    """Without calls a service is forgiven, and ever less is known of it."""
    earlier, later = after(history, pause), after(history, pause + more)
    assert error_score(later, r50) >= error_score(earlier, r50) - NEARLY
    assert confidence(later) <= confidence(earlier)
    if history and more >= 1:
        assert confidence(later) < confidence(earlier) or confidence(later) == 0


@given(histories, histories, ratios)
def test_invariant_32_p6_a_fleets_score_does_not_depend_on_who_is_asked_first(
    one: list[tuple[float, Evidence]], other: list[tuple[float, Evidence]], r50: float
) -> None:
    """The prior is added once, after all nodes' evidence: the order of nodes changes nothing."""
    assert error_score(after(one) + after(other), r50) == error_score(after(other) + after(one), r50)


def steady(rate: float, seconds: float, bad: float, sums: DecayedSums, start: float) -> float:
    """Calls at a rate for some time; returns when the last one ended."""
    for call in range(1, ceil(seconds * rate) + 1):
        sums.add(Evidence(1, bad), start + call / rate)
    return start + ceil(seconds * rate) / rate


@given(st.floats(0.2, 20), st.floats(0, 200), st.floats(0.5, 120), st.floats(1, 30), ratios)
def test_invariant_31_p5_recovery_takes_no_longer_than_its_bound(
    rate: float, before: float, outage: float, half_life: float, r50: float
) -> None:
    """After a total outage of any length S is back at 95 within h * log2(1/r*), r* = r50 * sqrt(1/0.95 - 1), at a
    steady rate of calls; and it stays there.
    """
    rate /= half_life / 10
    bound = half_life * log2(1 / (r50 * sqrt(1 / 0.95 - 1)))
    sums = DecayedSums(half_life)
    end = steady(rate, outage * half_life / 10, 1.0, sums, steady(rate, before * half_life / 10, 0.0, sums, 0.0))
    back = steady(rate, bound, 0.0, sums, end)
    assert error_score(sums.evidence(back), r50) >= 95 - NEARLY
    for later in range(1, 20):
        sums.add(SERVED, back + later / rate)
        assert error_score(sums.evidence(back + later / rate), r50) >= 95 - NEARLY


@given(st.floats(1, 60), ratios)
def test_invariant_31_p5_an_outage_is_seen_within_its_bound_where_there_is_traffic(
    half_life: float, r50: float
) -> None:
    """A total outage takes S below 50 after h * log2(1/(1 - r50)) in the limit of many calls, and never before."""
    bound = half_life * log2(1 / (1 - r50))
    n = 1e12  # calls' worth in a steady state, which an outage makes bad one after the other
    for moment, seen in ((bound * 0.99, False), (bound * 1.01, True)):
        left = n * 2 ** (-moment / half_life)
        assert (error_score(Evidence(n, n - left), r50) < 50) is seen


def seconds_to_see(rate: float, r50: float) -> float:
    """From the first failed call of a total outage until S < 50, after 200 good seconds."""
    sums = DecayedSums()
    start = steady(rate, 200, 0.0, sums, 0.0)
    for call in range(1000):
        now = start + (call + 1) / rate
        sums.add(FAILED, now)
        if error_score(sums.evidence(now), r50) < 50:
            return call / rate
    raise AssertionError


def seconds_to_recover(rate: float, outage: float, r50: float) -> float:
    """From the end of an outage until S >= 95, without the help of a ramp."""
    sums = DecayedSums()
    start = steady(rate, outage, 1.0, sums, steady(rate, 200, 0.0, sums, 0.0))
    for call in range(100_000):
        sums.add(SERVED, start + (call + 1) / rate)
        if error_score(sums.evidence(start + (call + 1) / rate), r50) >= 95:
            return (call + 1) / rate
    raise AssertionError


@pytest.mark.parametrize(("rate", "seconds"), [(0.5, 8.0), (1, 5.0), (5, 2.4), (50, 1.8), (500, 1.6)])
def test_how_soon_a_total_outage_is_seen(rate: float, seconds: float) -> None:
    """Below 50 (redis, h = 10 s) after 8.0, 5.0, 2.4, 1.8, 1.6 s at 0.5, 1, 5, 50, 500 calls a second."""
    assert round(seconds_to_see(rate, R50S["redis"]), 1) == seconds


@pytest.mark.parametrize("rate", [0.5, 1, 5, 50, 500])
@pytest.mark.parametrize("outage", [30.0, 60.0])
def test_how_soon_a_recovery_is_seen(rate: float, outage: float) -> None:
    """Back at 95 after 26 to 53 s at those rates; the bound is 54.5 s."""
    assert 26 <= seconds_to_recover(rate, outage, R50S["redis"]) <= 53
    assert round(10 * log2(1 / (R50S["redis"] * sqrt(1 / 0.95 - 1))), 1) == 54.5


def test_what_the_first_failures_make_of_a_score() -> None:
    """Failed calls and no others: 93, 66, 42, 28, 20, and 7 after ten; without the prior the first would make it 7."""
    assert [round(error_score(Evidence(k, k), 0.1)) for k in (1, 2, 3, 4, 5, 10)] == [93, 66, 42, 28, 20, 7]


def test_what_evidence_makes_of_the_same_ratio() -> None:
    """One bad call in ten: 98, 81, 73, 60, 55 for n = 10, 50, 100, 500, 2000; at r50 and without end it would be 50."""
    assert [round(error_score(Evidence(n, n / 10), 0.1)) for n in (10, 50, 100, 500, 2000)] == [98, 81, 73, 60, 55]
    assert error_score(Evidence(1e12, 1e11), 0.1) == pytest.approx(50, abs=1e-3)


@given(evidences)
def test_the_proven_ratio_is_below_the_seen_one(evidence: Evidence) -> None:
    """Wilson's lower bound: a ratio of 0..1, no more than the calls show, and 0 for no bad call."""
    assert 0 <= bad_ratio(evidence) <= evidence.badness / (evidence.calls + 10) + NEARLY
    assert bad_ratio(Evidence(evidence.calls, 0)) < NEARLY


@given(st.floats(0, 1e6), st.floats(0, 1), ratios)
def test_what_is_served_late_is_not_unhealthy(calls: float, share: float, r50: float) -> None:
    """However many calls users merely tolerate, S_err is 40 or more: each of them was answered."""
    late = calls * share / 2
    assert error_score(Evidence(calls, late, late), r50) >= 40


@given(evidences, ratios)
def test_above_its_floor_lateness_counts_as_any_badness(evidence: Evidence, r50: float) -> None:
    """S_err is that of all badness while this is 40 or more; below, that of the failures, and at most 40."""
    alike = error_score(Evidence(evidence.calls, evidence.badness), r50)
    failures = error_score(Evidence(evidence.calls, evidence.badness - evidence.lateness), r50)
    assert error_score(evidence, r50) == pytest.approx(alike if alike >= 40 else min(40, failures))


def test_a_database_that_slows_down_is_no_dead_one() -> None:
    """Three calls in ten between T and 4 T, of a thousand: 40 and not 12, and as many failures would make it 3."""
    assert round(error_score(Evidence(1000, 150, 150), R50S["db"])) == 40
    assert round(error_score(Evidence(1000, 150), R50S["db"])) == 12
    assert round(error_score(Evidence(1000, 300), R50S["db"])) == 3


# -- the other scores ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("utilisation", "score"),
    [(0, 100), (0.8, 100), (0.85, 85), (0.9, 70), (1.0, 40), (1.7, 40), (float("nan"), 100)],
)
def test_the_score_of_a_pool(utilisation: float, score: float) -> None:
    """100 up to 80 %, then evenly down to 40 when it is full; what is not a number is no saturation."""
    assert saturation_score(utilisation) == pytest.approx(score)


@pytest.mark.parametrize(
    ("state", "share", "score"),
    [
        (State.CLOSED, 1.0, 100),
        (State.CLOSED, 0.1, 16),
        (State.CLOSED, 0.5, 40),
        (State.HALF_OPEN, 1.0, 10),
        (State.OPEN, 1.0, 10),
        (State.FORCED_OPEN, 1.0, 0),
        (State.DISABLED, 1.0, 100),
        (State.METRICS_ONLY, 1.0, 100),
    ],
)
def test_the_score_of_a_state(state: State, share: float, score: float) -> None:
    """100 where all calls are admitted, 10 + 60 p on the ramp, 10 when refusing or probing, 0 when forced."""
    assert state_score(snapshot_of(state, share=share)) == pytest.approx(score)


# -- a service -----------------------------------------------------------------------------------------------------


@given(snapshots, snapshots, evidences, saturations, ratios)
def test_invariant_33_a_score_is_the_least_of_its_components_and_names_it(
    main: Any, branch: Any, evidence: Evidence, used: dict[str, float], r50: float
) -> None:
    """S = min(S_err, S_sat, S_state), and limited_by is the argmin."""
    report = service_health("db", [Domain(snapshot=branch, evidence=evidence)], r50=r50, main=main, saturations=used)
    components = {f"{what}_saturation": saturation_score(utilisation) for what, utilisation in used.items()}
    components["state"] = min(state_score(main), state_score(branch))
    components["errors"] = error_score(evidence, r50)
    assert report.score == min(components.values())
    if report.score == 100:
        assert (report.limited_by, report.path) == ("", ("db",))
    else:
        assert components[report.limited_by] == report.score
        assert report.path == ("db", report.limited_by)
    assert report.confidence == confidence(evidence)


@given(
    st.lists(st.tuples(snapshots, evidences, st.floats(0, 1e6)), min_size=1, max_size=6),
    ratios,
)
def test_invariant_33_the_domains_of_a_service_are_averaged_by_demand(
    given: list[tuple[Any, Evidence, float]], r50: float
) -> None:
    """S = sum of w_d S_d / sum of w_d, where w_d is what was recently asked of a domain, refused calls included."""
    domains = [Domain(snapshot=snapshot, evidence=evidence, refused=refused) for snapshot, evidence, refused in given]
    single = [min(error_score(d.evidence, r50), state_score(d.snapshot)) for d in domains]
    weights = [d.evidence.calls + d.refused + 2**-6 for d in domains]
    report = service_health("s3", domains, r50=r50)
    mean = sum(w * s for w, s in zip(weights, single, strict=True)) / sum(weights)
    assert report.score == pytest.approx(mean, abs=1e-6)
    assert min(single) <= report.score <= max(single)
    assert report.score == service_health("s3", reversed(domains), r50=r50).score
    assert [part.score for part in report.parts] == sorted(single)


@given(st.lists(st.tuples(snapshots, evidences), min_size=1, max_size=5), st.integers(0, 4), ratios)
def test_invariant_28_p2_a_worse_outcome_in_one_domain_never_raises_the_services_score(
    given: list[tuple[Any, Evidence]], which: int, r50: float
) -> None:
    """The same calls, one of them worse: the domains weigh the same, and none is better."""
    domains = [Domain(snapshot=snapshot, evidence=evidence) for snapshot, evidence in given]
    worse = list(domains)
    snapshot, evidence = given[which % len(given)]
    bad = min(evidence.calls, evidence.badness + 1)
    evidence = Evidence(evidence.calls, bad, evidence.lateness)
    worse[which % len(given)] = Domain(snapshot=snapshot, evidence=evidence)
    assert service_health("s", worse, r50=r50).score <= service_health("s", domains, r50=r50).score + NEARLY


def buckets(broken: int, *, calls: float = 144.0, refused: float = 144.0) -> list[Domain]:
    """Ten buckets with ten calls a second each, some of which are behind an open breaker."""
    working = [
        Domain(snapshot=snapshot_of(domain=f"bucket-{n}"), evidence=Evidence(calls, 0)) for n in range(broken, 10)
    ]
    open_ = [snapshot_of(State.OPEN, domain=f"bucket-{n}", detail="failure rate 0.60") for n in range(broken)]
    return [*working, *(Domain(snapshot=one, evidence=Evidence(0, 0), refused=refused) for one in open_)]


def test_one_broken_bucket_of_ten_takes_a_tenth() -> None:
    """The other nine go on, so the service is at 91 and not at 10; the report leads to the broken one."""
    report = service_health("files", buckets(1), r50=0.05, main=snapshot_of())
    assert report.score == pytest.approx(91)
    assert report.path == ("files", "bucket-0", "state")
    assert report.limited_by == "bucket-0"
    assert str(report) == (
        "files is HEALTHY (91): files <- bucket-0 <- state: its breaker is OPEN: failure rate 0.60, and 10% of the "
        "recent calls ask for this domain."
    )
    assert [(part.name, part.status) for part in report.parts][:2] == [
        ("bucket-0", Status.UNHEALTHY),
        ("bucket-1", Status.HEALTHY),
    ]


def test_a_broken_bucket_that_all_want_takes_all() -> None:
    """Nine tenths of the demand are for it, and so many calls are refused."""
    domains = buckets(1, calls=16.0, refused=9 * 144.0)
    assert service_health("files", domains, r50=0.05).score == pytest.approx(19, abs=0.1)


def test_the_path_leads_to_the_domain_that_costs_most() -> None:
    """Of two, not to the worse one: a dead bucket that few want costs less than a poor one that most want."""
    dead = Domain(snapshot=snapshot_of(State.OPEN, domain="dead"), evidence=Evidence(), refused=1.0)
    poor = Domain(snapshot=snapshot_of(domain="poor"), evidence=Evidence(500, 50))
    report = service_health("files", [dead, poor], r50=0.1)
    assert report.path == ("files", "poor", "errors")
    assert report.reason.endswith("(half healthy at 10%), and 100% of the recent calls ask for this domain")
    assert [part.name for part in report.parts] == ["dead", "poor"]
    assert report.parts[0].reason == "its breaker is OPEN"


def test_a_healthy_domain_is_never_named_however_busy() -> None:
    """It costs nothing; of capabilities, the same."""
    busy = Domain(snapshot=snapshot_of(domain="busy"), evidence=Evidence(1e6, 0))
    dead = Domain(snapshot=snapshot_of(State.OPEN, domain="dead"), evidence=Evidence(), refused=1.0)
    assert service_health("files", [busy, dead], r50=0.1).limited_by == "dead"
    table = {
        name: Capability(criticality=Criticality.DEGRADED, importance=importance)
        for name, importance in (("busy", 1e6), ("dead", 1.0))
    }
    assert app_health("app", table, inputs_of({"busy": 100, "dead": 10})).limited_by == "dead"


def test_an_idle_service_counts_its_domains_alike() -> None:
    """Nobody asks for anything: half of it is known not to work, so it is at 55."""
    assert service_health("files", buckets(5, calls=0, refused=0), r50=0.05).score == pytest.approx(55)


def test_stale_domains_do_not_hide_the_one_in_use() -> None:
    """255 domains that were used once weigh next to nothing beside one that gets a call a second and is down."""
    stale = [Domain(snapshot=snapshot_of(domain=f"old-{n}"), evidence=Evidence()) for n in range(255)]
    used = Domain(snapshot=snapshot_of(State.OPEN, domain="used"), evidence=Evidence(), refused=144.0)
    assert service_health("files", [*stale, used], r50=0.05).score < 13


def test_a_main_breaker_that_refuses_is_the_whole_service() -> None:
    """Whatever its domains are like."""
    main = snapshot_of(State.FORCED_OPEN, detail="moving house")
    report = service_health("db", buckets(0), r50=0.05, main=main)
    assert (report.score, report.path) == (0, ("db", "state"))
    assert str(report) == "db is UNHEALTHY (0): db <- state: its breaker is FORCED_OPEN: moving house."


def test_a_service_says_what_limits_it() -> None:
    """Errors, a pool and a ramp, each with its numbers."""

    def said(evidence: Evidence = Evidence(100, 0), share: float = 1.0, used: float = 0.0) -> str:  # noqa: B008 - frozen
        domain = Domain(snapshot=snapshot_of(share=share), evidence=evidence)
        return str(service_health("db", [domain], r50=0.05, saturations={"pool": used}))

    assert said() == "db is HEALTHY (100): nothing limits it."
    assert said(Evidence(100, 20)) == (
        "db is UNHEALTHY (11): db <- errors: at least 14% of the recent calls were bad (half healthy at 5%)."
    )
    assert said(used=0.9) == "db is DEGRADED (70): db <- pool_saturation: pool is 90% used."
    assert said(share=0.5) == (
        "db is DEGRADED (40): db <- state: its breaker is ramping up and admits 50% of the calls."
    )
    assert said(Evidence(0, 0)) == "db is UNKNOWN (100): there were no recent calls."


def test_the_outage_of_a_real_breaker_and_its_way_back() -> None:
    """Errors limit the score, then the open breaker, then the ramp; with new sums from there on, its end is at 100."""
    clock = VirtualClock()
    breaker = breaker_of(clock, ramp=Ramp(initial=0.125, duration=8.0))
    sums = DecayedSums()
    seen: list[tuple[int, str]] = []

    def look() -> None:
        domain = Domain(snapshot=breaker.snapshot(), evidence=sums.evidence(clock()))
        report = service_health("db", [domain], r50=0.1)
        seen.append((round(report.score), report.limited_by))

    for _ in range(4):
        fail(breaker)
        sums.add(FAILED, clock())
        look()
    clock.advance(breaker.snapshot().retry_after or 0.0)
    look()
    while breaker.snapshot().state is State.HALF_OPEN:
        succeed(breaker)
    sums = DecayedSums()
    for _ in range(3):
        sums.add(SERVED, clock())
        look()
        clock.advance(4.0)
    errors, opened, probing, ramp = (
        [(93, "errors"), (66, "errors"), (42, "errors")],
        (10, "state"),
        (10, "state"),
        0.5625,
    )
    assert seen == [
        *errors,
        opened,
        probing,
        (round(10 + 60 * 0.125), "state"),
        (round(10 + 60 * ramp), "state"),
        (100, ""),
    ]


def test_a_service_that_was_never_called_is_unknown() -> None:
    """No domains, no evidence: 100, confidence 0, and no claim to be healthy."""
    report = service_health("db", [], r50=0.05)
    assert (report.score, report.confidence, report.status, report.parts) == (100, 0, Status.UNKNOWN, ())


def test_what_is_known_without_calls_is_known() -> None:
    """An open breaker without recent calls is unhealthy, not unknown."""
    domain = Domain(snapshot=snapshot_of(State.OPEN), evidence=Evidence())
    assert service_health("db", [domain], r50=0.05).status is Status.UNHEALTHY


@pytest.mark.parametrize(
    ("score", "calls", "status"),
    [
        (100, 1, Status.HEALTHY),
        (90, 1, Status.HEALTHY),
        (89.99, 1, Status.DEGRADED),
        (40, 1, Status.DEGRADED),
        (39.99, 1, Status.UNHEALTHY),
        (100, 0, Status.UNKNOWN),
        (100, 2**-6, Status.HEALTHY),
        (100, 2**-6.1, Status.UNKNOWN),
        (89.99, 0, Status.DEGRADED),
    ],
)
def test_the_status_is_the_score_in_a_word(score: float, calls: float, status: Status) -> None:
    """HEALTHY from 90, DEGRADED from 40; a call is forgotten after a minute, and then good news are none."""
    report = report_of("db", score, confidence(Evidence(calls, 0)))
    assert report.status is status
    assert str(report.status) == status.name
    assert str(status) in str(report)


def test_a_report_rounds_down() -> None:
    """89.99 is not shown as the 90 that would be healthy."""
    assert "db is DEGRADED (89)" in str(report_of("db", 89.99))


# -- capabilities and the application ------------------------------------------------------------------------------

NAMES = "abcdefgh"


@st.composite
def capabilities(draw: st.DrawFn, names: str = NAMES) -> Capability:
    order = draw(st.permutations(names))
    required, preferred, *groups = _cut(
        order, draw(st.integers(0, 3)), draw(st.integers(0, 3)), 2, draw(st.booleans()) * 2
    )
    weights = [draw(st.floats(0.01, 1)) for _ in preferred]
    scale = draw(st.floats(0.1, 1)) / max(1.0, sum(weights))
    return Capability(
        requires=required,
        prefers={name: weight * scale for name, weight in zip(preferred, weights, strict=True)},
        any_of=[group for group in groups if len(group) > 1 and draw(st.booleans())],
    )


def _cut(names: list[str], *lengths: int) -> Iterator[list[str]]:
    for length in lengths:
        yield names[:length]
        names = names[length:]


def inputs_of(given: dict[str, float]) -> dict[str, Report]:
    return {name: report_of(name, score) for name, score in given.items()}


all_scores = st.fixed_dictionaries(dict.fromkeys(NAMES, scores))


def shuffled(capability: Capability) -> Capability:
    return Capability(
        requires=capability.requires[::-1],
        prefers=dict(reversed(list(capability.prefers.items()))),
        any_of=[group[::-1] for group in reversed(capability.any_of)],
    )


@given(capabilities(), all_scores)
def test_invariant_34_p7_a_capability_is_what_its_formula_says(capability: Capability, given: dict[str, float]) -> None:
    """The least of all it requires, of 100 (1 - sum w (1 - S/100)) over prefers, and of the best of each choice."""
    report = capability_health("c", capability, inputs_of(given))
    wanted = 100 * (1 - sum(w * (1 - given[name] / 100) for name, w in capability.prefers.items()))
    chosen = [max(given[one] for one in group) for group in capability.any_of]
    required = [given[name] for name in capability.requires]
    assert report.score == pytest.approx(min([*required, wanted, *chosen]), abs=NEARLY)
    assert report.score <= min(required, default=100)
    assert 0 <= report.score <= 100
    if not required and not chosen:
        assert report.score >= 100 * (1 - sum(capability.prefers.values())) - NEARLY


@given(capabilities(), all_scores, st.sampled_from(NAMES), scores)
def test_invariant_34_p7_a_capability_is_monotone_in_every_input(
    capability: Capability, given: dict[str, float], which: str, other: float
) -> None:
    """Raise the score of one input: the capability's does not fall."""
    low, high = ({**given, which: score} for score in sorted((given[which], other)))
    assert (
        capability_health("c", capability, inputs_of(low)).score
        <= capability_health("c", capability, inputs_of(high)).score + NEARLY
    )


@given(capabilities(), all_scores)
def test_invariant_34_p7_a_capability_does_not_depend_on_order(capability: Capability, given: dict[str, float]) -> None:
    """The same inputs named in another order make the same report, to the last bit and the last word."""
    assert capability_health("c", capability, inputs_of(given)) == capability_health(
        "c", shuffled(capability), inputs_of(given)
    )


@given(capabilities(), all_scores)
def test_p7_a_capability_is_at_100_if_and_only_if_all_that_counts_is(
    capability: Capability, given: dict[str, float]
) -> None:
    """All required and preferred ones, and of each choice one."""
    given = {name: 100 if score > 60 else score for name, score in given.items()}
    counts = [*capability.requires, *capability.prefers]
    counts += [max(group, key=lambda one: given[one]) for group in capability.any_of]
    report = capability_health("c", capability, inputs_of(given))
    assert (report.score == 100) is all(given[name] == 100 for name in counts)
    assert (report.path == ("c",)) is (report.score == 100)


@given(capabilities(), all_scores)
def test_p7_a_capability_is_no_worse_than_its_worst_input(capability: Capability, given: dict[str, float]) -> None:
    """Where all are healthy it is healthy too, whatever the rounding of its weights."""
    inputs = [given[name] for name, _ in capability.edges()]
    assert capability_health("c", capability, inputs_of(given)).score >= min(inputs, default=100)


def test_a_capabilitys_path_leads_to_the_cause() -> None:
    """As in checkout <- db <- pool_saturation: through the service to the component."""
    full_pool = service_health(
        "db", [Domain(snapshot=snapshot_of(), evidence=Evidence(100, 0))], r50=0.05, saturations={"pool": 0.93}
    )
    report = capability_health(
        "checkout",
        Capability(requires=["db"], prefers={"cache": 0.2}),
        {"db": full_pool, "cache": report_of("cache", 70)},
    )
    assert report.path == ("checkout", "db", "pool_saturation")
    assert report.limited_by == "db"
    assert str(report) == "checkout is DEGRADED (60): checkout <- db <- pool_saturation: pool is 93% used."


def test_a_preferred_service_costs_its_weight() -> None:
    """A dead cache of weight 0.2 leaves 80; of several the path leads to the one that costs most."""
    capability = Capability(prefers={"cache": 0.2, "search": 0.5})
    report = capability_health("c", capability, inputs_of({"cache": 0, "search": 90}))
    assert report.score == pytest.approx(75)
    assert report.path == ("c", "cache", "errors")
    assert report.reason == "cache is at 0, and it weighs 0.2"


def test_a_choice_is_as_good_as_its_best() -> None:
    """One of two is enough; with both down the better one is named, and that there was a choice."""
    choice = Capability(any_of=[["openai", "local"]])
    assert capability_health("c", choice, inputs_of({"openai": 0, "local": 100})).score == 100
    report = capability_health("c", choice, inputs_of({"openai": 5, "local": 20}))
    assert (report.score, report.limited_by) == (20, "local")
    assert report.reason == "local is at 20, and of local, openai none is better"


def test_a_capability_is_as_sure_as_its_least_known_input() -> None:
    """Of a choice, the best one counts: an idle alternative does not make it unknown."""
    capability = Capability(requires=["db"], prefers={"cache": 0.2}, any_of=[["openai", "local"]])
    known = {name: report_of(name, 100, 0.9) for name in ("db", "cache", "openai")}
    idle = report_of("local", 100, 0.0)
    assert capability_health("c", capability, {**known, "local": idle}).status is Status.HEALTHY
    unsure = {**known, "local": idle, "cache": report_of("cache", 100, 0.0)}
    assert capability_health("c", capability, unsure).status is Status.UNKNOWN
    assert capability_health("nothing", Capability(), {}).status is Status.UNKNOWN


def test_invariant_33_a_service_is_no_better_than_what_it_requires() -> None:
    """min(own, parents): the path goes on through the parent, and on its own it keeps its report."""
    own, parent, other = report_of("api", 80), report_of("db", 10, 0.5), report_of("auth", 95)
    report = inherited(own, [other, parent])
    assert (report.score, report.path, report.confidence) == (10, ("api", "db", "errors"), 0.5)
    assert report.reason == "db is at 10"
    assert inherited(own, [other]) is own
    assert inherited(own, []) is own


@given(st.lists(st.tuples(scores, st.booleans(), st.floats(0.1, 10)), max_size=6))
def test_invariant_34_p7_the_application_is_what_its_formula_says(given: list[tuple[float, bool, float]]) -> None:
    """The least of the critical ones, capped by the weighted mean of the others; in any order."""
    reports = {f"c{n}": report_of(f"c{n}", score) for n, (score, _, _) in enumerate(given)}
    table = {
        f"c{n}": Capability(criticality=Criticality.CRITICAL if critical else Criticality.BULK, importance=importance)
        for n, (_, critical, importance) in enumerate(given)
    }
    report = app_health("app", table, reports)
    others = [(score, importance) for score, critical, importance in given if not critical]
    cap = sum(s * i for s, i in others) / sum(i for _, i in others) if others else 100
    critical = [score for score, critical, _ in given if critical]
    assert report.score == pytest.approx(min([cap, *critical]), abs=NEARLY)
    assert report == app_health("app", dict(reversed(table.items())), reports)
    assert report.status is not Status.UNKNOWN or not given


def test_the_applications_path_leads_through_the_capability() -> None:
    """As in app <- checkout <- db <- errors."""
    checkout = capability_health("checkout", Capability(requires=["db"]), inputs_of({"db": 20}))
    report = app_health("app", {"checkout": Capability()}, {"checkout": checkout})
    assert report.path == ("app", "checkout", "db", "errors")


def test_of_capabilities_that_are_not_critical_the_costliest_is_named() -> None:
    """Where their mean is what limits: 3 * 20 lost weighs more than 50."""
    table = {
        name: Capability(criticality=Criticality.DEGRADED, importance=importance)
        for name, importance in (("fine", 10.0), ("poor", 3.0), ("worse", 1.0))
    }
    report = app_health("app", table, inputs_of({"fine": 100, "poor": 80, "worse": 50}))
    assert report.score == pytest.approx(100 - 110 / 14)
    assert (report.limited_by, report.reason) == ("poor", "poor is at 80")


def test_an_application_without_capabilities_is_unknown() -> None:
    """Nothing is claimed of nothing."""
    assert app_health("app", {}, {}).status is Status.UNKNOWN


@given(st.lists(st.tuples(scores, st.floats(1e-6, 1e6)), min_size=1, max_size=8), st.integers(0, 7), scores)
def test_a_mean_is_bounded_monotone_and_the_same_in_any_order(
    given: list[tuple[float, float]], which: int, other: float
) -> None:
    """It lies between its least and its greatest, and rises with each."""
    mean = average(given)
    assert min(given)[0] <= mean <= max(given)[0]
    assert mean == average(reversed(given))
    which %= len(given)
    higher = [*given]
    higher[which] = (max(other, given[which][0]), given[which][1])
    assert average(higher) >= mean - NEARLY
