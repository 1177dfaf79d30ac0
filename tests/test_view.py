"""The state document: what it says of breakers, services, capabilities and the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from switchgear import ConfigurationError, Criticality, Switchgear
from switchgear._document import State
from switchgear._level import Level
from switchgear._view import View
from switchgear.spi import Backend, Metric
from switchgear.testing import VirtualClock
from tests.backends import GET, Client, Settings, backend_of
from tests.support import DOWN, Said

REPORT = {"name", "score", "status", "confidence", "path", "limited_by", "reason"}


def shop(clock: VirtualClock) -> Switchgear:
    """A checkout that requires a database and is better with a cache; recommendations that only want the cache."""
    gear = Switchgear(clock=clock)
    for name in ("db", "cache"):
        gear.guard(Client(name), backend_of(name=f"toy-{name}"), name=name)
    gear.capability("checkout", requires=["db"], prefers={"cache": 0.3})
    gear.capability("hints", any_of=[["cache", "db"]], criticality=Criticality.BULK, importance=0.5)
    return gear


def break_down(gear: Switchgear, name: str, domain: str = "") -> None:
    for _ in range(4):
        with pytest.raises(Said), gear.service(name).admit(GET, domain):
            raise DOWN
    gear.degradation.look()


def with_lines(gauges: Callable[[Client], Mapping[str, float]]) -> Backend[Client, Settings]:
    toy = backend_of()
    return replace(toy, metrics=(*toy.metrics, Metric(name="lines", kind="gauge", help="Lines.")), gauges=gauges)


def document(view: View) -> dict[str, Any]:
    """As a program reads it."""
    state: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(view.state()))
    return state


def named(items: list[dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
    return {item["name"]: item for item in items}


def test_all_is_said_of_an_idle_application() -> None:
    """Every field is there from the beginning, and what is not known is not called healthy."""
    clock = VirtualClock()
    gear = shop(clock)
    view = View(gear)
    clock.advance(5.0)
    state = document(view)
    assert set(state) == {
        "version", "at", "uptime", "app", "lag", "roots", "suspects", "capabilities", "services", "plugins"
    }  # fmt: skip
    assert state["uptime"] == 5.0
    assert state["at"].endswith("Z")
    assert set(state["app"]) == REPORT
    assert state["app"]["status"] == "UNKNOWN"
    checkout, hints = state["capabilities"]
    assert checkout["level"] == "FULL"
    assert checkout["criticality"] == "CRITICAL"
    assert (checkout["requires"], checkout["prefers"], checkout["any_of"]) == (["db"], {"cache": 0.3}, [])
    assert (hints["any_of"], hints["importance"], hints["criticality"]) == ([["cache", "db"]], 0.5, "BULK")
    assert (checkout["override"], checkout["inhibited_by"], checkout["loses"]) == (None, [], "")
    db, cache = state["services"]
    assert (db["name"], db["backend"], cache["name"], cache["backend"]) == ("db", "toy-db", "cache", "toy-cache")
    assert (db["root"], db["suspected"], db["inhibited_by"], db["pressure"]) == (False, False, [], 0.0)
    [main] = db["breakers"]
    assert (main["domain"], main["state"], main["last"], main["retry_after"]) == ("", "CLOSED", None, None)
    assert set(main["traffic"]) == {"per_second", "served", "failed", "refused", "p50", "p95", "p99"}


def test_it_can_be_read_back() -> None:
    """A program that has the types reads what another has written."""
    gear = shop(VirtualClock())
    break_down(gear, "db", "a")
    state = View(gear).state()
    assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state


def test_an_open_breaker_says_why_and_until_when() -> None:
    """With its causes, and the sentence that people read."""
    clock = VirtualClock()
    gear = shop(clock)
    break_down(gear, "db", "a")
    clock.advance(3.0)
    service = named(document(View(gear))["services"])["db"]
    _main, branch = service["breakers"]
    assert (branch["domain"], branch["state"], branch["since"], branch["retry_after"]) == ("a", "OPEN", 3.0, 5.0)
    assert branch["causes"] == [{"type": "Said", "text": "down", "times": 4}]
    assert branch["verdicts"]["FAILURE"] == 4
    assert branch["last"] == {
        "from": "CLOSED",
        "to": "OPEN",
        "reason": "failure_rate",
        "detail": branch["last"]["detail"],
        "ago": 3.0,
    }
    assert branch["explain"].startswith("db[a] is OPEN for 3.0 s: ")
    [domain] = service["domains"]
    assert set(domain) == REPORT
    assert (domain["name"], domain["score"], domain["limited_by"]) == ("a", 10.0, "state")


def test_causes_and_what_they_bring_with_them_are_told_apart() -> None:
    """The root is the service to mend; a capability names it, and says what users lose."""
    gear = shop(VirtualClock())
    break_down(gear, "db")
    state = document(View(gear))
    assert state["roots"] == ["db"]
    services, capabilities = named(state["services"]), named(state["capabilities"])
    assert (services["db"]["root"], services["cache"]["root"]) == (True, False)
    checkout = capabilities["checkout"]
    assert (checkout["level"], checkout["inhibited_by"]) == ("OFF", ["db"])
    assert checkout["path"] == ["checkout", "db", "state"]
    assert checkout["loses"] == "Users get nothing of it, because of db."
    assert capabilities["hints"]["loses"] == ""
    assert state["app"]["limited_by"] == "checkout"


def test_an_override_is_shown_with_its_reason_and_its_end() -> None:
    """And named as what takes something from the users."""
    clock = VirtualClock()
    gear = shop(clock)
    gear.degradation.override("checkout", Level.MINIMAL, "stocktaking", for_=60.0)
    clock.advance(10.0)
    checkout = View(gear).capability("checkout")
    assert msgspec.to_builtins(checkout.override) == {"level": "MINIMAL", "reason": "stocktaking", "ends_in": 50.0}
    assert checkout.loses == "Users get the bare minimum of it, by an operator's order: stocktaking."


def test_a_level_that_has_not_risen_yet_says_so() -> None:
    """All is well again, but for how long? Until that is known users still lose something."""
    clock = VirtualClock()
    gear = shop(clock)
    view = View(gear)
    break_down(gear, "db")
    assert view.capability("checkout").level == "OFF"
    gear.breaker("db").reset()
    clock.advance(120.0)
    checkout = view.capability("checkout")
    assert checkout.status == "UNKNOWN"
    assert checkout.level == "OFF"
    assert checkout.loses == "Users get nothing of it, until it has held."


def test_counters_and_gauges_are_the_plugins() -> None:
    """Counters with their labels; gauges are read from the client, which makes no call for that."""
    gear = Switchgear()
    client = Client()
    backend = with_lines(lambda client: {"lines": len(client.happened)})
    gear.guard(client, backend, name="toy")
    gear.service("toy").count("hits", 2, kind="warm")
    service = View(gear).service("toy")
    assert service.gauges == {"lines": 0}
    assert [msgspec.to_builtins(one) for one in service.counters] == [
        {"name": "hits", "labels": {"kind": "warm"}, "value": 2}
    ]


def test_gauges_that_cannot_be_read_cost_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """The plugin's code is foreign; all else is still shown."""

    def broken(_client: Client) -> Mapping[str, float]:
        raise KeyError("pool")

    gear = Switchgear()
    gear.guard(Client(), with_lines(broken), name="toy")
    assert View(gear).service("toy").gauges == {}
    assert "The gauges of <Service toy (toy)> cannot be read: KeyError" in caplog.text


def test_a_service_that_is_guarded_a_moment_ago_is_there() -> None:
    """Though what is known is not so fresh."""
    gear = shop(VirtualClock())
    view = View(gear)
    view.state()
    gear.guard(Client(), backend_of(), name="late")
    assert "late" in named(document(view)["services"])


def test_a_name_that_there_is_not_is_an_error_with_the_nearest() -> None:
    """For services and capabilities alike."""
    view = View(shop(VirtualClock()))
    with pytest.raises(ConfigurationError, match="Did you mean 'db'"):
        view.service("dbb")
    with pytest.raises(ConfigurationError, match="Did you mean 'checkout'"):
        view.capability("chekout")


def test_looking_calls_no_backend() -> None:
    """Nothing happens to any client, whatever state its breaker is in."""
    gear = shop(VirtualClock())
    break_down(gear, "cache")
    view = View(gear)
    for _ in range(3):
        view.state()
    assert [gear.client(name).happened for name in ("db", "cache")] == [[], []]
