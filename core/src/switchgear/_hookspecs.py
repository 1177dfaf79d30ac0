"""The hooks of a plugin. Each is pure: it returns values, and is called once, when its plugin is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pluggy

from switchgear._pipeline import Strategy
from switchgear._spec import Backend

PROJECT = "switchgear"

#: Version of the SPI, major.minor. A plugin names the one it was written for in SPI_VERSION; without it, this one.
VERSION = "1.0"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_backends() -> Sequence[Backend[Any, Any]]:  # type: ignore[empty-body]
    """The backends that this plugin guards."""


@hookspec
def register_strategies() -> Sequence[type[Strategy]]:  # type: ignore[empty-body]
    """The strategies that this plugin adds to pipelines, named after it: "acme", or "acme.fairness"."""
