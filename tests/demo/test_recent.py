"""Rates and latencies are those of the last three seconds."""

from __future__ import annotations

from switchgear.demo._recent import Recent


def test_rates_are_a_second() -> None:
    """Six in three seconds are two a second, of whatever kinds are asked for."""
    recent = Recent()
    for at in range(6):
        recent.add(at / 2, "served" if at % 3 else "failed")
    assert recent.rate(2.5, "served", "failed") == 2
    assert recent.rate(2.5, "failed") == 2 / 3
    assert recent.rate(2.5, "refused") == 0


def test_what_is_older_is_forgotten() -> None:
    """Also when nothing new happens."""
    recent = Recent()
    recent.add(0.0, "served", 0.1)
    recent.add(2.0, "served", 0.2)
    assert recent.slowest(2.9, 1.0) == 0.2
    assert recent.rate(3.0, "served") == 1 / 3
    assert recent.slowest(5.0) is None


def test_the_slowest_are_left_to_the_share_asked_for() -> None:
    """95 of 100 took at most so long; what takes no time, as a refusal, has no say."""
    recent = Recent()
    for number in range(100):
        recent.add(0.0, "served", (number + 1) / 1000)
    for _ in range(100):
        recent.add(0.0, "refused")
    assert recent.slowest(0.0) == 0.096
    assert recent.slowest(0.0, 0.5) == 0.051
