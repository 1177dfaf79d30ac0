"""The books of a simulation: what its clients know of their calls, held against what the breakers have counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from switchgear._budget import RetryBudget
from switchgear._circuit import CircuitBreaker
from switchgear._errors import CallNotPermitted
from switchgear._permit import Permit
from switchgear._service import Service
from switchgear._spec import Operation
from switchgear._state import State
from switchgear._strategies.bulkhead import Bulkhead
from switchgear._strategies.retry import Retry
from switchgear.testing.simulation._trace import Trace

#: Says that an invariant is broken: which, and what was seen.
Break = Callable[[str, object], None]


class Book:
    """Of one breaker: calls that it has admitted, those that are over, and how they ended as their clients saw it."""

    def __init__(self) -> None:
        self.admitted = 0
        self.ended: Counter[str] = Counter()
        self.tried = 0  #: attempts that failed inside of calls which went on


class Ledger:
    """All books, and what must hold at every step of a call and between two."""

    def __init__(self, trace: Trace, broken: Break) -> None:
        self._trace = trace
        self._broken = broken
        # By the breakers themselves: the main and a branch of one service may have the same name.
        self._books: dict[CircuitBreaker, Book] = {}
        self._checks: Counter[str] = Counter()  # active ones, by service
        self._refused: Counter[str] = Counter()  # by service
        self._calls: Counter[str] = Counter()  # by service
        self._attempts: Counter[str] = Counter()  # of them, with those that were refused

    # -- what clients do -----------------------------------------------------------------------------------------

    def calls(self, service: Service) -> None:
        """Somebody calls."""
        self._calls[service.name] += 1

    def attempts(self, service: Service) -> None:
        """A client is about to ask for a permit: for a first attempt or a further one."""
        self._attempts[service.name] += 1

    def began(self, service: Service, permit: Permit, operation: Operation, domain: str) -> list[CircuitBreaker]:
        """A call was admitted; by these breakers."""
        self._trace.add("admits", f"{service.name}[{permit.domain}]", operation.name)
        breakers = [service.group.branch(domain)]
        if permit.also is not None:
            breakers.append(service.group.main)
        for breaker in breakers:
            self._book(breaker).admitted += 1
            self._check_admission(breaker)
        for strategy in service.pipeline.strategies if service.pipeline else ():
            if isinstance(strategy, Bulkhead) and not (
                0 <= strategy.in_flight <= strategy.limit and strategy.waiting <= strategy.queue
            ):
                self._broken("19: bulkheads keep their bounds", f"{service.name}: {strategy.counts()}")
        return breakers

    def ended(self, permit: Permit, breakers: list[CircuitBreaker], outcome: str) -> None:
        """It is over, and has to be settled. `outcome` is a verdict's name, or "cancelled"."""
        self._trace.add("ends", f"{breakers[0].name}[{permit.domain}]", outcome)
        for breaker in breakers:
            self._book(breaker).ended[outcome] += 1
        if not permit.settled:
            self._broken("1: a call settles exactly once", "it is over and not settled")

    def tried(self, breakers: list[CircuitBreaker]) -> None:
        """An attempt inside a call failed, and the call goes on."""
        for breaker in breakers:
            self._book(breaker).tried += 1

    def checks(self, service: str, domain: str) -> None:
        """An active check was admitted."""
        self._trace.add("checks", f"{service}[{domain}]")
        self._checks[service] += 1

    def refused(self, service: Service, refusal: CallNotPermitted) -> None:
        """A breaker refused a call."""
        self._trace.add("refuses", f"{service.name}[{refusal.domain}]", refusal.state)
        self._refused[service.name] += 1
        ramping = [breaker.snapshot().share < 1 for breaker in breakers_of(service)]
        if refusal.state in {State.DISABLED, State.METRICS_ONLY} or (
            refusal.state is State.CLOSED and not any(ramping)
        ):
            self._broken("only what is not closed refuses", str(refusal))

    def _book(self, breaker: CircuitBreaker) -> Book:
        return self._books.setdefault(breaker, Book())

    # -- what must hold ------------------------------------------------------------------------------------------

    def _check_admission(self, breaker: CircuitBreaker) -> None:
        if breaker.machine_state in {State.OPEN, State.FORCED_OPEN}:
            self._broken("2: an open breaker admits nobody", breaker)
        elif breaker.machine_state is State.HALF_OPEN:
            decided, under_way = breaker.snapshot().probes
            if decided + under_way > breaker.config.permitted_calls_in_half_open:
                self._broken("3: so many probes in a round", f"{breaker}: {decided} + {under_way}")

    def balance(self, service: Service) -> None:
        """Compare all that was counted, at a moment at which nobody is in the midst of a step."""
        refused = 0
        for breaker in breakers_of(service):
            book, counted = self._book(breaker), breaker.snapshot()
            settled = sum(counted.verdicts.values()) + counted.late
            ended, cancelled = book.ended.total(), book.ended["cancelled"]
            besides = book.tried + self._checks[service.name]
            released = self._refused[service.name] if breaker is service.group.main else 0
            if not ended <= settled <= book.admitted + besides + released:
                seen = f"{breaker}: settled {settled}, admitted {book.admitted}, ended {ended}"
                self._broken("1: a call settles exactly once", seen)
            for name in ("SUCCESS", "FAILURE", "THROTTLED", "EXHAUSTED"):
                # What was cancelled may have been so by its own timeout, which is a failure. Refusals are in none.
                timed_out = cancelled if name == "FAILURE" and service.pipeline is not None else 0
                known = book.ended[name] + besides + timed_out
                if counted.verdicts[name] > known:
                    seen = f"{breaker}: {name} {counted.verdicts[name]} of {known}"
                    self._broken("12: refusals and cancellations are no evidence", seen)
            if counted.in_flight > book.admitted - ended + self._checks[service.name] + released:
                self._broken("20: no permit is lost", f"{breaker}: {counted.in_flight} in flight")
            refused += sum(counted.refused.values())
        if refused < self._refused[service.name] or (
            refused > self._refused[service.name] and service.group.config.probe_with == "traffic"
        ):
            self._broken("refusals are counted", f"{service}: {refused}, told {self._refused[service.name]}")
        self._check_budget(service)

    def _check_budget(self, service: Service) -> None:
        for strategy in service.pipeline.strategies if service.pipeline else ():
            if isinstance(strategy, Retry):
                budget = strategy.budget or RetryBudget(burst=max(3.0, strategy.attempts - 1))
                most = self._calls[service.name] * (1 + budget.ratio) + budget.burst
                if self._attempts[service.name] > most or not 0 <= strategy.counts()["budget"] <= 1:
                    seen = f"{service}: {self._attempts[service.name]} attempts of {most:g}, {strategy.counts()}"
                    self._broken("23: further attempts are paid for", seen)

    def check_quiet(self, service: Service) -> None:
        """Nobody calls any more: everything has been given back."""
        self.balance(service)
        for breaker in breakers_of(service):
            counted = breaker.snapshot()
            if counted.in_flight or counted.overdue or counted.probes[1]:
                self._broken("20: no permit is lost", f"{breaker}: {counted.in_flight} in flight, and nobody calls")
        for strategy in service.pipeline.strategies if service.pipeline else ():
            if isinstance(strategy, Bulkhead) and (strategy.in_flight or strategy.waiting):
                self._broken("20: no permit is lost", f"{service.name}: {strategy.counts()}, and nobody calls")


def breakers_of(service: Service) -> list[CircuitBreaker]:
    """The main, and all branches."""
    return [service.group.main, *service.group.branches.values()]
