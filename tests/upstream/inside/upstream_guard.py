"""A plugin of pytest, loaded inside a client's own suite before its conftest: guards every client that is made.

It does so as `switchgear run` does, and counts the calls that have passed the guard.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from switchgear import Settled, Switchgear, instrument

if TYPE_CHECKING:
    import pytest


class Calls:
    """Counts, and writes the number down when the session has ended; with xdist in each worker."""

    def __init__(self) -> None:
        self.seen = 0

    def on_settled(self, event: Settled) -> None:
        self.seen += 1

    def pytest_runtest_setup(self) -> None:
        """Let each test be an application of its own: what one did to a backend is nothing to the next."""
        for name in GEAR.services:
            GEAR.breaker(name).reset("another test begins")

    def pytest_unconfigure(self) -> None:
        Path(os.environ["SWITCHGEAR_UPSTREAM"], f"calls-{os.getpid()}").write_text(str(self.seen))


class Unhurried(Switchgear):
    """With the recommended settings but for one: what is slow here depends on the machine that runs the tests."""

    def guard_automatically(self, client: Any, backend: Any) -> None:
        super().guard_automatically(client, backend)
        for service in self.services.values():
            if service.group.config.slow_call_rate_threshold is not None:
                service.group.reconfigure(replace(service.group.config, slow_call_rate_threshold=None))


GEAR = Unhurried()
CALLS = Calls()
GEAR.subscribe(CALLS)
INSTRUMENTATION = instrument(GEAR, plugins=[os.environ["SWITCHGEAR_UPSTREAM_BACKEND"]])


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(CALLS, "switchgear-upstream-calls")
