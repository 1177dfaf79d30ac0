"""What a dashboard is made of, as data: rows of panels, and the queries in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from switchgear._level import Level
from switchgear._metrics import exported_name, selector
from switchgear._spec import Metric

#: As Grafana calls them: a share, seconds, events a second, bytes a second, seconds a second, and a plain number.
Unit = Literal["percentunit", "s", "ops", "Bps", "bytes", "short"]

#: From which value on which colour; the first has no lower end.
Colours = Mapping[float | None, str]

#: The processes that the board is of; it stands in every query.
JOB = 'job=~"$job"'
#: The time that a rate is of: Grafana finds one that fits the scrapes and the zoom.
WINDOW = "$__rate_interval"


class Query(NamedTuple):
    """One of Prometheus, and how its series are called: "{{service}}"."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`lines` over time, one `number`, or `bands` of what held when."""

    title: str
    queries: tuple[Query, ...]
    kind: Literal["lines", "number", "bands"] = "lines"
    unit: Unit = "short"
    help: str = ""
    width: int = 8  #: of 24
    most: float | None = None  #: the upper end of the axis
    colours: Colours = field(default_factory=dict[float | None, str])
    words: Mapping[int, str] = field(default_factory=dict[int, str])  #: instead of values


class Row(NamedTuple):
    """Panels under a title; `folded` until somebody wants them."""

    title: str
    panels: tuple[Panel, ...]
    folded: bool = False


class Variable(NamedTuple):
    """What the board can be switched to: the values of a label. `several` at once, and then all of them at first."""

    name: str
    label: str
    series: str
    several: bool = False


class Dashboard(NamedTuple):
    """A whole one. Its `uid` is its address in Grafana and the name of its file."""

    uid: str
    title: str
    help: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]


#: Of a health: from DEGRADED and from HEALTHY on.
HEALTH: Colours = {None: "red", 0.4: "orange", 0.9: "green"}
#: Of what should not be there: none is well.
NONE: Colours = {None: "green", 1.0: "red"}
#: Of a capability.
LEVELS: Colours = {None: "red", 1.0: "orange", 2.0: "yellow", 4.0: "green"}
LEVEL_WORDS = {int(level): level.name for level in Level}


def gauge(metric: Metric, matchers: str, *, by: str = "", of: str = "") -> str:
    """The value over all processes: their sum, or where the metric is merged so, the least. `of` takes another one."""
    merged = of or metric.merged
    return f"{merged}{f' by ({by})' if by else ''} ({selector(metric, _with_job(matchers))})"


def rate(metric: Metric, matchers: str, *, by: str = "") -> str:
    """How often a second."""
    return f"sum{f' by ({by})' if by else ''} (rate({selector(metric, _with_job(matchers), WINDOW)}))"


def times(metric: Metric, matchers: str, *, by: str) -> str:
    """How often within the window something happened that is rare: the first time counts, too, of which `increase` does
    not know, since there was no series before it.
    """
    counted = selector(metric, _with_job(matchers))
    return f"sum by ({by}) (clamp_min({counted} - ({counted} offset {WINDOW} or {counted} * 0), 0))"


def quantile(share: float, metric: Metric, matchers: str, *, by: str = "") -> str:
    """What that share of the values does not exceed."""
    buckets = f"{exported_name(metric)}_bucket{{{_with_job(matchers)}}}[{WINDOW}]"
    return f"histogram_quantile({share:g}, sum by ({f'{by}, ' if by else ''}le) (rate({buckets})))"


def _with_job(matchers: str) -> str:
    return f"{JOB}, {matchers}" if matchers else JOB
