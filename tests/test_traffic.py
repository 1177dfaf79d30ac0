"""Rates and latencies for those who look."""

from __future__ import annotations

import threading

import pytest

from switchgear import BreakerConfig, CallNotPermitted, Switchgear, Verdict
from switchgear._service import Service
from switchgear._traffic import Onlooker, Traffic
from switchgear.spi import Operation
from switchgear.testing import VirtualClock
from tests.backends import GET, Client, backend_of
from tests.support import DOWN, SMALL, Said


class Board:
    """A gear with one service, and somebody who may look at it."""

    def __init__(self, config: BreakerConfig = SMALL) -> None:
        self.clock = VirtualClock()
        self.gear = Switchgear(clock=self.clock)
        client = Client()
        self.gear.guard(client, backend_of(config), name="toy")
        self.onlooker = Onlooker(self.gear.subscribe, self.clock)

    @property
    def service(self) -> Service:
        return self.gear.service("toy")

    def call(
        self, seconds: float, fault: Exception | None = None, *, domain: str = "", operation: Operation = GET
    ) -> None:
        try:
            with self.service.admit(operation, domain):
                self.clock.advance(seconds)
                if fault is not None:
                    raise fault
        except (Said, CallNotPermitted):
            pass

    def look(self, domain: str | None = "") -> Traffic:
        """At a domain's breaker; at the main one for None."""
        self.onlooker.look()
        main = domain is None
        breaker = self.service.group.main if domain is None else self.service.group.branch(domain)
        return self.onlooker.traffic(breaker.snapshot(), main=main)

    @property
    def listens(self) -> bool:
        return self.onlooker in self.gear.observers


def test_rates_are_of_the_last_ten_seconds() -> None:
    """Served, failed, refused, and all that asked."""
    board = Board()
    board.look()
    for second in range(20):
        for _ in range(4):
            board.call(0.0)
        board.call(0.0, Said(Verdict.IGNORED))
        if second >= 15:
            board.call(0.0, DOWN)
        board.clock.advance(1.0)
        board.look()
    told = board.look()
    assert told.served == pytest.approx(4.0)
    assert told.failed == pytest.approx(0.5)
    assert told.refused == 0
    assert told.per_second == pytest.approx(5.5)


def test_refused_calls_have_a_rate_of_their_own() -> None:
    """Of an operator's order, too."""
    board = Board()
    board.service.group.branch("").force_open("why not")
    board.look()
    for _ in range(30):
        board.call(0.0)
    board.clock.advance(10.0)
    told = board.look()
    assert (told.refused, told.per_second, told.served) == (3.0, 3.0, 0.0)


def test_who_looks_seldom_is_told_of_the_time_since() -> None:
    """`switchgear status` each minute says what the minute was like."""
    board = Board()
    board.look()
    for _ in range(120):
        board.call(0.0)
    board.clock.advance(60.0)
    assert board.look().served == 2.0


def test_a_first_look_knows_no_rate() -> None:
    """There is nothing yet that it could be the difference to."""
    board = Board()
    board.call(0.1)
    assert board.look() == Traffic()


def test_latencies_are_of_calls_that_reached_the_backend_in_the_last_ten_seconds() -> None:
    """Failed ones included; those that say nothing about it are not."""
    board = Board(BreakerConfig())
    board.look()
    board.call(5.0)
    board.clock.advance(10.0)
    for _ in range(98):
        board.call(0.01)
    board.call(0.2, DOWN)
    board.call(0.8)
    board.call(3.0, Said(Verdict.IGNORED))
    told = board.look()
    assert told.p50 == pytest.approx(0.01, rel=0.05)
    assert told.p95 == pytest.approx(0.01, rel=0.05)
    assert told.p99 == pytest.approx(0.2, rel=0.05)
    board.clock.advance(10.0)
    assert board.look().p50 is None


def test_active_checks_are_told_only_where_nobody_calls() -> None:
    """They are no users, but better than nothing to know."""
    check = Operation(name="toy.probe")
    board = Board(BreakerConfig())
    board.look()
    board.call(0.5, operation=check)
    assert board.look().p50 == pytest.approx(0.5, rel=0.05)
    board.call(0.01)
    assert board.look().p99 == pytest.approx(0.01, rel=0.05)


def test_domains_and_the_main_are_told_apart() -> None:
    """A call through a main that is not closed holds two permits; it is one call of its domain."""
    board = Board(BreakerConfig())
    board.service.group.disable("why not")
    for domain in (None, "a", "b"):
        board.look(domain)
    for _ in range(20):
        board.call(0.0, domain="a")
    board.clock.advance(10.0)
    assert board.look("a").served == 2.0
    assert board.look("b") == Traffic()


def test_nobody_listens_before_the_first_look_and_long_after_the_last() -> None:
    """What is not looked at costs the calls nothing."""
    board = Board(BreakerConfig())
    assert not board.listens
    board.look()
    assert board.listens
    board.clock.advance(29.0)
    board.call(0.0)
    assert board.listens
    board.clock.advance(2.0)
    board.call(0.0)
    assert not board.listens
    board.look()
    assert board.listens
    board.onlooker.close()
    assert not board.listens


def test_domains_that_a_stranger_makes_up_take_no_memory_without_end() -> None:
    """No more than a few thousand are kept, and those that are out of date are forgotten with the next look."""
    board = Board(BreakerConfig())
    board.look()
    for number in range(5000):
        board.onlooker.on_outcome("toy", str(number), "toy.get", "read", Verdict.SUCCESS, 0.1)
    assert len(board.onlooker._latencies) == 4096
    board.clock.advance(20.0)
    board.look()
    assert board.onlooker._latencies == {}


def test_threads_may_call_while_somebody_looks() -> None:
    """Nothing is torn, and no call is lost."""
    board = Board(BreakerConfig())
    board.look("d")

    def work() -> None:
        for _ in range(2000):
            with board.service.admit(GET, "d"):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        board.look("d")
    for thread in threads:
        thread.join()
    [(_, counts)] = board.onlooker._latencies["toy", "d", False]
    assert sum(counts.values()) == 8000
