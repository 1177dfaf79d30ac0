"""The health of capabilities and of the application: the property P7, the invariants 33 and 34."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear._aggregate import app_health, capability_health, inherited
from switchgear._criticality import Criticality
from switchgear._decay import Evidence
from switchgear._graph import Capability
from switchgear._health import Domain, service_health
from switchgear._report import Status, average
from tests.evidence import (
    NEARLY,
    scores,
)
from tests.reports import inputs_of, report_of, snapshot_of

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
