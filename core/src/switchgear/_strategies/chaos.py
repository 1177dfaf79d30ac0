"""Faults on purpose."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, ClassVar

from switchgear._call import Call
from switchgear._call_events import Injected
from switchgear._clock import Clock, monotonic
from switchgear._errors import ConfigurationError
from switchgear._pipeline import CODE, Next, Pipeline, Strategy
from switchgear._strategies import _injections as injections
from switchgear._strategies._injections import Injection


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An injection into a share of the calls: of all operations and domains, or of those that are named. Until a moment
    of the strategy's clock.
    """

    injection: Injection
    reason: str
    rate: float
    operations: frozenset[str]
    domains: frozenset[str]
    until: float

    def concerns(self, call: Call) -> bool:
        return (not self.operations or call.operation.name in self.operations) and (
            not self.domains or call.domain in self.domains
        )


@dataclass(eq=False)
class Chaos(Strategy):
    """Lets calls go wrong as they do in an outage, to see whether everything that should help does. It stands
    innermost, so that all of it is met; it does nothing until it is switched on, and nothing after the time said then.

        chaos.switch_on(Chaos.Latency(3.0), rate=0.2, for_=600, reason="drill of the ninth")

    Each call that it interferes with is told to observers as an Injected, and counted.
    """

    name: ClassVar[str] = "chaos"

    Fault = injections.Fault
    Latency = injections.Latency
    Outcome = injections.Outcome
    Behaviour = injections.Behaviour
    StreamCut = injections.StreamCut
    PoolStarve = injections.PoolStarve

    roll: Callable[[], float] = field(default=random.random, metadata=CODE, repr=False)
    clock: Clock = field(default=monotonic, metadata=CODE, repr=False)
    _experiments: tuple[Experiment, ...] = field(default=(), init=False, repr=False)
    _injected: Counter[str] = field(default_factory=Counter[str], init=False, repr=False)

    def switch_on(
        self,
        injection: Injection,
        *,
        for_: float,
        reason: str,
        rate: float = 0.001,
        operations: tuple[str, ...] = (),
        domains: tuple[str, ...] = (),
    ) -> Experiment:
        """Inject into a share of the calls, `rate` (0..1; Polly's is 1 in 1000 too), for the next `for_` seconds; into
        all operations and domains, or some. What was switched on before goes on.

        Raises ConfigurationError for a share or a time that cannot be, and without a reason.
        """
        if not 0 < rate <= 1:
            raise ConfigurationError(f"A share of {rate} of the calls cannot be. Give more than 0, at most 1.", "rate")
        if not (isfinite(for_) and for_ > 0):
            raise ConfigurationError(f"Chaos for {for_} s has no end, or is none. Give seconds, above 0.", "for_")
        if not reason.strip():
            raise ConfigurationError("Whoever finds these faults will ask why. Give a reason.", "reason")
        experiment = Experiment(
            injection=injection, reason=reason, rate=rate, operations=frozenset(operations),
            domains=frozenset(domains), until=self.clock() + for_,
        )  # fmt: skip
        self._experiments = (*self.experiments, experiment)
        return experiment

    def switch_off(self, experiment: Experiment | None = None) -> None:
        """End one experiment, or all of them. Calls that it holds up now are held up to their end."""
        self._experiments = tuple(each for each in self.experiments if experiment not in {None, each})

    @staticmethod
    def of(pipeline: Pipeline | None) -> Chaos | None:
        """The one in a pipeline, if there is one."""
        strategies = () if pipeline is None else pipeline.strategies
        return next((each for each in strategies if isinstance(each, Chaos)), None)

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """Those that go on now."""
        now = self.clock()
        return tuple(each for each in self._experiments if now < each.until)

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        async def chaos(call: Call) -> Any:
            if not self._experiments:
                return await next(call)
            return await self._interfere(call, next)

        return chaos

    async def _interfere(self, call: Call, next: Next) -> Any:  # noqa: A002
        self._experiments = self.experiments
        for experiment in self._experiments:
            if experiment.concerns(call) and self.roll() < experiment.rate:
                self._injected[experiment.injection.name] += 1
                call.tell(Injected, injection=experiment.injection.name, reason=experiment.reason)
                return await self._inject(experiment.injection, call, next)
        return await next(call)

    async def _inject(self, injection: Injection, call: Call, next: Next) -> Any:  # noqa: A002
        if not injection.before:
            return await injection(call, next)
        # The breaker of a guard is asked further in than this, so it is asked here: it has to see what is injected.
        with call.pipeline.covering(call.operation, call.domain) as permit:
            result = await injection(call, next)
            if permit is not None:
                permit.succeed(result)
            return result

    def describe(self) -> str:
        going_on = [f"{each.injection.name} into {each.rate:.1%} of calls ({each.reason})" for each in self.experiments]
        return ", ".join(going_on) or "off"

    def counts(self) -> Mapping[str, float]:
        return dict(self._injected)
