"""A plugin that guards well passes every check, on asyncio and trio."""

from __future__ import annotations

from tests.testing.conformance.suite import Acme


class TestAcme(Acme):
    """As an author would have it."""
