"""openai-python: its tests of the client, which bring their own transports."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.upstream.suite import Run, Suite


@contextmanager
def _nothing(folder: Path) -> Generator[Run]:
    yield Run(folder)


_SLICE = (
    *("test_streaming.py", "test_response.py", "test_legacy_response.py", "test_stream_mode.py"),
    *("test_retry_after_overflow.py", "lib/test_audio_response_format.py", "lib/test_embeddings.py"),
    *("lib/test_azure_redirects.py", "lib/test_vector_store_runtime.py"),
)
SUITE = Suite(
    name="openai",
    distribution="openai",
    backend="openai",
    parts=("tests", "pyproject.toml", "scripts", "examples", "README.md"),
    prepare=_nothing,
    options=(
        *("-p", "anyio.pytest_plugin", "-p", "pytest_asyncio.plugin", "-p", "xdist", "-p", "inline_snapshot"),
        *("-q", "-o", "addopts=", "-n", "2", "--continue-on-collection-errors"),
    ),
    whole=("tests", "--ignore=tests/api_resources"),
    slice=tuple(f"tests/{name}" for name in _SLICE),
    # Half of the tests are of the synchronous client, and many of what sends nothing.
    least_guarded=0.2,
    requirements=(
        *("pytest-asyncio==1.4.0", "inline-snapshot==0.36.1", "azure-identity==1.27.0", "numpy==2.4.6"),
        *("griffe==2.4.1", "pillow==12.3.0", "websockets==15.0.1"),
    ),
)
