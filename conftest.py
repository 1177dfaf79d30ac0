"""What all tests of the workspace share."""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
import sniffio
from hypothesis import Phase, settings

# On a busy machine an example may take long without anything being wrong. In CI hypothesis chooses its own profile,
# without deadline too, and with the same examples on every run.
settings.register_profile("local", deadline=None)
# For nights and for hunts: pytest --hypothesis-profile=night
settings.register_profile("night", deadline=None, max_examples=3000, stateful_step_count=80)
# For `dev.py mutate`: that an example fails is enough, it need not be the smallest, nor another one each time.
settings.register_profile(
    "mutate", deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
if settings.get_current_profile_name() == "default":
    settings.load_profile("local")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, and say so, what needs 280 MB more than everybody wants to download."""
    if item.get_closest_marker("llm") and not os.environ.get("SWITCHGEAR_TEST_LLM"):
        pytest.skip("needs a real model on this machine: python3 dev.py test --llm")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Names of hosts, and what they resolve to at the moment."""
    names: dict[str, str] = {}
    genuine: Callable[..., Any] = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host  # as anyio has it
        return genuine(names.get(name, host), *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """See to it that a test runs on the event loop that it asks for.

    As long as an async fixture keeps one alive, anyio runs all further tests on that, whatever they ask for.
    """
    backend: Any = pyfuncitem.funcargs.get("anyio_backend")
    test: Any = pyfuncitem.obj
    if backend is None or not inspect.iscoroutinefunction(test):
        return

    @wraps(test)
    async def on_its_backend(**arguments: Any) -> None:
        asked, found = backend if isinstance(backend, str) else backend[0], sniffio.current_async_library()
        if asked != found:
            pytest.fail(f"This test asks for {asked} and runs on {found}, which a fixture of wider scope holds.")
        await test(**arguments)

    pyfuncitem.obj = on_its_backend
