"""The health of a service: one score, what limits it, and how much is known (invariants 28 and 33)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import Ramp, State
from switchgear._aggregate import app_health
from switchgear._criticality import Criticality
from switchgear._decay import DecayedSums, Evidence
from switchgear._graph import Capability
from switchgear._health import Domain, service_health
from switchgear._report import Status
from switchgear._score import (
    confidence,
    error_score,
    saturation_score,
    state_score,
)
from switchgear.testing import VirtualClock
from tests.evidence import (
    FAILED,
    NEARLY,
    SERVED,
    evidences,
    ratios,
    snapshots,
)
from tests.reports import inputs_of, report_of, snapshot_of
from tests.support import breaker_of, fail, succeed

saturations = st.dictionaries(st.sampled_from(["pool", "bulkhead", "quota"]), st.floats(0, 2))


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
