"""The pipeline of a service in TOML: the defaults, what is laid over them, what plugins add, every slip at its key."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from switchgear import CallTimedOut, Deadline, Fallback, Hedge, Retry, Strategy, Switchgear, Timeout
from switchgear.spi import Operation
from tests.config.support import Read, problems, service
from tests.planted import WORKING, Garden
from tests.virtual_time import each_backend, run

SERVICE = '[services.cache]\nplugin = "memory"\n'

#: A plugin that adds strategies and guards nothing.
ACME = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
from switchgear.spi import Next, Strategy, hookimpl

@dataclass(eq=False)
class Pass(Strategy):
    name: ClassVar[str] = "acme"

    def __call__(self, next):
        return next

@dataclass(eq=False)
class Fairness(Pass):
    name: ClassVar[str] = "acme.fairness"
    inside: ClassVar[str] = "bulkhead"
    tenants: int = 1

@hookimpl
def register_strategies():
    return [Pass, Fairness]
"""


def pipeline(read: Read, text: str, **environ: str) -> dict[str, Strategy]:
    """By name, in order."""
    strategies = service(read(SERVICE + "[services.cache.pipeline]\n" + text, **environ)).pipeline
    assert strategies is not None
    return {each.name: each for each in strategies}


def test_without_a_table_there_is_no_pipeline(read: Read) -> None:
    """Calls then go by the breaker alone, as ever."""
    assert service(read(SERVICE)).pipeline is None


def test_an_empty_table_brings_the_defaults(read: Read) -> None:
    """An attempt has twice the time from which the plugin takes a call for slow."""
    strategies = pipeline(read, "")
    assert list(strategies) == ["deadline", "retry", "breaker", "timeout"]
    timeout, deadline = strategies["timeout"], strategies["deadline"]
    assert isinstance(timeout, Timeout)
    assert isinstance(deadline, Deadline)
    assert (timeout.seconds, deadline.seconds) == ({"read": 1.0, "write": 2.0}, {"read": 3.0, "write": 6.0})


def test_limits_and_chaos(read: Read) -> None:
    """Each in its place, with what its table says; chaos is there, and off."""
    text = """
        ratelimit = { rate = 500, per = 60, by = "domain" }
        throttle = { scope = "retries", multiple = 1.5 }
        adaptive = { maximum = 50, queue = 10 }
        bulkhead = 30
        chaos = true
    """
    strategies = pipeline(read, text)
    assert list(strategies) == [
        "deadline", "retry", "ratelimit", "throttle", "adaptive", "bulkhead", "breaker", "timeout", "chaos"
    ]  # fmt: skip
    said = {name: strategies[name].describe() for name in ("ratelimit", "throttle", "adaptive", "bulkhead", "chaos")}
    assert said == {
        "ratelimit": "500 requests in 60 s for each domain",
        "throttle": "refuses retries and hedges when fewer than 1 in 1.5 is accepted, at most 90%",
        "adaptive": "20 at once, 10 may wait, between 1 and 50",
        "bulkhead": "30 at once",
        "chaos": "off",
    }


def test_limits_that_cannot_be(read: Read) -> None:
    """Are told at their keys."""
    text = """
        ratelimit = { rate = 0 }
        throttle = { scope = "some" }
        adaptive = { limit = 5, maximum = 4 }
        bulkhead = { limit = 1, wait = 3 }
    """
    assert set(problems(partial(pipeline, read, text))) == {
        "services.cache.pipeline.ratelimit.rate",
        "services.cache.pipeline.throttle.scope",
        "services.cache.pipeline.adaptive.limit",
        "services.cache.pipeline.bulkhead.wait",
    }


def test_keys_are_laid_over_the_defaults(read: Read) -> None:
    """Key by key; a bare value is a strategy's first option; tables by class are laid over class by class."""
    text = """
        timeout = 0.5
        deadline = { seconds = { write = 20 } }
        retry = { attempts = 2, jitter = "decorrelated" }
        hedge = { quantile = 0.99 }
        fallback = { value = [], operations = ["memory.get"] }
    """
    strategies = pipeline(read, text)
    assert list(strategies) == ["fallback", "deadline", "retry", "hedge", "breaker", "timeout"]
    expected = {
        "timeout": Timeout(0.5),
        "deadline": Deadline({"read": 3.0, "write": 20.0}),
        "retry": Retry(attempts=2, jitter="decorrelated"),
        "hedge": Hedge(quantile=0.99),
        "fallback": Fallback(value=[], operations=("memory.get",)),
    }
    assert {name: repr(each) for name, each in strategies.items() if name in expected} == {
        name: repr(each) for name, each in expected.items()
    }


