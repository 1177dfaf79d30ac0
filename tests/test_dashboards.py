"""Dashboards: each query is one that Prometheus understands, asks for what is exported, and shows something when there
is something to see.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import anyio
import promql_parser as promql
import pytest

from switchgear._dashboards import dashboards, model
from switchgear._dashboards._panels import Panel
from switchgear._metrics import CORE, exported_name, registry
from switchgear._plugins import FIRST_PARTY, Plugins
from switchgear._spec import Metric
from switchgear.testing.servers import ServerUnavailable
from tests.observers.prometheus_server import PrometheusServer, needs_prometheus
from tests.observers.promtool import needs_promtool
from tests.observers.recording import CAPABILITY, JOB, OUTAGE, SERVICES, STEP, Recording

BACKENDS = [backend for name in FIRST_PARTY for backend in Plugins().load(name)]
BOARDS = dashboards(BACKENDS)
ALL = registry(BACKENDS)


def labels_of(metric: Metric) -> dict[str, set[str]]:
    """Each series that there is of it, with its labels; Prometheus adds two."""
    name, labels = exported_name(metric), {*metric.labels, "job", "instance"}
    if metric.kind != "histogram":
        return {name: labels}
    return {f"{name}_bucket": {*labels, "le"}, f"{name}_count": labels, f"{name}_sum": labels}


EXPORTED = {name: labels for metric in ALL for name, labels in labels_of(metric).items()}


class Shown(NamedTuple):
    """A query, and where it stands."""

    board: str
    row: str
    panel: Panel
    expr: str

    def __str__(self) -> str:
        return f"{self.board.removeprefix('switchgear-')}: {self.panel.title}"


SHOWN = [
    Shown(board.uid, row.title, panel, query.expr)
    for board in BOARDS
    for row in board.rows
    for panel in row.panels
    for query in panel.queries
]


def filled_in(expr: str, **values: str) -> str:
    """A query as Grafana sends it."""
    values = {"job": JOB, "service": "orders", "capability": CAPABILITY, "__rate_interval": "60s"} | values
    for name, value in sorted(values.items()):
        expr = expr.replace(f"${name}", value)
    assert "$" not in expr
    return expr


# -- against the registry ----------------------------------------------------------------------------------------------


def parts_of(expr: promql.Expr) -> Iterator[promql.Expr]:
    found: list[promql.Expr] = []
    promql.walk(expr, found.append)
    return iter(found)


def checked(expr: str) -> set[str]:
    """The names of the series in a query; all of them, and their labels, are exported."""
    names: set[str] = set()
    grouped: set[str] = set()
    for part in parts_of(promql.parse(expr)):
        match part:
            case promql.MatrixSelector():
                selected = part.vector_selector
            case promql.VectorSelector():
                selected = part
            case promql.AggregateExpr() if part.modifier is not None:
                grouped |= set(part.modifier.labels)
                continue
            case promql.BinaryExpr() if part.modifier is not None and part.modifier.matching is not None:
                grouped |= set(part.modifier.matching.labels)
                continue
            case _:
                continue
        assert selected.name in EXPORTED
        assert {matcher.name for matcher in selected.matchers.matchers} <= EXPORTED[selected.name]
        names.add(selected.name)
    assert all(any(label in EXPORTED[name] for name in names) for label in grouped)
    return names


@pytest.mark.parametrize("shown", SHOWN, ids=str)
def test_a_query_asks_for_what_is_exported(shown: Shown) -> None:
    """By names and labels of the registry; and of the processes that the board is of alone."""
    assert checked(filled_in(shown.expr))
    selectors = re.findall(r"switchgear_\w+\{[^}]*\}", shown.expr)
    assert selectors
    assert all('job=~"$job"' in selector for selector in selectors)


def test_a_drifted_query_would_be_found() -> None:
    """Names, matchers and grouping alike: what the tests above stand on."""
    for drifted in ("sum(switchgear_breaker_call_total)", 'switchgear_breaker_state{status="open"}',
                    "sum by (verdicts) (switchgear_breaker_calls_total)"):  # fmt: skip
        with pytest.raises(AssertionError):
            checked(drifted)
    with pytest.raises(ValueError, match="unclosed"):
        checked("sum(switchgear_breaker_calls_total")


def test_variables_are_labels_of_what_is_exported() -> None:
    """Grafana asks for their values."""
    for board in BOARDS:
        for variable in board.variables:
            [name] = checked(filled_in(variable.series))
            assert variable.label in EXPORTED[name]


def test_every_metric_is_on_a_board() -> None:
    """One that nobody can look at need not be counted."""
    shown = {name for each in SHOWN for name in checked(filled_in(each.expr))}
    missing = [exported_name(metric) for metric in ALL if not shown & labels_of(metric).keys()]
    assert missing == []
    assert len(CORE) < len(ALL)


def test_legends_name_labels_that_the_query_keeps() -> None:
    """Else Grafana would show them empty."""
    for board in BOARDS:
        for row in board.rows:
            for panel in row.panels:
                for expr, legend in panel.queries:
                    kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", expr))))
                    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= kept
                    assert legend or panel.kind == "number"


# -- as Grafana's data model -------------------------------------------------------------------------------------------


def panels_of(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


@pytest.mark.parametrize("board", [model(board) for board in BOARDS], ids=lambda board: board["uid"])
def test_panels_stand_side_by_side(board: dict[str, Any]) -> None:
    """On a grid of 24 columns, none on another one; a folded row has its own inside."""
    assert json.loads(json.dumps(board)) == board
    panels = list(panels_of(board))
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["collapsed"] or not panel["panels"] for panel in panels if panel["type"] == "row")
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        x, y, w, h = (panel["gridPos"][key] for key in "xywh")
        cells = {(column, line) for column in range(x, x + w) for line in range(y, y + h)}
        assert x + w <= 24
        assert not cells & taken
        taken |= cells


def test_boards_lead_to_each_other_and_ask_for_their_prometheus() -> None:
    """Nothing in them is of one installation."""
    for board in map(model, BOARDS):
        assert board["tags"] == board["links"][0]["tags"] == ["switchgear"]
        assert board["templating"]["list"][0]["type"] == "datasource"
        sources = {target["datasource"]["uid"] for panel in panels_of(board) for target in panel.get("targets", ())}
        assert sources == {"${datasource}"}


# -- against a real Prometheus -----------------------------------------------------------------------------------------

Series = dict[tuple[tuple[str, str], ...], dict[int, float]]


class Past:
    """A Prometheus that holds the recorded outage."""

    def __init__(self, server: PrometheusServer, recording: Recording) -> None:
        self._server = server
        self._recording = recording

    async def shows(self, expr: str) -> Series:
        """The series of a query by their labels: step -> value."""
        began = self._recording.began
        found = await self._server.ask("query_range", query=expr, start=began, end=self._recording.ended, step=STEP)
        return {
            tuple(sorted(series["metric"].items())): {
                round((at - began) / STEP): float(value) for at, value in series["values"]
            }
            for series in found["result"]
        }

    async def one(self, shown: Shown, **values: str) -> dict[int, float]:
        """The only series of a query."""
        [series] = (await self.shows(filled_in(shown.expr, **values))).values()
        return series


_MOST = {"percentunit": 1.0, "s": 120.0}


async def check(past: Past, shown: Shown) -> str:
    """What is wrong with what a query shows of the recorded outage, of whichever service knows it; "": nothing is."""
    several = SERVICES.values() if "$service" in shown.expr else ("none",)
    wrong = [wrong_with(shown, await past.shows(filled_in(shown.expr, service=service))) for service in several]
    return min(wrong, key=len)


def wrong_with(shown: Shown, series: Series) -> str:
    values = [value for points in series.values() for value in points.values() if not math.isnan(value)]
    if not values:
        return f"{shown}: nothing of {shown.expr}"
    if not any(values):
        return f"{shown}: never anything but 0 of {shown.expr}"
    if min(values) < 0 or max(values) > _MOST.get(shown.panel.unit, 1e6):
        return f"{shown}: {min(values)} to {max(values)} {shown.panel.unit} of {shown.expr}"
    return ""


def named(board: str, title: str) -> Shown:
    [shown] = [each for each in SHOWN if each.board == f"switchgear-{board}" and each.panel.title == title]
    return shown


@needs_promtool
@needs_prometheus
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_every_query_shows_a_recorded_outage() -> None:
    """None is empty, none is always 0, none is beyond what it can be; and they tell the story of it."""
    recording = Recording(began=float(int(time.time()) // STEP * STEP - 3600))  # noqa: TID251 - Prometheus' own clock
    try:
        async with PrometheusServer("", past=await recording.run()) as server:
            past = Past(server, recording)
            with anyio.fail_after(40):
                wrong = [problem for shown in SHOWN if (problem := await check(past, shown))]
                assert wrong == []
                await tells_the_story(past)
    except ServerUnavailable as exc:
        pytest.skip(str(exc))


async def tells_the_story(past: Past) -> None:
    """Before, in the midst of it, and well after."""
    before, amid, after = OUTAGE.start - 5, OUTAGE.start + 10, OUTAGE.stop + 15
    level = await past.one(named("capability", "Level over time"))
    assert (level[before], level[amid], level[after]) == (4, 0, 4)
    health = await past.one(named("service", "Health"))
    assert min(health[before], health[after]) >= 0.9
    assert health[amid] < 0.4
    by_reason = await past.shows(filled_in(named("service", "Refused").expr))
    refused = by_reason[(("reason", "open"),)]
    assert (refused[before], refused[amid] > 0.5, refused[after]) == (0, True, 0)
    blamed = await past.shows(filled_in(named("capability", "... and to blame").expr))
    full = "cache"  # its bulkhead is, all the time
    assert {dict(labels)["service"] for labels, points in blamed.items() if amid in points} == {"orders", full}
    suffering = await past.shows(filled_in(named("overview", "Suffers from another service").expr))
    assert {dict(labels)["service"] for labels, points in suffering.items() if points[amid]} == {"llm"}
    opened = await past.shows(filled_in(named("service", "Transitions").expr))
    moves = {(labels["from"], labels["to"]) for labels in map(dict, opened)}
    assert {("closed", "open"), ("open", "half_open"), ("half_open", "open"), ("half_open", "closed")} <= moves
