"""One configured backend at run time: what a guard holds on to."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import anyio

from switchgear._circuit import CircuitBreaker
from switchgear._counter import Counter
from switchgear._errors import CallNotPermitted
from switchgear._group import BreakerGroup
from switchgear._permit import Permit
from switchgear._spec import Backend, Operation

# The services whose active check runs in this task: its calls go by the check's permit and need none of their own.
_probing: ContextVar[tuple[Service, ...]] = ContextVar("switchgear_probing", default=())


class _Covered(Permit):
    """The permit of a call inside an active check: the check's own permit settles for it."""

    __slots__ = ()

    def __init__(self, group: BreakerGroup, operation: Operation) -> None:
        breaker = group.main
        super().__init__(breaker, breaker.default_lane, breaker.default_lane.slot, 0.0, operation.name)
        self.settled = True


class Service:
    """A guarded service. A guard asks `admit` before each call and settles the permit after it."""

    def __init__(self, name: str, backend: Backend[Any, Any], group: BreakerGroup) -> None:
        self.name = name
        self.backend = backend
        self.group = group
        #: What a refused call raises. A guard sets its own: one that is also the client's error for "unreachable".
        self.refusal: type[CallNotPermitted] = CallNotPermitted
        self._counters: dict[tuple[str, tuple[tuple[str, str], ...]], Counter] = {}
        self._metrics = {metric.name for metric in backend.metrics}

    def __repr__(self) -> str:
        return f"<Service {self.name} ({self.backend.name})>"

    def admit(self, operation: Operation, domain: str = "") -> Permit:
        """A permit for one call; raises `refusal` where it is not permitted."""
        if self in _probing.get():
            return _Covered(self.group, operation)
        return self.group.acquire(operation.name, operation.klass, domain, self.refusal)

    def closed(self, domain: str = "") -> bool:
        """Whether the domain's breakers refuse nothing: if not, a client's own retries should stop."""
        return self.group.closed(domain)

    def counter(self, metric: str, **labels: str) -> Counter:
        """The counter of a metric that the backend declares, for a guard to keep: cheaper on every call than `count`.

        Raises KeyError for a metric that it does not declare.
        """
        if metric not in self._metrics:
            raise KeyError(f"The backend {self.backend.name!r} declares no metric {metric!r}.")
        key = metric, tuple(sorted(labels.items())) if labels else ()
        # setdefault: two threads that get here at once must go on with the same counter.
        return self._counters.get(key) or self._counters.setdefault(key, Counter())

    def count(self, metric: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter that the backend declares. Raises KeyError for one that it does not."""
        self.counter(metric, **labels).add(amount)

    def counts(self) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], float]:
        """All counters: (metric, labels as sorted pairs) -> value."""
        return {key: counter.value for key, counter in self._counters.copy().items()}

    async def check(self, client: Any, breaker: CircuitBreaker) -> bool | None:
        """Run the plugin's active check of one breaker's domain under a permit of its own, also while it is closed.

        None: the breaker permits none now. False: the check cannot tell. Raises what the check raises, and TimeoutError
        after `probe_timeout`; both are judged like a call's error.
        """
        probe = self.backend.probe
        if probe is None:
            return False
        try:
            permit = breaker.acquire_probe(f"{self.backend.name}.probe")
        except CallNotPermitted:
            return None
        with permit:
            token = _probing.set((*_probing.get(), self))
            try:
                with anyio.fail_after(breaker.config.probe_timeout):
                    told = await probe(client, breaker.domain)
            finally:
                _probing.reset(token)
            if not told:
                permit.release()
            return told
