"""`switchgear isolate`, `close`, `disable` and `override` order a running process about, for those who have a token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from switchgear import Level, State
from tests.cli.serving import TOKEN, Shop, serving
from tests.cli.support import run


@pytest.fixture
def shop() -> Iterator[Shop]:
    with serving() as shop:
        yield shop


def order(shop: Shop, *arguments: str, token: str = TOKEN) -> tuple[int, str, str]:
    done = run(*arguments, "--url", shop.url, SWITCHGEAR_TOKEN=token)
    return done.exit_code, done.stdout, done.stderr


def test_a_service_is_isolated_and_closed_again(shop: Shop) -> None:
    """Its breakers refuse everything for the time that was given, and say by whom and why; then it is as before."""
    code, said, _ = order(shop, "isolate", "db", "--for", "10m", "--reason", "failover")
    assert code == 0
    assert said.startswith("db is FORCED_OPEN for 0.0 s: failover. An operator holds it open for another ")
    assert shop.gear.breaker("db").state is State.FORCED_OPEN
    assert shop.gear.breaker("db").main.snapshot().retry_after == pytest.approx(600, abs=10)
    assert run("health", "--url", shop.url).exit_code == 3
    code, said, _ = order(shop, "close", "db", "--reason", "failover is over")
    assert (code, "db is CLOSED" in said, "failover is over" in said) == (0, True, True)
    assert shop.gear.breaker("db").state is State.CLOSED


def test_a_breaker_that_opened_by_itself_is_closed_without_a_reason(shop: Shop) -> None:
    """An operator in a hurry need not explain that it goes on as usual; all its domains do."""
    shop.fails("db")
    assert shop.gear.breaker("db", "shard-1").state is State.OPEN
    assert order(shop, "close", "db")[0] == 0
    assert shop.gear.breaker("db", "shard-1").state is State.CLOSED


def test_a_breaker_is_switched_off(shop: Shop) -> None:
    """Nothing opens it while it is DISABLED."""
    assert order(shop, "disable", "db", "--for", "90s", "--reason", "wrong threshold")[0] == 0
    shop.fails("db", 50)
    assert shop.gear.breaker("db", "shard-1").state is State.DISABLED


def test_a_level_is_overridden_and_the_override_ended(shop: Shop) -> None:
    """The capability is held at the level whatever its health, until it is told otherwise."""
    code, said, _ = order(shop, "override", "search", "OFF", "--for", "2h", "--reason", "reindexing")
    assert (code, said.partition(".")[0]) == (0, "search is offered at the level OFF")
    assert shop.gear.degradation.level("search") is Level.OFF
    code, said, _ = order(shop, "override", "search", "--end")
    assert (code, said.partition(".")[0]) == (0, "search is offered at the level FULL")
    assert shop.gear.degradation.level("search") is Level.FULL


def test_programs_get_what_the_order_was_given_to(shop: Shop) -> None:
    """--json prints the service, or the capability, as it is after the order."""
    _, service, _ = order(shop, "isolate", "db", "--for", "10m", "--reason", "failover", "--json")
    assert json.loads(service)["breakers"][0]["state"] == "FORCED_OPEN"
    _, capability, _ = order(shop, "override", "search", "MINIMAL", "--for", "1m", "--reason", "x", "--json")
    assert json.loads(capability)["override"]["level"] == "MINIMAL"


def test_the_token_may_be_in_a_file(shop: Shop, tmp_path: Path) -> None:
    """As orchestrators mount secrets; it goes before the variable."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert order(shop, "close", "db", "--token-file", str(file), token="not-this-one")[0] == 0


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "takes orders only with its token. Give it in SWITCHGEAR_TOKEN or a --token-file."),
        ("wrong-but-long-enough", "does not accept this token. Put its own into SWITCHGEAR_TOKEN"),
        ("two words", "What is in SWITCHGEAR_TOKEN is no token"),
        ("sécrèt", "What is in SWITCHGEAR_TOKEN is no token"),
        ("a\nb", "What is in SWITCHGEAR_TOKEN is no token"),
    ],
)
def test_without_the_token_nothing_is_done(shop: Shop, token: str, said: str) -> None:
    """Exit code 2, what to set, and never the token itself."""
    code, stdout, stderr = order(shop, "isolate", "db", "--for", "10m", "--reason", "x", token=token)
    assert (code, stdout) == (2, "")
    assert said in stderr
    assert not token or token not in stderr
    assert shop.gear.breaker("db").state is State.CLOSED


def test_a_process_without_a_token_takes_no_orders() -> None:
    """It says so, and what to do."""
    with serving(token=None) as shop:
        code, _, stderr = order(shop, "close", "db")
    assert code == 2
    assert "Operator actions are off. Start the application with a token to have them." in stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["isolate", "cach", "--for", "1m", "--reason", "x"], "There is no service 'cach'. Did you mean 'cache'?"),
        (["close", "../../livez"], "refuses: "),
        (["override", "serch", "OFF", "--for", "1m", "--reason", "x"], "There is no capability 'serch'. Did you mean"),
        (["isolate", "db", "--reason", "x"], "Missing option '--for'"),
        (["isolate", "db", "--for", "1m"], "Missing option '--reason'"),
        (["isolate", "db", "--for", "1m", "--reason", " - "], "say it in a word or more"),
        (
            ["isolate", "db", "--for", "10", "--reason", "x"],
            "'10' is no length of time. Write it like 90s, 10m or 1h30m.",
        ),
        (["isolate", "db", "--for", "0s", "--reason", "x"], "'0s' is no length of time."),
        (["isolate", "db", "--for", "1m1h", "--reason", "x"], "'1m1h' is no length of time."),
        (["isolate", "db", "--for", "25h", "--reason", "x"], "an order holds for 24h at most"),
        (["override", "search", "HALF", "--for", "1m", "--reason", "x"], "'HALF' is not one of 'FULL', 'REDUCED'"),
        (["override", "search"], "Give a LEVEL to hold the capability at, or --end."),
        (["override", "search", "OFF", "--end"], "Give a LEVEL to hold the capability at, or --end."),
        (["override", "search", "OFF", "--for", "1m"], "An override needs --for and --reason"),
        (["close", "db", "--token", TOKEN], "No such option"),
    ],
)
def test_orders_that_cannot_be_meant(shop: Shop, arguments: list[str], said: str) -> None:
    """Exit code 2 and words; nothing has changed."""
    code, stdout, stderr = order(shop, *arguments)
    assert (code, stdout) == (2, "")
    assert said in " ".join(stderr.split()).replace("│ ", "")
    assert shop.gear.breaker("db").state is State.CLOSED
    assert shop.gear.degradation.level("search") is Level.FULL


@pytest.mark.parametrize(
    ("given", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3600), ("1h30m", 5400), ("0.5s", 0.5)]
)
def test_lengths_of_time(shop: Shop, given: str, seconds: float) -> None:
    """As people write them."""
    order(shop, "isolate", "db", "--for", given, "--reason", "x")
    left = shop.gear.breaker("db").main.snapshot().retry_after
    assert seconds < 1 or (left is not None and 0 <= seconds - left < 10)
