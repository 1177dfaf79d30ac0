"""Dashboards for Grafana, made of the registry of metrics: all services, one service, one capability."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from switchgear._dashboards._capability import capability
from switchgear._dashboards._grafana import model
from switchgear._dashboards._overview import overview
from switchgear._dashboards._panels import Dashboard
from switchgear._dashboards._service import service
from switchgear._spec import Backend

__all__ = ["dashboards", "model"]


def dashboards(backends: Iterable[Backend[Any, Any]]) -> tuple[Dashboard, ...]:
    """All of them; the one of a service has a row for each backend. `model` makes of one what Grafana imports."""
    return overview(), service(backends), capability()
