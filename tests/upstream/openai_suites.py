"""openai-python: its tests of the client, which bring their own transports, and those of each generated method."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.upstream.suite import Run, Suite


@contextmanager
def _nothing(folder: Path) -> Generator[Run]:
    yield Run(folder)


def _suite(
    name: str, whole: Sequence[str], slice_: Sequence[str], least_guarded: float, *, plugins: Sequence[str] = ()
) -> Suite:
    return Suite(
        name=name,
        distribution="openai",
        backend="openai",
        parts=("tests", "pyproject.toml", "scripts", "examples", "README.md"),
        prepare=_nothing,
        options=(
            *("-p", "anyio.pytest_plugin", "-p", "pytest_asyncio.plugin", "-p", "xdist", "-p", "inline_snapshot"),
            *plugins,
            *("-q", "-o", "addopts=", "-n", "2", "--continue-on-collection-errors"),
        ),
        whole=tuple(whole),
        slice=tuple(slice_),
        # Half of the tests are of the synchronous client, and many of what sends nothing.
        least_guarded=least_guarded,
        requirements=(
            *("pytest-asyncio==1.4.0", "inline-snapshot==0.36.1", "azure-identity==1.27.0", "numpy==2.4.6"),
            *("griffe==2.4.1", "pillow==12.3.0", "websockets==15.0.1"),
        ),
    )


_METHODS = "tests/api_resources"
_SOME = (
    *("test_streaming.py", "test_response.py", "test_legacy_response.py", "test_stream_mode.py"),
    *("test_retry_after_overflow.py", "lib/test_audio_response_format.py", "lib/test_embeddings.py"),
    *("lib/test_azure_redirects.py", "lib/test_vector_store_runtime.py"),
)
_SOME_METHODS = "chat", "test_models.py", "test_files.py"

SUITES = (
    _suite("openai", ["tests", f"--ignore={_METHODS}"], [f"tests/{name}" for name in _SOME], 0.2),
    _suite(
        "openai-methods",
        [_METHODS],
        [f"{_METHODS}/{name}" for name in _SOME_METHODS],
        0.4,
        plugins=["-p", "upstream_openai_api"],
    ),
)
