"""Tests in virtual time, on each event loop."""

from __future__ import annotations

import pytest

from switchgear.testing.virtual_time import run

__all__ = ["BACKENDS", "each_backend", "run"]

BACKENDS = ("asyncio", "trio")

each_backend = pytest.mark.parametrize("backend", BACKENDS)
