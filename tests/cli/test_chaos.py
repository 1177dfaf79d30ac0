"""`switchgear chaos` lets calls of a running process go wrong, for those who have a token, where it was made ready."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest

from switchgear import Chaos, Injected, InjectedFault, State
from tests.backends import GET
from tests.cli.serving import TOKEN, Shop, serving
from tests.cli.support import run


@pytest.fixture
def shop() -> Iterator[Shop]:
    with serving() as shop:
        yield shop


def order(shop: Shop, *arguments: str, token: str = TOKEN) -> tuple[int, str, str]:
    done = run("chaos", *arguments, "--url", shop.url, SWITCHGEAR_TOKEN=token)
    return done.exit_code, done.stdout, done.stderr


def chaos_of(shop: Shop, service: str = "cache") -> Chaos:
    chaos = Chaos.of(shop.gear.service(service).pipeline)
    assert chaos is not None
    return chaos


def call(shop: Shop, times: int = 1) -> list[Any]:
    """What calls to the cache come to."""

    async def attempt() -> str:
        with shop.gear.service("cache").admit(GET):
            return "served"

    async def calls() -> list[Any]:
        outcomes: list[Any] = []
        for _ in range(times):
            try:
                outcomes.append(await shop.gear.service("cache").run(GET, "", attempt))
            except InjectedFault as fault:
                outcomes.append(fault)
        return outcomes

    return anyio.run(calls)


def test_calls_of_a_running_process_fail_until_it_is_ended(shop: Shop) -> None:
    """Each injection is labelled: the error says so, observers hear of it and why, and it is counted by kind."""
    heard: list[Injected] = []

    class Ear:
        def on_injected(self, event: Injected) -> None:
            heard.append(event)

    ear = Ear()
    shop.gear.subscribe(ear)
    code, said, _ = order(shop, "cache", "--rate", "100%", "--for", "10m", "--reason", "drill")
    assert (code, said) == (0, "cache: fault into 1 of the calls, for another 600 s: drill\n")
    [fault] = call(shop)
    assert isinstance(fault, InjectedFault)
    assert "somebody has switched chaos on for cache" in str(fault)
    [event] = heard
    assert (event.service, event.injection, event.reason) == ("cache", "fault", "drill")
    assert chaos_of(shop).counts() == {"fault": 1}
    assert "Chaos is on, on purpose: fault into 1 of the calls" in run("explain", "cache", "--url", shop.url).stdout
    code, said, _ = order(shop, "cache", "--end")
    assert (code, said) == (0, "No chaos is switched on in cache.\n")
    assert call(shop) == ["served"]


def test_faults_open_the_breaker(shop: Shop) -> None:
    """As an outage does: that is what a drill is for."""
    order(shop, "cache", "--rate", "1", "--for", "10m", "--reason", "drill")
    with suppress(Exception):
        call(shop, 50)
    assert shop.gear.breaker("cache", "").state is State.OPEN


@pytest.mark.parametrize(
    ("arguments", "injection"),
    [
        (["--strategy", "latency", "--seconds", "0.25"], Chaos.Latency(0.25)),
        (["--strategy", "latency"], Chaos.Latency(1.0)),
        (["--strategy", "outcome"], Chaos.Outcome(None)),
        (["--strategy", "outcome", "--result", '{"stock": 0}'], Chaos.Outcome({"stock": 0})),
        (["--strategy", "stream_cut", "--parts", "3"], Chaos.StreamCut(3)),
        (["--strategy", "pool_starve", "--seconds", "2"], Chaos.PoolStarve(2.0)),
        ([], Chaos.Fault()),
    ],
)
def test_each_strategy_arrives_as_it_was_ordered(shop: Shop, arguments: list[str], injection: Any) -> None:
    """With its numbers; a thousandth of the calls, unless a share is given."""
    assert order(shop, "cache", *arguments, "--for", "1m", "--reason", "drill")[0] == 0
    [experiment] = chaos_of(shop).experiments
    assert (experiment.injection, experiment.rate) == (injection, 0.001)


def test_it_can_be_kept_to_some_calls(shop: Shop) -> None:
    """Operations and domains, by name; programs read back what goes on."""
    scope = ["--scope", "operation=toy.get", "--scope", "domain=shard-1", "--scope", "domain=shard-2"]
    code, said, _ = order(shop, "cache", "--rate", "5%", *scope, "--for", "1m", "--reason", "drill", "--json")
    [told] = json.loads(said)["chaos"]
    assert 50 < told.pop("ends_in") <= 60
    assert (code, told) == (0, {
        "injection": "fault", "reason": "drill", "rate": 0.05, "operations": ["toy.get"],
        "domains": ["shard-1", "shard-2"],
    })  # fmt: skip
    _, said, _ = order(shop, "cache", "--rate", "5%", *scope, "--for", "1m", "--reason", "again")
    assert said.splitlines()[1].startswith(
        "cache: fault into 0.05 of the calls of toy.get in the domains shard-1, shard-2"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["db", "--for", "1m", "--reason", "x"],
            "There is no chaos in the pipeline of 'db'.",
        ),
        (["db", "--end"], "write chaos = true into the table [services.db.pipeline], and it may be switched on"),
        (["cach", "--for", "1m", "--reason", "x"], "There is no service 'cach'. Did you mean 'cache'?"),
        (["cache", "--scope", "operation=toy.gte", "--for", "1m", "--reason", "x"], "Did you mean 'toy.get'?"),
        (["cache", "--reason", "x"], "Chaos needs --for and --reason"),
        (["cache", "--for", "1m"], "Chaos needs --for and --reason"),
        (["cache", "--for", "25h", "--reason", "x"], "an order holds for 24h at most"),
        (["cache", "--rate", "110%", "--for", "1m", "--reason", "x"], "'110%' is no share of the calls"),
        (["cache", "--rate", "often", "--for", "1m", "--reason", "x"], "'often' is no share of the calls"),
        (["cache", "--scope", "redis.get", "--for", "1m", "--reason", "x"], "'redis.get' names no calls"),
        (["cache", "--seconds", "2", "--for", "1m", "--reason", "x"], "--seconds is nothing to the strategy fault"),
        (["cache", "--strategy", "outcome", "--result", "{", "--for", "1m", "--reason", "x"], "'{' is no JSON"),
        (["cache", "--strategy", "behaviour", "--for", "1m", "--reason", "x"], "'behaviour' is not one of"),
    ],
)
def test_orders_that_cannot_be_meant(shop: Shop, arguments: list[str], said: str) -> None:
    """Exit code 2 and words; nothing is switched on."""
    code, stdout, stderr = order(shop, *arguments)
    assert (code, stdout) == (2, "")
    assert said in " ".join(stderr.split())
    assert chaos_of(shop).experiments == ()


def test_without_the_token_nothing_is_done(shop: Shop) -> None:
    """As for every order."""
    code, _, stderr = order(shop, "cache", "--for", "1m", "--reason", "x", token="wrong-but-long-enough")
    assert (code, "does not accept this token" in stderr) == (2, True)
    assert chaos_of(shop).experiments == ()
