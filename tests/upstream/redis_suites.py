"""redis-py: its asyncio tests, on one server with three sentinels, and on a cluster."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from switchgear.testing import ValkeyServer
from tests.upstream.suite import Run, Suite


@contextmanager
def _single(folder: Path) -> Generator[Run]:
    with ValkeyServer("--enable-module-command", "local") as server:
        yield Run(folder, (f"--redis-url={server.url}",))


_OPTIONS = ("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-q", "--timeout=60")
_REQUIREMENTS = ("pytest-asyncio==1.4.0",)
SUITES = (
    Suite(
        name="redis",
        distribution="redis",
        backend="redis",
        parts=("tests", "pyproject.toml"),
        prepare=_single,
        options=_OPTIONS,
        whole=("tests/test_asyncio",),
        slice=("tests/test_asyncio/test_lock.py",),
        least_guarded=1.0,
        requirements=_REQUIREMENTS,
    ),
)
