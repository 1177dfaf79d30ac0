"""The plugin, as switchgear finds it."""

from __future__ import annotations

from importlib.metadata import entry_points

from switchgear_redis import BACKEND, RedisSettings, register_backends


def test_it_is_registered_under_its_name() -> None:
    """The entry point leads to a module whose hook returns the backend."""
    (entry,) = entry_points(group="switchgear", name="redis")
    assert register_backends is entry.load().register_backends
    assert register_backends() == [BACKEND]


def test_the_settings_are_data() -> None:
    """A frozen dataclass: the configuration is read into it, key by key."""
    assert RedisSettings(url="redis://a") == RedisSettings(url="redis://a")
    assert BACKEND.settings is RedisSettings


def test_what_is_slow_is_set_for_reads_and_writes_alone() -> None:
    """Commands that wait by design, subscriptions and administration are never slow."""
    slow = {klass: BACKEND.recommended.slow_after(klass) for klass in ("read", "write", "blocking", "stream", "admin")}
    assert slow == {"read": 0.5, "write": 0.5, "blocking": float("inf"), "stream": float("inf"), "admin": float("inf")}
