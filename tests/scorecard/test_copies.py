"""The scorecard of behaviours, by their names: copies, footprint, types."""

from __future__ import annotations

import copy
import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from switchgear import (
    CallNotPermitted,
    CircuitBreaker,
    State,
)
from switchgear.testing import VirtualClock
from tests.support import (
    fail,
    opened,
    refused,
)

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_error_pickles(protocol: int) -> None:
    """A refusal that crossed a process boundary says the same, with its causes; so does one that was copied."""
    breaker = opened(VirtualClock())
    refusal = refused(breaker)
    for twin in (pickle.loads(pickle.dumps(refusal, protocol)), copy.copy(refusal), copy.deepcopy(refusal)):
        assert type(twin) is CallNotPermitted
        assert str(twin) == str(refusal)
        assert (twin.breaker, twin.domain, twin.state, twin.retry_after, twin.reason, twin.causes) == (
            "b", "", State.OPEN, 8.0, refusal.reason, refusal.causes,
        )  # fmt: skip


def test_error_is_new_each_time() -> None:
    """A refusal's traceback does not grow with the calls refused, nor does one refusal hang on another."""
    breaker = opened(VirtualClock())
    for _ in range(100):
        refusal = refused(breaker)
        depth, frame = 0, refusal.__traceback__
        while frame is not None:
            depth, frame = depth + 1, frame.tb_next
        assert depth <= 5
        assert refusal.__context__ is None


@pytest.mark.parametrize("twin_of", [lambda b: pickle.loads(pickle.dumps(b)), copy.copy, copy.deepcopy])
def test_breaker_pickles_or_deepcopies(twin_of: Callable[[CircuitBreaker], CircuitBreaker]) -> None:
    """The twin has name, rules and classification, and watches on its own, from CLOSED."""
    breaker = opened(VirtualClock())
    twin = twin_of(breaker)
    assert (twin.name, twin.config, twin.classify) == (breaker.name, breaker.config, breaker.classify)
    assert (twin.state, breaker.state) == (State.CLOSED, State.OPEN)
    fail(twin, 4)
    assert twin.state is State.OPEN


def test_zero_dependencies() -> None:
    """A breaker at work, through an outage, has loaded the standard library and switchgear alone, and no event loop.

    The distribution needs anyio and pluggy: for what waits, and for plugins.
    """
    program = """
import sys
before = set(sys.modules)
from switchgear import CallNotPermitted, circuit
@circuit("b", consecutive_failures=1)
def down(): raise OSError("down")
try: down()
except OSError: pass
try: down()
except CallNotPermitted as refusal: str(refusal)
down.breaker.explain()
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted((loaded - set(sys.stdlib_module_names)) | (loaded & {"asyncio"})))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout, done.stderr) == ("['switchgear']\n", "")


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy: python3 dev.py setup")
def test_mypy_strict_keeps_signature() -> None:
    """The signatures of guarded functions, and the mistakes in calling them, as mypy --strict sees them."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "tests/typing/signatures.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr
