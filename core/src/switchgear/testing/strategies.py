"""Hypothesis strategies: configurations, valid by construction, what callers do, and what goes wrong meanwhile.

    @given(breaker_configs(consecutive_failures=st.just(3)), call_sequences())
    def test_mine(config, calls): ...

Numbers are small, so that windows fill and waits end within a few steps, and they are multiples of powers of two, so
that their sums are exact. Needs the extra `testing`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from switchgear import Backoff, BreakerConfig, CountWindow, MissingDependency, Ramp, TimeWindow, Verdict
from switchgear.testing.scripts import ScriptedCall, ScriptedFault
from switchgear.testing.toxics import Bandwidth, Latency, LimitData, ResetPeer, Slicer, Timeout

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as exc:
    raise MissingDependency("Hypothesis, which draws examples,", install="switchgear[testing]") from exc

Table: TypeAlias = "dict[str, Any]"

_SLOW = (None, 1.0, 4.0, {"read": 1.0, "write": 8.0})
_SETTINGS: Mapping[str, Any] = MappingProxyType({})


def windows() -> st.SearchStrategy[CountWindow | TimeWindow]:
    """Windows of up to 8 calls, or of up to 16 seconds."""

    def time_window(width: float, buckets: int) -> TimeWindow:
        return TimeWindow(width * buckets, buckets)

    by_time = st.builds(time_window, st.sampled_from([0.5, 1.0, 4.0]), st.integers(1, 4))
    return st.builds(CountWindow, st.integers(1, 8)) | by_time


def waits() -> st.SearchStrategy[float | Backoff]:
    """Waits in OPEN of 1 to 24 seconds."""
    growing = st.builds(
        Backoff,
        initial=st.sampled_from([1.0, 2.0]),
        multiplier=st.sampled_from([1.0, 2.0]),
        max=st.sampled_from([2.0, 16.0]),
        jitter=st.sampled_from([0.0, 0.5]),
        forget=st.sampled_from([2.0, 64.0]),
    )
    return st.sampled_from([1.0, 4.0]) | growing


def ramps() -> st.SearchStrategy[Ramp | None]:
    """Ways back of up to 8 seconds, or none."""
    return st.none() | st.builds(Ramp, initial=st.sampled_from([0.125, 0.5]), duration=st.sampled_from([2.0, 8.0]))


def verdicts() -> st.SearchStrategy[Verdict]:
    """What a call can come to: more often SUCCESS or FAILURE than anything else."""
    rare = [
        Verdict.IGNORED,
        Verdict.THROTTLED,
        Verdict.THROTTLED.after(2.0),
        Verdict.EXHAUSTED,
        Verdict.EXHAUSTED.after(4.0),
    ]
    return st.sampled_from([*[Verdict.SUCCESS] * 4, *[Verdict.FAILURE] * 4, *rare])


def breaker_configs(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[BreakerConfig]:
    """Configurations of a breaker; `fixed` are strategies for some of its fields, by their names."""
    return _breaker_configs(fixed)


@st.composite
def _breaker_configs(draw: st.DrawFn, fixed: Mapping[str, st.SearchStrategy[Any]]) -> BreakerConfig:
    ratios = st.sampled_from([None, 0.25, 0.5, 0.75, 1.0])
    window = draw(fixed.get("window", windows()))
    most = window.size if isinstance(window, CountWindow) else 4
    fields: dict[str, st.SearchStrategy[Any]] = {
        "failure_rate_threshold": ratios,
        "slow_call_rate_threshold": ratios,
        "slow_call_duration_threshold": st.sampled_from(_SLOW),
        "consecutive_failures": st.sampled_from([None, None, 1, 3]),
        "minimum_number_of_calls": st.integers(1, most),
        "wait_duration_in_open": waits(),
        "permitted_calls_in_half_open": st.integers(1, 4),
        "probe_timeout": st.sampled_from([1.0, 4.0]),
        "max_wait_in_half_open": st.sampled_from([2.0, 8.0]),
        "ramp": ramps(),
        "probe_with": st.sampled_from(["traffic", "traffic", "both", "health"]),
    }
    drawn: dict[str, Any] = {name: draw(strategy) for name, strategy in {**fields, **fixed}.items()}
    drawn["window"] = window
    return BreakerConfig(**drawn)


@st.composite
def call_sequences(
    draw: st.DrawFn,
    *,
    operations: Sequence[str] = ("get", "set"),
    domains: Sequence[str] = ("",),
    outcomes: st.SearchStrategy[Verdict] | None = None,
    min_size: int = 0,
    max_size: int = 50,
) -> list[ScriptedCall]:
    """Calls one after another or overlapping, with pauses between their beginnings."""
    quarters = st.sampled_from([0, 0, 1, 1, 2, 4, 16, 64]).map(lambda quarters: quarters / 4)
    call = st.builds(
        ScriptedCall,
        pause=quarters,
        operation=st.sampled_from(operations),
        domain=st.sampled_from(domains),
        latency=quarters,
        outcome=outcomes or verdicts(),
    )
    return draw(st.lists(call, min_size=min_size, max_size=max_size))


def fault_scripts(*, longest: float = 4.0, max_size: int = 5) -> st.SearchStrategy[list[ScriptedFault]]:
    """What a FaultProxy suffers, phase after phase, each up to `longest` seconds and with up to as much in between:
    `scripts.play` lets it.
    """
    seconds = st.integers(0, 16).map(lambda sixteenths: longest * sixteenths / 16)
    faults = st.one_of(
        st.sampled_from(["down", "blackhole"]),
        st.builds(Latency, st.sampled_from([0.125, 1.0, 8.0]), jitter=st.sampled_from([0.0, 0.125])),
        st.builds(Bandwidth, st.sampled_from([16.0, 1024.0, 65536.0])),
        st.builds(Timeout, st.sampled_from([None, 0.5])),
        st.builds(ResetPeer, st.sampled_from([0.0, 0.25])),
        st.builds(Slicer, st.sampled_from([1, 8]), seconds=st.sampled_from([0.0, 0.125])),
        st.builds(LimitData, st.sampled_from([0, 1, 100]), reset=st.booleans()),
    )
    return st.lists(st.builds(ScriptedFault, pause=seconds, seconds=seconds, fault=faults), max_size=max_size)


@st.composite
def gear_tables(draw: st.DrawFn, plugins: Mapping[str, Mapping[str, Any]], *, max_services: int = 4) -> Table:
    """Configurations of a gear, as the tables of its TOML: services that require each other, with breakers and
    pipelines, and capabilities. `plugins` has the settings for a service of each plugin: {"redis": {"url": "..."}}.
    """
    from switchgear._breaker_table import breaker_table

    names = [f"service-{number}" for number in range(draw(st.integers(1, max_services)))]
    services: Table = {}
    for name in names:
        plugin = draw(st.sampled_from(sorted(plugins)))
        service: Table = {"plugin": plugin, "breaker": breaker_table(draw(breaker_configs()))}
        if plugins[plugin]:
            service["settings"] = dict(plugins[plugin])
        if services and (requires := draw(st.sets(st.sampled_from(sorted(services)), max_size=2))):
            service["requires"] = sorted(requires)
        if draw(st.booleans()):
            service["pipeline"] = draw(_pipelines())
        services[name] = service
    capabilities: Table = {}
    for number in range(draw(st.integers(0, 3))):
        capabilities[f"capability-{number}"] = draw(_capabilities([*names, *capabilities]))
    return {"services": services, "capabilities": capabilities} if capabilities else {"services": services}


def gear_tomls(plugins: Mapping[str, Mapping[str, Any]], *, max_services: int = 4) -> st.SearchStrategy[str]:
    """The same as the text of a file: for `Switchgear.from_toml`."""
    return gear_tables(plugins, max_services=max_services).map(as_toml)


def as_toml(tables: Mapping[str, Any]) -> str:
    """Tables of tables as the text of a file."""
    lines: list[str] = []
    for kind, named in tables.items():
        for name, table in named.items():
            lines += [f"[{kind}.{name}]", *(f"{key} = {_value(value)}" for key, value in table.items()), ""]
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(inner)}' for key, inner in value.items())} }}"  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"  # pyright: ignore[reportUnknownArgumentType]
    return json.dumps(value)  # strings, numbers and booleans are written alike


def _pipelines() -> st.SearchStrategy[Table]:
    seconds = st.sampled_from([0.25, 1.0, 4.0])
    return st.fixed_dictionaries(
        {},
        optional={
            "retry": st.fixed_dictionaries({"attempts": st.integers(1, 3), "max": st.sampled_from([1.0, 2.0])}),
            "hedge": st.fixed_dictionaries({"delay": seconds}),
            "bulkhead": st.fixed_dictionaries(
                {"limit": st.integers(1, 8), "queue": st.integers(0, 4), "max_wait": seconds}
            ),
        },
    )


@st.composite
def _capabilities(draw: st.DrawFn, known: Sequence[str]) -> Table:
    """Each name is taken once, for one of the three kinds of edges or for none."""
    kinds = {name: draw(st.sampled_from(["requires", "prefers", "any_of", ""])) for name in known}
    of = {kind: [name for name in known if kinds[name] == kind] for kind in ("requires", "prefers", "any_of")}
    capability: Table = {"criticality": draw(st.sampled_from(["critical", "degraded", "best_effort", "bulk"]))}
    if of["requires"]:
        capability["requires"] = of["requires"]
    if of["prefers"]:
        capability["prefers"] = dict.fromkeys(of["prefers"], 1 / 2 ** len(of["prefers"]))
    if len(of["any_of"]) > 1:
        capability["any_of"] = [of["any_of"]]
    return capability
