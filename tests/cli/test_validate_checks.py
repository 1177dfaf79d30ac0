"""Each check of `switchgear validate` passes on facts that are right, and finds what it is there to find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from switchgear import BreakerConfig, ConfigurationError, Criticality, TimeWindow
from switchgear._document import Capability as CapabilityDocument
from switchgear._document import Service, State
from switchgear._gear_config import GearConfig, ServiceConfig
from switchgear._graph import Capability
from switchgear._plugins import PluginInfo, PluginState
from switchgear._score import HealthConfig
from switchgear._spec import ClientLimits
from switchgear._strategies.timeout import Timeout
from switchgear.cli._probe import Probed
from switchgear.cli._remote import Answer, Remote
from switchgear.cli._state import read_state
from switchgear.cli._validate._check import Outcome
from switchgear.cli._validate._facts import Asked, Drill, Drilled, Facts, Running
from switchgear.cli._validate._processes import EXPECTED
from switchgear.cli._validate._table import CHECKS, judge
from switchgear.spi import Metric, Operation
from tests.backends import Settings, backend_of
from tests.cli.serving import serving

BREAKER = BreakerConfig(slow_call_duration_threshold={"read": 1.0}, window=TimeWindow(10), probe_with="both")


async def identify(_client: object) -> str:
    return "Toy 1.0"


BACKEND = replace(
    backend_of(BREAKER),
    operations=(Operation(name="toy.get"),),
    identify=identify,
    gauges=lambda _client: {"pool_in_use": 1.0},
    metrics=(Metric(name="hits", kind="counter", help="Hits."), Metric(name="pool_in_use", kind="gauge", help="Used.")),
    health=HealthConfig(tolerated={"read": 0.5}),
)
SERVICE = ServiceConfig(
    name="db", plugin="toy", backend=BACKEND, settings=Settings(), breaker=BREAKER, health=BACKEND.health
)
PLUGIN = PluginInfo(name="toy", dist="switchgear-toy", version="1.0", state=PluginState.ACTIVE, spi="1.0")
CONFIG = GearConfig(
    services=(SERVICE,),
    capabilities={"checkout": Capability(requires=["db"])},
    plugins=(PLUGIN,),
    source="switchgear.toml",
)
LIMITS = ClientLimits(timeout=2.0, connect_timeout=1.0, connections=50, enough_connections=50, retries=0)
ASKED = Asked(
    probed=Probed(ok=True, server="Toy 1.0", latency=0.01),
    limits=LIMITS,
    gauges=frozenset({"pool_in_use"}),
    permissions={"read": "", "write": ""},
)
FACTS = Facts(source="switchgear.toml", config=CONFIG, asked={"db": ASKED})


def of(service: ServiceConfig = SERVICE, *, asked: Asked = ASKED, config: GearConfig = CONFIG, **more: Any) -> Facts:
    """Facts in which one thing is different."""
    return replace(FACTS, config=replace(config, services=(service,)), asked={"db": asked}, **more)


def limits(**given: float | None) -> Facts:
    return of(asked=replace(ASKED, limits=replace(LIMITS, **given)))


def probed(*, permissions: Any = None, **given: Any) -> Facts:
    return of(asked=replace(ASKED, probed=Probed(**given), permissions=permissions))


def breaker(**rules: Any) -> Facts:
    return of(replace(SERVICE, breaker=replace(BREAKER, **rules)))


def backend(**given: Any) -> Facts:
    return of(replace(SERVICE, backend=replace(BACKEND, **given)))


def offering(**capabilities: Capability) -> Facts:
    return of(config=replace(CONFIG, capabilities=capabilities))


#: What a check is to find, by check: facts, what it is about, and a part of what it says.
FOUND: dict[str, list[tuple[Facts, str, str]]] = {
    "configuration": [
        (Facts(source="x.toml", problems=(ConfigurationError("No such key.", "a.b"),)), "a.b", "No such key."),
        (Facts(source="x.toml", problems=(ConfigurationError("No such file."),)), "x.toml", "No such file."),
    ],
    "plugins": [(of(config=replace(CONFIG, plugins=(replace(PLUGIN, error="It broke."),))), "toy", "It broke.")],
    "plugin interface": [
        (of(config=replace(CONFIG, plugins=(replace(PLUGIN, spi="1.99"),))), "toy", "pip install --upgrade switchgear")
    ],
    "secrets": [(of(literals=("services.db.settings.password",)), "services.db.settings.password", "Write ${NAME}")],
    "metrics": [
        (backend(metrics=()), "toy", "it declares none"),
        (backend(metrics=(Metric(name="hits", kind="counter", help=" "),)), "toy", "toy_hits_total has no help text"),
        (
            backend(metrics=tuple(Metric(name=n, kind="gauge", help="x", unit="bytes") for n in ("a", "a_bytes"))),
            "toy",
            "switchgear_toy_a_bytes is declared twice",
        ),
    ],
    "recovery": [
        (
            of(replace(SERVICE, backend=backend_of(probe=False), breaker=replace(BREAKER, probe_with="health"))),
            "db",
            'Set probe_with = "traffic".',
        ),
    ],
    "capabilities": [(offering(), "switchgear.toml", "No capability is declared")],
    "critical capability": [
        (offering(bulk=Capability(requires=["db"], criticality=Criticality.BULK)), "switchgear.toml", "None is")
    ],
    "reach": [(offering(nothing=Capability()), "nothing", "It needs no service")],
    "unused services": [(offering(nothing=Capability()), "db", "No capability needs or wants it")],
    "connection": [
        (probed(ok=False, error="ConnectionError: refused"), "db", "ConnectionError: refused"),
        (probed(ok=False, error="AuthenticationError: wrong password"), "db", "wrong password"),
    ],
    "server version": [(probed(ok=True), "db", "It does not say.")],
    "first latency": [(probed(ok=True, latency=0.7), "db", "It took 0.700 s, and users are content with 0.5 s.")],
    "active check": [
        (
            probed(ok=False, error="Denied: PING.", permissions={"read": ""}),
            "db",
            "Denied: PING. Allow it to the account",
        )
    ],
    "permissions": [
        (of(asked=replace(ASKED, permissions={"write": "NOPERM no"})), "db write", "NOPERM no. Change that, unless")
    ],
    "plugin functions": [(of(asked=replace(ASKED, raised=("limits() raised KeyError: x",))), "db", "limits() raised")],
    "gauges": [
        (of(asked=replace(ASKED, gauges=frozenset({"hits"}))), "db", "It reads hits, and declares no such gauge")
    ],
    "finite timeouts": [
        (limits(timeout=inf), "db", "It waits for an answer without end."),
        (limits(timeout=inf, connect_timeout=inf), "db", "for an answer and for a connection without end"),
    ],
    "slow before timeout": [
        (limits(timeout=1.0), "db read", "A read is slow after 1 s, but given up after 1 s."),
        (of(replace(SERVICE, pipeline=(Timeout(0.5),))), "db read", "given up after 0.5 s"),
    ],
    "tolerated before slow": [
        (
            of(replace(SERVICE, health=HealthConfig(tolerated=3.0))),
            "db read",
            "content with 3 s, and the breaker takes 1 s",
        )
    ],
    "probes have time": [(breaker(probe_timeout=0.5), "db", "It has 0.5 s, and a call may well take 1 s.")],
    "window holds timeouts": [(breaker(window=TimeWindow(3)), "db", "Set window.seconds to 4 or more")],
    "own retries": [
        (limits(retries=3), "db", "It makes 3 further attempts of its own."),
        (limits(retries=inf), "db", "It makes inf further attempts"),
    ],
    "bounded pool": [(limits(connections=inf), "db", "Its pool grows without end.")],
    "pool size": [(limits(connections=80), "db", "It may have 80 connections, and more than 50 carry no more.")],
    "alert rules": [(of(rules={"rules.yml": "not YAML"}), "rules.yml", "not YAML")],
}

#: Facts without which a check has nothing to say: it then says nothing, rather than that all is well.
SILENT: dict[str, list[Facts]] = {
    "finite timeouts": [limits(timeout=None, connect_timeout=None)],
    "slow before timeout": [limits(timeout=None), breaker(slow_call_duration_threshold=None)],
    "tolerated before slow": [of(replace(SERVICE, health=HealthConfig()))],
    "probes have time": [limits(timeout=None)],
    "window holds timeouts": [limits(timeout=None)],
    "own retries": [limits(retries=None)],
    "bounded pool": [limits(connections=None)],
    "pool size": [limits(enough_connections=None), limits(connections=inf)],
    "server version": [probed(ok=False, error="refused")],
    "first latency": [probed(ok=False, error="refused")],
    "active check": [probed(ok=False, error="refused"), breaker(probe_with="traffic")],
    "permissions": [probed(ok=True)],
    "gauges": [of(asked=replace(ASKED, gauges=frozenset()))],
    "reach": [offering()],
    "critical capability": [offering()],
    "unused services": [offering()],
}


def outcomes(check: str, facts: Facts) -> list[tuple[Outcome, str, str]]:
    return [(result.outcome, result.subject, result.text) for result in judge(facts) if result.check == check]


@pytest.mark.parametrize("check", FOUND)
def test_what_is_right_passes(check: str) -> None:
    """And with a word on what was found."""
    facts = replace(FACTS, rules={"rules.yml": ""})
    results = outcomes(check, facts)
    assert {outcome for outcome, _, _ in results} <= {Outcome.PASS}
    assert all(text for _, _, text in results)
    assert results or check == "plugin functions"


@pytest.mark.parametrize(
    ("check", "facts", "subject", "said"), [(check, *found) for check, cases in FOUND.items() for found in cases]
)
def test_what_is_wrong_is_found(check: str, facts: Facts, subject: str, said: str) -> None:
    """Once, with its severity, what it is about, and words on what to do."""
    severity = next(one.severity for one in CHECKS if one.name == check)
    wrong = [(outcome, about, text) for outcome, about, text in outcomes(check, facts) if outcome is not Outcome.PASS]
    assert [(outcome, about) for outcome, about, _ in wrong] == [(severity, subject)]
    assert said in wrong[0][2]


@pytest.mark.parametrize(("check", "facts"), [(check, facts) for check, cases in SILENT.items() for facts in cases])
def test_what_is_not_known_is_not_judged(check: str, facts: Facts) -> None:
    """No row at all: neither a pass nor a failure."""
    assert outcomes(check, facts) == []


def test_one_thing_that_is_wrong_is_one_finding() -> None:
    """Checks do not repeat each other: a limit that is missed fails the check that is about it, and no other."""
    for facts in (limits(connections=inf), limits(retries=3), breaker(window=TimeWindow(3)), offering()):
        assert len([result for result in judge(facts) if result.outcome is not Outcome.PASS]) == 1


def test_a_longer_pipeline_timeout_changes_nothing() -> None:
    """What counts is the sooner of the client's and the pipeline's; and of other classes' limits, none."""
    facts = of(replace(SERVICE, pipeline=(Timeout(MappingProxyType({"write": 0.1, "read": 9.0})),)))
    assert outcomes("slow before timeout", facts)[0][0] is Outcome.PASS


