"""A dashboard as Grafana imports it: its data model, with everything laid out on a grid of 24 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from string import ascii_uppercase
from typing import Any

from switchgear._dashboards._panels import Dashboard, Panel, Row, Variable

#: Of Grafana 10; later ones bring it up to date when they read it.
_SCHEMA = 39
_COLUMNS = 24
_HEIGHTS = {"number": 4, "lines": 8, "bands": 8}
_TYPES = {"number": "stat", "lines": "timeseries", "bands": "state-timeline"}
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def model(dashboard: Dashboard) -> dict[str, Any]:
    """What Grafana imports, as JSON's data."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.help,
        "tags": ["switchgear"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all panels
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_DATASOURCE, *map(_variable, dashboard.variables)]},
        "links": [{
            "type": "dashboards", "tags": ["switchgear"], "title": "Switchgear", "asDropdown": True, "keepTime": True,
            "includeVars": True,
        }],
        "panels": list(_panels(dashboard.rows)),
    }  # fmt: skip


_DATASOURCE: dict[str, Any] = {
    "name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus",
}  # fmt: skip


def _variable(variable: Variable) -> dict[str, Any]:
    query = f"label_values({variable.series}, {variable.label})"
    everything = {"includeAll": True, "multi": True, "current": {"text": ["All"], "value": ["$__all"]}}
    return {
        "name": variable.name, "type": "query", "datasource": _SOURCE, "refresh": 2, "sort": 1,
        "query": {"query": query, "refId": variable.name}, **(everything if variable.several else {}),
    }  # fmt: skip


def _panels(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    numbers, top = count(1), 0
    for row in rows:
        header: dict[str, Any] = {"id": next(numbers), "type": "row", "title": row.title, "collapsed": row.folded,
                  "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": top}}  # fmt: skip
        placed: list[dict[str, Any]] = [
            {"id": next(numbers), "gridPos": position, **_panel(panel)}
            for panel, position in _placed(row.panels, top + 1)
        ]
        yield {**header, "panels": placed if row.folded else []}
        if row.folded:
            top += 1
        else:
            yield from placed
            top = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in placed)


def _placed(panels: Iterable[Panel], top: int) -> Iterator[tuple[Panel, dict[str, int]]]:
    """Side by side, and below each other where there is no room."""
    left = height = 0
    for panel in panels:
        if left + panel.width > _COLUMNS:
            left, top, height = 0, top + height, 0
        yield panel, {"h": _HEIGHTS[panel.kind], "w": panel.width, "x": left, "y": top}
        left, height = left + panel.width, max(height, _HEIGHTS[panel.kind])


def _panel(panel: Panel) -> dict[str, Any]:
    steps = [{"value": value, "color": colour} for value, colour in panel.colours.items()]
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.most is not None:
        defaults["max"] = panel.most
    if steps:
        defaults |= {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.words:
        options = {
            str(value): {"index": index, "text": word} for index, (value, word) in enumerate(panel.words.items())
        }
        defaults["mappings"] = [{"type": "value", "options": options}]
    return {
        "type": _TYPES[panel.kind],
        "title": panel.title,
        "description": panel.help,
        "datasource": _SOURCE,
        "targets": [
            {"refId": letter, "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend or "__auto"}
            for letter, query in zip(ascii_uppercase, panel.queries, strict=False)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}} if panel.kind == "number" else {},
    }
