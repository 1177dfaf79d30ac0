"""A breaker's table is laid over what the plugin recommends, and every slip in it is said at its key."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import Backoff, BreakerConfig, ConfigurationError, CountWindow, Ramp, TimeWindow
from switchgear._breaker_table import breaker_table, read_breaker
from tests.config.support import RECOMMENDED, Read, memory, problems, service

LAID_OVER: dict[str, tuple[str, dict[str, Any]]] = {
    "a rule set to false is off": (
        "failure_rate_threshold = false\nconsecutive_failures = false\nramp = false",
        {"failure_rate_threshold": None, "consecutive_failures": None, "ramp": None},
    ),
    "slowness for all": ("slow_call_duration_threshold = 2", {"slow_call_duration_threshold": 2.0}),
    "slowness is laid over by class": (
        "slow_call_duration_threshold = {read = 3, blocking = 9, write = false}",
        {"slow_call_duration_threshold": {"read": 3.0, "blocking": 9.0}},
    ),
    "no slowness": ("slow_call_duration_threshold = false", {"slow_call_duration_threshold": None}),
    "a count window": ("window.count = 50", {"window": CountWindow(50)}),
    "a time window": ("window.seconds = 30", {"window": TimeWindow(30)}),
    "a time window in parts": ("window = {seconds = 30, buckets = 3}", {"window": TimeWindow(30, 3)}),
    "a fixed wait": ("wait_duration_in_open = 7", {"wait_duration_in_open": 7.0}),
    "a part of the wait": ("wait_duration_in_open.max = 90", {"wait_duration_in_open": Backoff(max=90)}),
    "a part of the ramp": ("ramp.duration = 3", {"ramp": Ramp(duration=3)}),
    "who probes": ('probe_with = "both"', {"probe_with": "both"}),
}


def test_the_page_has_the_defaults() -> None:
    """docs/configuration.md names every key, and what holds where nothing is given."""
    page = (Path(__file__).parents[2] / "docs/configuration.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", page.split("## The breaker's keys")[1], re.MULTILINE)
    written = {key: value.strip("`") for key, value in rows}
    assert written.keys() == {field.name for field in dataclasses.fields(BreakerConfig)}
    given = "\n".join(f"{key} = {value}" for key, value in written.items() if value != "none")
    found = breaker_table(BreakerConfig())
    assert tomllib.loads(given) == {key: value for key, value in found.items() if written[key] != "none"}
    assert {key for key, value in written.items() if value == "none"} == {k for k in written if not found.get(k)}


@pytest.mark.parametrize(("text", "changes"), LAID_OVER.values(), ids=LAID_OVER)
def test_keys_are_laid_over_the_recommendation(read: Read, text: str, changes: dict[str, Any]) -> None:
    """Only what is given changes, in tables key by key."""
    assert service(read(memory(breaker=text))).breaker == dataclasses.replace(RECOMMENDED, **changes)


ratios = st.floats(0.01, 1)
times = st.floats(0.001, 1e6)
configs: st.SearchStrategy[BreakerConfig] = st.builds(
    BreakerConfig,
    failure_rate_threshold=st.none() | ratios,
    slow_call_rate_threshold=st.none() | ratios,
    slow_call_duration_threshold=st.none() | times | st.dictionaries(st.sampled_from(["read", "stream"]), times),
    consecutive_failures=st.none() | st.integers(1, 99),
    minimum_number_of_calls=st.integers(1, 10),
    window=st.builds(CountWindow, st.integers(10, 99)) | st.builds(TimeWindow, times, st.integers(1, 99)),
    wait_duration_in_open=times | st.builds(Backoff, initial=st.floats(0.1, 5), max=st.floats(5, 99), jitter=ratios),
    permitted_calls_in_half_open=st.integers(1, 9),
    probe_timeout=times,
    max_wait_in_half_open=times,
    ramp=st.none() | st.builds(Ramp, initial=ratios, duration=times),
    probe_with=st.sampled_from(["traffic", "health", "both"]),
)


@given(configs, configs)
def test_a_breaker_written_in_full_reads_as_itself(config: BreakerConfig, recommended: BreakerConfig) -> None:
    """Whatever the plugin recommends, all keys given is all decided."""
    slow = config.slow_call_duration_threshold
    if isinstance(slow, Mapping) and isinstance(recommended.slow_call_duration_threshold, Mapping):
        # Classes that are not given stay as recommended.
        recommended = dataclasses.replace(recommended, slow_call_duration_threshold=None)
    errors: list[ConfigurationError] = []
    assert read_breaker(breaker_table(config), recommended, (), errors) == config
    assert errors == []


@given(configs)
def test_an_empty_table_leaves_the_recommendation(recommended: BreakerConfig) -> None:
    """Nothing given is nothing changed."""
    assert read_breaker({}, recommended, (), []) == recommended


WRONG_BREAKERS = {
    "window = 100": ("window", "This should be a table, and is a whole number."),
    "window.cuont = 3": ("window.cuont", "There is no key 'cuont'. Did you mean 'count'?"),
    "window.count = 0": ("window", "A count window of 0 calls cannot hold one. Use 1 or more."),
    "window = {count = 9, seconds = 9}": (
        "window",
        "A window is either of calls (count) or of time (seconds, buckets).",
    ),
    "window.count = 5": (
        "minimum_number_of_calls",
        (
            "minimum_number_of_calls (20) is above the size of the count window (5), so no rate would ever be judged. "
            "Lower the one or widen the other."
        ),
    ),
    "ramp = true": ("ramp", "This should be a table or false, and is true."),
    "ramp.initial = 2": ("ramp.initial", "2.0 is no ratio. Give a share above 0 and at most 1, or none."),
    "probe_timeout = nan": ("probe_timeout", "This should be a number, and is a number without bounds."),
    "probe_timeout = true": ("probe_timeout", "This should be a number, and is true."),
    "probe_timeout = 2020-01-01": ("probe_timeout", "This should be a number, and is a date or a time."),
    "consecutive_failures = 2.5": ("consecutive_failures", "This should be a whole number or false, and is a number."),
    "wait_duration_in_open = []": ("wait_duration_in_open", "This should be a number or a table, and is an array."),
    "wait_duration_in_open.max = 0.5": (
        "wait_duration_in_open.max",
        "max (0.5 s) is below initial (1 s). Raise max or lower initial.",
    ),
    "wait_duration_in_open.intial = 1": (
        "wait_duration_in_open.intial",
        "There is no key 'intial'. Did you mean 'initial'?",
    ),
    "slow_call_duration_threshold.raed = 1": (
        "slow_call_duration_threshold.raed",
        (
            "This should be one of 'read', 'write', 'blocking', 'stream', 'admin', and is another string. "
            "Did you mean 'read'?"
        ),
    ),
    'probe_with = "helth"': (
        "probe_with",
        "This should be one of 'traffic', 'health', 'both', and is another string. Did you mean 'health'?",
    ),
}


@pytest.mark.parametrize(("text", "problem"), WRONG_BREAKERS.items(), ids=WRONG_BREAKERS)
def test_a_wrong_breaker_is_said_at_its_key(read: Read, text: str, problem: tuple[str, str]) -> None:
    """The path leads to the key, the text to what it should be."""
    key, said = problem
    assert problems(lambda: read(memory(breaker=text))) == {f"services.cache.breaker.{key}": said}


KEYS = sorted(field.name for field in dataclasses.fields(BreakerConfig))


@given(st.sampled_from(KEYS), st.data())
def test_a_slip_in_any_key_is_answered_with_that_key(key: str, data: st.DataObject) -> None:
    """A letter left out, doubled or swapped: the error is at the misspelt key's path and names the right one."""
    at = data.draw(st.integers(0, len(key) - 2))
    slips = [key[:at] + key[at + 1 :], key[:at] + key[at] + key[at:], key[:at] + key[at + 1] + key[at] + key[at + 2 :]]
    slip = data.draw(st.sampled_from([slip for slip in slips if slip != key]))
    errors: list[ConfigurationError] = []
    read_breaker({slip: 1}, RECOMMENDED, ("services", "cache", "breaker"), errors)
    [error] = errors
    assert error.key == f"services.cache.breaker.{slip}"
    assert error.problem == f"There is no key {slip!r}. Did you mean {key!r}?"


values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), values))
def test_whatever_a_table_holds_is_read_or_refused(table: dict[str, Any]) -> None:
    """No value of TOML makes reading fail in any other way than with errors; each error has a path and a text."""
    errors: list[ConfigurationError] = []
    made = read_breaker(table, RECOMMENDED, ("breaker",), errors)
    assert errors or isinstance(made, BreakerConfig)
    assert all(error.key.startswith("breaker") and error.problem for error in errors)