# -- of a process ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def state() -> Iterator[State]:
    """As the real endpoints tell it, of a shop that is well."""
    with serving() as shop:
        yield read_state(Remote(shop.url))


def running(state: State, **answers: Answer | str) -> Facts:
    """A process that answers as it should, and runs the file, but for these answers."""
    right = {
        path: Answer(200, {}, f'{content} service="db" service="cache" service="index"'.encode())
        for path, content in EXPECTED.items()
    }
    given = {path.replace("_", "/"): answer for path, answer in answers.items()}
    toy = replace(BACKEND, name="toy")
    services = tuple(replace(SERVICE, name=name, backend=toy) for name in ("db", "cache", "index"))
    capabilities = {
        "checkout": Capability(requires=["db"], prefers={"cache": 0.4}),
        "search": Capability(requires=["index"], criticality=Criticality.BEST_EFFORT),
    }
    return Facts(
        source="switchgear.toml",
        config=GearConfig(services=services, capabilities=capabilities),
        running=Running(url="http://127.0.0.1:1", answers={**right, **given}, events="state", state=state),
    )


OF_PROCESSES = ("endpoints", "events", "same version", "same services", "same capabilities", "exported metrics")


def test_a_process_that_is_right_passes(state: State) -> None:
    """All checks of it have something to say."""
    for check in OF_PROCESSES:
        results = outcomes(check, running(state))
        assert results
        assert {outcome for outcome, _, _ in results} == {Outcome.PASS}


