"""Errors say what happened, whose fault it is and what to do; they carry their facts, and they travel."""

from __future__ import annotations

import copy
import gc
import pickle
import traceback
import weakref

import pytest

from switchgear import (
    CallNotPermitted,
    Cause,
    ConfigurationError,
    LimitExceeded,
    MissingDependency,
    PluginError,
    State,
    SwitchgearError,
)
from switchgear.testing import VirtualClock
from tests.support import breaker_of, opened, refused

REFUSAL = CallNotPermitted("s", "d", State.OPEN, 1.5, "too many", (Cause("E", "x", 2), Cause("F", "")))


class Unreachable(CallNotPermitted, ConnectionError):
    """As a plugin has one, for its client."""


@pytest.mark.parametrize("kind", [CallNotPermitted, Unreachable])
@pytest.mark.parametrize("travel", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_a_refusal_travels(kind: type[CallNotPermitted], travel: object) -> None:
    """Pickled or copied it is of its class and has its facts, its message and its notes."""
    refusal = kind("s", "d", State.OPEN, 1.5, "too many", (Cause("E", "x", 2),))
    twin = travel(refusal)  # type: ignore[operator]
    assert type(twin) is kind
    assert (twin.breaker, twin.domain, twin.state, twin.retry_after) == ("s", "d", State.OPEN, 1.5)
    assert (twin.reason, twin.causes, str(twin)) == ("too many", (Cause("E", "x", 2),), str(refusal))


@pytest.mark.parametrize("kind", [CallNotPermitted, Unreachable])
@pytest.mark.parametrize("travel", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_a_limits_refusal_is_of_the_clients_kind_too_and_travels(kind: type[CallNotPermitted], travel: object) -> None:
    """Pickled or copied it is of both classes, and has its facts and its message."""
    refusal = LimitExceeded.of(kind)("s", "d", "bulkhead", 1.5, "25 calls are under way")
    twin = travel(refusal)  # type: ignore[operator]
    assert type(twin) is type(refusal)
    assert issubclass(type(twin), kind)
    assert isinstance(twin, LimitExceeded)
    assert (twin.breaker, twin.domain, twin.state, twin.causes) == ("s", "d", State.CLOSED, ())
    assert (twin.strategy, twin.retry_after, twin.reason) == ("bulkhead", 1.5, "25 calls are under way")
    assert str(twin) == (
        "Call not permitted: the bulkhead of s[d]: 25 calls are under way. The backend was not asked. "
        "Try again in 1.5 s."
    )


def test_the_message_of_a_refusal() -> None:
    """One paragraph: who, what, why, and when to come back."""
    assert str(REFUSAL) == ("Call not permitted: s[d] is OPEN: too many. Last causes: 2 x E: x; F. Try again in 1.5 s.")
    assert str(CallNotPermitted("s", "", State.FORCED_OPEN, None, "maintenance")) == (
        "Call not permitted: s is FORCED_OPEN: maintenance."
    )


def test_all_errors_have_one_root() -> None:
    """Who wants to catch everything of ours can."""
    for error in (CallNotPermitted, LimitExceeded, ConfigurationError, MissingDependency, PluginError):
        assert issubclass(error, SwitchgearError)
    assert issubclass(Unreachable, ConnectionError)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigurationError("It is wrong.", key="services.cache"), "services.cache: It is wrong."),
        (ConfigurationError("It is wrong."), "It is wrong."),
        (
            ConfigurationError.unknown("service", "cahce", ["cache", "db"], key="services"),
            "services: There is no service 'cahce'. Did you mean 'cache'?",
        ),
        (ConfigurationError.unknown("service", "x", ["db", "cache"]), "There is no service 'x'. Known: cache, db."),
        (ConfigurationError.unknown("service", "x", []), "There is no service 'x'."),
        (
            MissingDependency("redis", install="redis>=5.0"),
            'redis is not installed. Install it with: pip install "redis>=5.0"',
        ),
        (PluginError("redis", "BROKEN", "it raised"), "Plugin 'redis' is BROKEN: it raised"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_messages(error: SwitchgearError, said: str) -> None:
    """Each says what to do, as it is and after travelling."""
    assert str(error) == said
    assert str(pickle.loads(pickle.dumps(error))) == said


def test_a_cause_is_text() -> None:
    """With how often it was, if more than once."""
    assert [str(cause) for cause in (Cause("E", "x"), Cause("E", "x", 3), Cause("E", ""), Cause("E", "", 2))] == [
        "E: x", "3 x E: x", "E", "2 x E",
    ]  # fmt: skip


def test_no_failed_frame_is_kept_alive() -> None:
    """The causes are text: once the caller has dropped its exception, the frames of the failed call are gone."""

    class Large:
        pass

    breaker = breaker_of()
    seen: list[weakref.ref[Large]] = []

    @breaker
    def backend() -> None:
        large = Large()
        seen.append(weakref.ref(large))
        raise ValueError("down")

    def call() -> None:
        with pytest.raises(ValueError, match="down"):
            backend()

    for _ in range(4):
        call()
    refusal = refused(breaker)
    gc.collect()
    assert refusal.causes[0].times == 4
    assert [ref() for ref in seen] == [None] * 4


def test_an_attempts_frames_are_not_kept_by_a_settled_permit() -> None:
    """While the call goes on its last attempt's error is remembered; not after."""

    class Large:
        pass

    permit = breaker_of().permit()
    seen: list[weakref.ref[Large]] = []

    def attempt() -> None:
        large = Large()
        seen.append(weakref.ref(large))
        raise ValueError

    def call() -> None:
        try:
            attempt()
        except ValueError as exc:
            permit.attempt_failed(exc)

    call()
    permit.succeed()
    gc.collect()
    assert permit.settled
    assert seen[0]() is None


def test_the_traceback_of_refusals_does_not_grow() -> None:
    """A thousand refusals later it is as long as at first: each is a new object, without context."""
    breaker = opened(VirtualClock())
    lengths = set()
    for _ in range(1000):
        refusal = refused(breaker)
        lengths.add(len(traceback.extract_tb(refusal.__traceback__)))
        assert refusal.__context__ is None
        assert refusal.__cause__ is None
    assert len(lengths) == 1
    assert refused(breaker) is not refused(breaker)
