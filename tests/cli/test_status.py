"""`switchgear status`, `health` and `explain` say how a running process is, to people, programs and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cli.serving import Shop, serving
from tests.cli.support import program, run


@pytest.fixture
def shop() -> Iterator[Shop]:
    with serving() as shop:
        yield shop


def words(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_process_that_is_well(shop: Shop) -> None:
    """Exit code 0; what has had no calls is UNKNOWN and no trouble; what has had some is known to be HEALTHY."""
    assert run("health", "--url", shop.url).stdout == "app is UNKNOWN (100): there were no recent calls.\n"
    for service in ("db", "cache", "index"):
        shop.serves(service)
    shown = run("status", "--url", shop.url)
    assert shown.exit_code == 0
    lines = words(shown.stdout)
    assert lines[0].startswith("app is HEALTHY (100) switchgear ")
    assert "checkout FULL 100 91%" in lines
    assert [line for line in lines if line.startswith("db CLOSED 100 91%")]
    assert "root cause" not in shown.stdout


def test_a_root_cause_is_shown_with_what_it_costs(shop: Shop) -> None:
    """Exit code 3 while a required service is down: its state, its reason, and what users lose."""
    shop.fails("db")
    shown = run("status", "--url", shop.url, COLUMNS="160")
    assert shown.exit_code == 3
    lines = words(shown.stdout)
    assert lines[0].startswith("app is UNHEALTHY (10)")
    assert [line for line in lines if line.startswith("checkout OFF 10 ")]
    assert [line for line in lines if line.startswith("db OPEN, ")]
    assert [
        line for line in lines if line.startswith("root cause db: its breaker is OPEN: failure rate 1.00 of 4 calls")
    ]
    assert [line for line in lines if line.startswith("users checkout: Users get nothing of it, because of db.")]


def test_each_name_has_an_exit_code_of_its_own(shop: Shop) -> None:
    """0 healthy or unknown, 1 degraded, 3 unhealthy: of the application, of a capability, of a service."""
    shop.fails("cache")
    codes = {
        name: run("health", name, "--url", shop.url).exit_code for name in ("app", "checkout", "search", "cache", "db")
    }
    assert codes == {"app": 1, "checkout": 1, "search": 0, "cache": 3, "db": 0}
    assert run("health", "--url", shop.url).exit_code == 1


def test_a_name_that_is_not_known(shop: Shop) -> None:
    """Exit code 2 and the nearest name."""
    for command in ("health", "explain"):
        shown = run(command, "chekout", "--url", shop.url)
        assert (shown.exit_code, shown.stdout) == (2, "")
        assert "knows no capability or service 'chekout'. Did you mean 'checkout'?" in shown.stderr


def test_the_address_comes_from_the_environment(shop: Shop) -> None:
    """SWITCHGEAR_URL is where a script says it once."""
    shown = program("health", "db", SWITCHGEAR_URL=f"{shop.url}/")
    assert (shown.returncode, shown.stdout) == (0, "db is UNKNOWN (100): there were no recent calls.\n")


def test_programs_get_the_documents_of_the_endpoints(shop: Shop) -> None:
    """--json prints what /api/state says, whole or the part that is asked for, with the same exit code."""
    shop.fails("db")
    state = run("status", "--json", "--url", shop.url)
    assert state.exit_code == 3
    document = json.loads(state.stdout)
    assert {"version", "at", "app", "capabilities", "services"} <= document.keys()
    checkout = json.loads(run("health", "checkout", "--json", "--url", shop.url).stdout)
    assert (checkout["level"], checkout["path"][:2]) == ("OFF", ["checkout", "db"])
    db = json.loads(run("explain", "db", "--json", "--url", shop.url).stdout)
    assert [breaker["state"] for breaker in db["breakers"]] == ["CLOSED", "OPEN"]


def test_a_capability_is_explained_down_to_the_breaker(shop: Shop) -> None:
    """What it needs, what it is offered at, and of the service that limits it: which rule, which numbers, what next."""
    shop.fails("db")
    shown = run("explain", "checkout", "--url", shop.url)
    assert shown.exit_code == 0
    first, *rest = words(shown.stdout)
    assert first.startswith("checkout is UNHEALTHY (10): checkout <- db <- ")
    assert "It is offered at the level OFF. Users get nothing of it, because of db." in rest
    assert "It requires db." in rest
    assert "It prefers cache (40% of it)." in rest
    assert "It is a root cause: nothing that it requires is impaired." in rest
    assert [
        line for line in rest if line.startswith("db[shard-1] is OPEN for ") and "failure rate 1.00 of 4 calls" in line
    ]


def test_a_service_that_is_well_is_explained_by_its_main_breaker(shop: Shop) -> None:
    """In a sentence, and no list of breakers that have nothing to say."""
    shop.serves("cache", 10)
    shown = words(run("explain", "cache", "--url", shop.url).stdout)
    assert len(shown) == 2
    assert "It admits all calls" in shown[1]