def wrong(check: str, facts: Facts) -> list[tuple[str, str]]:
    return [(subject, text) for outcome, subject, text in outcomes(check, facts) if outcome is not Outcome.PASS]


def test_an_endpoint_that_does_not_answer_as_it_should(state: State) -> None:
    """It refuses, it says something else, or it is not there."""
    facts = running(state, _readyz=Answer(503, {}, b'{"ok":false,"because":["db is UNHEALTHY"]}'), _livez="refused",
                    _metrics=Answer(200, {}, b"<html>"))  # fmt: skip
    assert wrong("endpoints", facts) == [
        ("/livez", "refused"),
        ("/readyz", 'It answers 503: {"ok":false,"because":["db is UNHEALTHY"]}'),
        ("/metrics", "It answers 200: <html>"),
    ]
    assert [subject for subject, _ in wrong("exported metrics", facts)] == ["db", "cache", "index"]


def test_a_stream_that_does_not_begin(state: State) -> None:
    """What came instead is said."""
    facts = running(state)
    assert facts.running
    facts = replace(facts, running=replace(facts.running, events="It ended."))
    assert wrong("events", facts) == [("/events", "It ended.")]


def test_a_process_of_another_version(state: State) -> None:
    """It is told which."""
    facts = running(msgspec.structs.replace(state, version="0.0.1"))
    assert wrong("same version", facts)[0][1].startswith("It runs 0.0.1, and this is ")


def test_a_process_that_runs_another_file(state: State) -> None:
    """Services and capabilities that it does not have, and those that are not the same there."""
    db, cache, _ = state.services
    checkout, _ = state.capabilities
    other = msgspec.structs.replace(
        state,
        services=(msgspec.structs.replace(db, backend="mysql"), msgspec.structs.replace(cache, requires=("db",))),
        capabilities=(msgspec.structs.replace(checkout, prefers={"cache": 0.1}),),
    )
    services = dict(wrong("same services", running(other)))
    assert services["db"] == "There it is of the backend mysql, requiring nothing."
    assert services["cache"] == "There it is of the backend toy, requiring db."
    assert services["index"].startswith("The process at http://127.0.0.1:1 has no such service.")
    capabilities = dict(wrong("same capabilities", running(other)))
    assert capabilities["checkout"].startswith("There it has other needs, or another criticality.")
    assert capabilities["search"].startswith("The process at http://127.0.0.1:1 has no such capability.")


# -- of a drill ------------------------------------------------------------------------------------------------------

OF_DRILLS = ("well before drill", "isolation", "levels fall", "no cascade", "liveness", "readiness", "told in metrics",
             "closing", "levels return")  # fmt: skip


def seen(state: State, *, levels: dict[str, tuple[str, float]] | None = None, **scores: float) -> State:
    """The state with these scores of services, and levels and scores of capabilities."""

    def service(one: Service) -> Service:
        score = scores.get(one.name, one.score)
        main = msgspec.structs.replace(one.breakers[0], state="CLOSED" if score else "FORCED_OPEN")
        return msgspec.structs.replace(one, score=score, breakers=(main,))

    def capability(one: CapabilityDocument) -> CapabilityDocument:
        level, score = (levels or {}).get(one.name, (one.level, one.score))
        return msgspec.structs.replace(one, level=level, score=score)

    return msgspec.structs.replace(
        state,
        services=tuple(map(service, state.services)),
        capabilities=tuple(map(capability, state.capabilities)),
    )