def test_defaults_can_be_taken_away_and_asked_for(read: Read) -> None:
    """`false` takes one away; `true` brings one as it is."""
    assert list(pipeline(read, "deadline = false\nretry = false\ntimeout = true\nhedge = true")) == [
        "hedge", "breaker", "timeout",
    ]  # fmt: skip
    assert list(pipeline(read, "deadline = false\nretry = false\ntimeout = false")) == ["breaker"]


def test_the_environment_sets_keys(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in any other table."""
    from switchgear._config import read_environment

    variables = {
        "SWITCHGEAR__SERVICES__CACHE__PLUGIN": "memory",
        "SWITCHGEAR__SERVICES__CACHE__PIPELINE__TIMEOUT": "0.25",
        "SWITCHGEAR__SERVICES__CACHE__PIPELINE__RETRY__ATTEMPTS": "5",
        "SWITCHGEAR__SERVICES__CACHE__PIPELINE__DEADLINE": "false",
    }
    strategies = {each.name: each for each in service(read_environment(variables)).pipeline or ()}
    assert list(strategies) == ["retry", "breaker", "timeout"]
    assert strategies["retry"].describe().startswith("5 attempts")
    assert strategies["timeout"].describe() == "0.25 s an attempt"


def test_an_order_of_ones_own(read: Read) -> None:
    """Outermost first; it is checked as any other."""
    text = 'deadline = 9\nretry = false\nhedge = true\norder = ["deadline", "hedge", "breaker", "timeout"]'
    assert list(pipeline(read, text)) == ["deadline", "hedge", "breaker", "timeout"]


SLIPS = {
    "an unknown strategy": ("retries = 3", "retries", "There is no strategy 'retries'. Did you mean 'retry'?"),
    "an unknown option": (
        "retry.atempts = 3", "retry.atempts", "There is no key 'atempts'. Did you mean 'attempts'?",
    ),
    "an option for code alone": ("retry.budget = 3", "retry.budget", "There is no key 'budget'."),
    "a wrong value": ("retry.attempts = 0", "retry.attempts", "0 attempts are none. Give 1 or more."),
    "a wrong type": ('timeout = "soon"', "timeout.seconds", "This should be a number or a table, and is a string."),
    "a wrong class": (
        "timeout.seconds.raed = 3", "timeout.seconds.raed",
        "This should be one of 'read', 'write', 'blocking', 'stream', 'admin', and is another string. Did you mean",
    ),
    "a breaker": ("breaker = false", "breaker", "A service always has its breaker, and that has a table of its own"),
    "an order that forgets": (
        'order = ["retry", "timeout"]', "order",
        "The order names each strategy once, outermost first. There are: deadline, retry, breaker, timeout.",
    ),
    "an order of something else": ("order = 3", "order", "This should be an array, and is a whole number."),
    "a wrong order": (
        'order = ["timeout", "deadline", "retry", "breaker"]', "",
        "'timeout' stands outside 'deadline': one attempt's limit would end all attempts. Let 'deadline' stand",
    ),
    "a deadline under an attempt": (
        "deadline = 1", "",
        "A deadline of 1 s is over before one attempt, which may take 2 s. Give the whole more time, or",
    ),
    "a fallback without an answer": (
        "fallback = {}", "fallback", "This fallback has nothing to answer with. Give a value, a function, or stale.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "key", "problem"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_said_at_its_key(read: Read, text: str, key: str, problem: str) -> None:
    """With what to do."""
    at = "services.cache.pipeline" + (f".{key}" if key else "")
    [(where, what)] = problems(partial(pipeline, read, text)).items()
    assert (where, what.startswith(problem)) == (at, True), what


def test_everything_that_is_wrong_is_said_at_once(read: Read) -> None:
    """Also beside what is wrong elsewhere in the service."""
    text = SERVICE + "settings.sise = 1\n[services.cache.pipeline]\nretry.attempts = 0\nretry.max = -1\ntimout = 3"
    assert problems(lambda: read(text)).keys() == {
        "services.cache.settings.sise", "services.cache.pipeline.retry.attempts", "services.cache.pipeline.retry.max",
        "services.cache.pipeline.timout",
    }  # fmt: skip


# -- strategies of plugins -------------------------------------------------------------------------------------------


def test_hook_register_strategies(garden: Garden, read: Read) -> None:
    """A plugin's strategies go by its name, take their place in the order, and have options as ours have."""
    garden.plant("acme", ACME)
    strategies = pipeline(read, '"acme.fairness" = 3\nacme = true')
    assert list(strategies) == ["deadline", "retry", "acme", "acme.fairness", "breaker", "timeout"]
    assert getattr(strategies["acme.fairness"], "tenants") == 3  # noqa: B009 - a class that only the plugin knows


def test_a_plugin_may_have_both(garden: Garden, read: Read) -> None:
    """Backends, and strategies named after it."""
    garden.plant("both", WORKING + ACME.replace('"acme', '"both').replace("from __future__ import annotations\n", ""))
    strategies = service(read('[services.cache]\nplugin = "both"\n[services.cache.pipeline]\nboth = true')).pipeline
    assert [each.name for each in strategies or ()] == ["deadline", "retry", "both", "breaker", "timeout"]


def test_a_plugin_of_strategies_guards_no_backend(garden: Garden, read: Read) -> None:
    """And says so where one is asked for."""
    garden.plant("acme", ACME)
    assert problems(lambda: read('[services.cache]\nplugin = "acme"')) == {
        "services.cache.plugin": "Plugin 'acme' is ACTIVE: It guards no backend, it has strategies only."
    }


MISTAKES = {
    "an option too many": (ACME, "acme = 3", "It has no options. Write true or false."),
    "not one of its strategies": (ACME, '"acme.fair" = 3', "There is no strategy in the plugin 'acme': 'acme.fair'."),
    "a broken plugin": ("raise OSError('disk')", "acme = true", "Plugin 'acme' is BROKEN: OSError: disk."),
    "a name that is not its own": (
        ACME.replace('"acme.fairness"', '"retry"'), "acme = true",
        "Plugin 'acme' is BROKEN: The name of its strategy Fairness is 'retry'. A strategy is named after its plugin:",
    ),
    "no place": (
        ACME.replace('"bulkhead"', '"bulkead"'), "acme = true",
        "Plugin 'acme' is BROKEN: Its strategy 'acme.fairness' stands inside 'bulkead'. Did you mean 'bulkhead'?",
    ),
    "no strategies": (
        ACME.replace("[Pass, Fairness]", "[]"), "acme = true",
        "Plugin 'acme' is BROKEN: register_strategies() returned an empty list.",
    ),
    "no classes": (
        ACME.replace("[Pass, Fairness]", "[Pass()]"), "acme = true",
        "Plugin 'acme' is BROKEN: In what register_strategies() returned, one is an object of type Pass.",
    ),
    "one twice": (
        ACME.replace("[Pass, Fairness]", "[Pass, Pass]"), "acme = true",
        "Plugin 'acme' is BROKEN: Two strategies of it are named 'acme'.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("code", "text", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_of_a_plugin_is_said_in_words(garden: Garden, read: Read, code: str, text: str, problem: str) -> None:
    """At the key that names its strategy."""
    garden.plant("acme", code)
    [(key, what)] = problems(partial(pipeline, read, text)).items()
    assert key.startswith("services.cache.pipeline.")
    assert what.startswith(problem), what


# -- in a gear -------------------------------------------------------------------------------------------------------


@each_backend
def test_each_gear_has_strategies_of_its_own(backend: str, read: Read) -> None:
    """A configuration is a template: what one gear's calls use up, another's have."""
    config = read(SERVICE + "[services.cache.pipeline]\ntimeout = 1\nretry.max = 0\nretry.initial = 0")

    async def main() -> None:
        asked = 0

        async def down() -> None:
            nonlocal asked
            asked += 1
            raise OSError

        gears = [Switchgear(config, clock=anyio.current_time) for _ in range(2)]
        for gear in gears:
            async with gear:
                asked = 0
                for _ in range(10):
                    with pytest.raises(OSError):  # noqa: PT011 - any
                        await gear.service("cache").run(Operation(name="memory.get", idempotent=True), "", down)
                assert asked == 10 + 3 + 1  # 3, and a fifth of the first six calls
                with pytest.raises(CallTimedOut, match=r"cache \(memory.get\) did not answer within 1 s"):
                    await gear.service("cache").run(Operation(name="memory.get"), "", anyio.sleep_forever)

    run(main, backend=backend)
