"""openai-python: its tests of the client, which bring their own transports."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.upstream.suite import Run, Suite


@contextmanager
def _nothing(folder: Path) -> Generator[Run]:
    yield Run(folder)


SUITE = Suite(
    name="openai",
    distribution="openai",
    backend="openai",
    parts=("tests", "pyproject.toml"),
    prepare=_nothing,
    options=("-q",),
    whole=("tests", "--ignore=tests/api_resources"),
    slice=("tests/test_streaming.py",),
    least_guarded=0.1,
)