def drilled(state: State, service: str, during: State, **more: Any) -> Facts:
    """A drill of one service in which all went well, but for what is given."""
    metrics = f'switchgear_breaker_state{{service="{service}",domain="",state="forced_open"}} 1.0'
    facts: dict[str, Any] = {
        "alive": Answer(200, {}, b""), "ready": Answer(503 if service == "db" else 200, {}, b""),
        "metrics": Answer(200, {}, metrics.encode()), "after": state, "returned": state, "seconds": 40.0,
    }  # fmt: skip
    one = Drilled(service=service, during=during, **{**facts, **more})
    return Facts(source="switchgear.toml", drill=Drill(before=state, services=(one,)))


@pytest.mark.parametrize(
    ("service", "levels"),
    [
        ("db", {"checkout": ("OFF", 0.0)}),
        ("cache", {"checkout": ("FALLBACK", 60.0)}),
        ("index", {"search": ("OFF", 0.0)}),
    ],
)
def test_a_drill_that_goes_as_the_graph_says(state: State, service: str, levels: dict[str, tuple[str, float]]) -> None:
    """All checks of it pass: a required service turns it unready, a preferred one and a best-effort one do not."""
    facts = drilled(state, service, seen(state, levels=levels, **{service: 0.0}))
    for check in OF_DRILLS:
        results = outcomes(check, facts)
        assert results
        assert {outcome for outcome, _, _ in results} == {Outcome.PASS}, results


def test_a_process_that_is_not_well_is_not_drilled(state: State) -> None:
    """It is said, and nothing else is."""
    facts = Facts(source="switchgear.toml", drill=Drill(before=state))
    assert [result.check for result in judge(facts) if result.check in OF_DRILLS] == ["well before drill"]
    assert wrong("well before drill", facts)[0][1].startswith("It is not, so nothing was isolated.")


def test_what_goes_wrong_in_a_drill_is_found(state: State) -> None:
    """Each by the check that is for it, and by no other."""
    fallen = seen(state, levels={"checkout": ("FALLBACK", 60.0)}, cache=0.0)
    cases: dict[str, Facts] = {
        "isolation": drilled(state, "cache", seen(state, levels={"checkout": ("FALLBACK", 60.0)}, cache=10.0)),
        "levels fall": drilled(state, "cache", seen(state, levels={"checkout": ("FULL", 60.0)}, cache=0.0)),
        "no cascade": drilled(state, "cache", seen(state, levels={"checkout": ("FALLBACK", 60.0)}, cache=0.0, db=50.0)),
        "liveness": drilled(state, "cache", fallen, alive=Answer(503, {}, b"")),
        "readiness": drilled(state, "cache", fallen, ready=Answer(503, {}, b"")),
        "told in metrics": drilled(state, "cache", fallen, metrics=Answer(200, {}, b"")),
        "closing": drilled(state, "cache", fallen, after=seen(state, cache=60.0)),
        "levels return": drilled(state, "cache", fallen, returned=seen(state, levels={"checkout": ("REDUCED", 100.0)})),
    }
    for check, facts in cases.items():
        assert [one for one in OF_DRILLS if wrong(one, facts)] == [check]
    unready = drilled(state, "db", seen(state, levels={"checkout": ("OFF", 0.0)}, db=0.0), ready=Answer(200, {}, b""))
    assert wrong("readiness", unready)[0][1].startswith("It answers 200, and users would be sent to an instance")


# -- the table -------------------------------------------------------------------------------------------------------


def test_every_check_is_shown_to_pass_and_to_fail() -> None:
    """No check is in the table that cannot fail; each says what it proves, in a sentence."""
    assert [check.name for check in CHECKS] == [*FOUND, *OF_PROCESSES, *OF_DRILLS]
    assert all(check.proves.endswith(".") for check in CHECKS)
