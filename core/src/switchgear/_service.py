"""One configured backend at run time: what a guard holds on to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

import anyio

from switchgear._call import inside
from switchgear._circuit import CircuitBreaker
from switchgear._counter import Counter
from switchgear._criticality import sheds
from switchgear._errors import CallNotPermitted, CallTimedOut, LimitExceeded
from switchgear._group import BreakerGroup
from switchgear._histogram import Histogram
from switchgear._permit import Permit
from switchgear._redact import describe
from switchgear._scope import Scope, scope, within
from switchgear._score import HealthConfig
from switchgear._shed import Shed
from switchgear._spec import Backend, Operation

if TYPE_CHECKING:
    from switchgear._pipeline import Pipeline

T = TypeVar("T")

_log = logging.getLogger("switchgear")


class _Covered(Permit):
    """The permit of a call inside an active check: the check's own permit settles for it."""

    __slots__ = ()

    def __init__(self, group: BreakerGroup, operation: Operation) -> None:
        breaker = group.main
        super().__init__(breaker, breaker.default_lane, breaker.default_lane.slot, 0.0, operation.name)
        self.settled = True


class Service:
    """A guarded service. A guard asks `admit` before each call and settles the permit after it."""

    def __init__(
        self, name: str, backend: Backend[Any, Any], group: BreakerGroup, health: HealthConfig | None = None
    ) -> None:
        self.name = name
        self.backend = backend
        self.group = group
        #: What its calls are measured by.
        self.health = health or backend.health
        #: What a refused call raises. A guard sets its own: one that is also the client's error for "unreachable".
        self.refusal: type[CallNotPermitted] = CallNotPermitted
        #: What a call raises that takes longer than its pipeline allows. A guard sets its own here too.
        self.timed_out: type[CallTimedOut] = CallTimedOut
        #: The strategies round its calls, which guards ask for by `run`; None: there are none.
        self.pipeline: Pipeline | None = None
        #: Some of its clients were guarded because they were made. Who guards one of these by hand gets it.
        self.automatic = False
        self._clients: WeakValueDictionary[int, Any] = WeakValueDictionary()
        #: Its saturations as of the last look at its health.
        self.saturated: Mapping[str, float] = {}
        #: Its calls that were refused since others matter more.
        self.shed = Shed()
        #: By what its own limits of time are stretched: more than 1 while the fault may be ours rather than its.
        self.patience = 1.0
        self._counters: dict[tuple[str, tuple[tuple[str, str], ...]], Counter] = {}
        self._histograms: dict[tuple[str, tuple[tuple[str, str], ...]], Histogram] = {}
        self._metrics = {metric.name: metric for metric in backend.metrics}

    def __repr__(self) -> str:
        return f"<Service {self.name} ({self.backend.name})>"

    def run(
        self,
        operation: Operation,
        domain: str,
        fn: Callable[[], Coroutine[Any, Any, T]],
        kept: list[Callable[[], None]] | None = None,
    ) -> Coroutine[Any, Any, T]:
        """Await `fn()` inside the service's pipeline. `fn` is one attempt: it asks `admit`, and is called again for the
        next one. A call made inside another one's attempt at this service is part of it, and one inside an active check
        of it has to find out how the backend is, not how full the pipeline.

        What `fn` returns may need its place in a bulkhead for longer than the call: a connection does. Then `kept` is a
        list, and the guard calls what it finds in there afterwards, each once.
        """
        pipeline, here = self.pipeline, scope.get()
        if pipeline is None or inside(pipeline) or (here is not None and self in here.probing):
            return fn()
        return pipeline.run(operation, domain, fn, kept)

    def has(self, strategy: str) -> bool:
        """Whether its pipeline has a strategy of this name ("hedge")."""
        return self.pipeline is not None and any(each.name == strategy for each in self.pipeline.strategies)

    def retried(self) -> bool:
        """Whether this task is in a call that the pipeline tries again: then its client should not do so as well."""
        return self.pipeline is not None and inside(self.pipeline) and self.has("retry")

    def admit(self, operation: Operation, domain: str = "") -> Permit:
        """A permit for one call; raises `refusal` where it is not permitted."""
        here = scope.get()
        if here is not None:
            if self in here.probing:
                return _Covered(self.group, operation)
            self._check_scope(here, operation, domain)
        return self.group.acquire(operation.name, operation.klass, domain, self.refusal)

    def before_next_call(self, then: Callable[[], None]) -> None:
        """Call `then` once, before the next call asks for its permit. Calls after that one pay nothing for it."""

        def admit(operation: Operation, domain: str = "") -> Permit:
            self.__dict__.pop("admit", None)
            then()  # which may ask for the call after this one
            return Service.admit(self, operation, domain)

        self.__dict__["admit"] = admit

    def heard(self, domain: str, answer: object) -> None:
        """Let strategies know of an answer that has `headers`, of which the call's result shows nothing. For guards."""
        if self.pipeline is not None:
            now = self.pipeline.clock()
            for strategy in self.pipeline.strategies:
                strategy.heard(domain, answer, now)

    @contextmanager
    def covering(self, operation: Operation, domain: str) -> Generator[Permit]:
        """One permit for all that is done inside, whatever calls a guard makes of it. Raises `refusal`."""
        with self.admit(operation, domain) as permit, within(probing=(*(scope.get() or Scope()).probing, self)):
            yield permit

    def _check_scope(self, here: Scope, operation: Operation, domain: str) -> None:
        """Refuse what the scope of the call forbids, and what is shed under the present pressure."""
        if why := here.forbidden.get(self.name) or here.forbidden.get(f"{self.name}[{domain}]"):
            self.group.limited(operation.name, domain, "scope", why)
            raise self.refusal(self.name, domain, self.group.main.machine_state, None, why)
        if sheds(here.criticality, self.pressure):
            fullest = max(self.saturated, key=self.saturated.__getitem__, default="it")
            reason = f"{self.pressure:.0%} in use, and {here.criticality} calls are shed first"
            self.shed.tick(here.criticality)
            self.group.limited(operation.name, domain, fullest, reason)
            raise LimitExceeded.of(self.refusal)(self.name, domain, fullest, None, reason)

    def saturations(self) -> Mapping[str, float]:
        """How full what its calls go through is at this moment: what ("pool") -> the share in use, 0..1."""
        used: dict[str, float] = {}
        for what, share in self._read(self.backend.saturation, "saturation"):
            used[what] = max(share, used.get(what, 0.0))
        if self.pipeline is not None:
            used |= self.pipeline.saturations()
        return used

    def _read(self, of: Callable[[Any], Mapping[str, float]] | None, what: str) -> Iterator[tuple[str, float]]:
        """What each client says."""
        if of is None:
            return
        for client in self.clients:
            try:
                said = of(client).items()
            except Exception as exc:  # noqa: BLE001 - foreign code; health must not end with it
                _log.warning("The %s of %r cannot be read: %s: %s", what, self, *describe(exc))
            else:
                yield from said

    @property
    def clients(self) -> list[Any]:
        """The clients that are alive, and not another service's by now; the latest is the last."""
        owner = self.backend.owner
        return [client for client in list(self._clients.values()) if owner is None or owner(client) is self]

    def adopt(self, client: object) -> None:
        """Look at this client too, as long as it lives."""
        with suppress(TypeError):  # one that knows no weak references
            self._clients[id(client)] = client

    @property
    def pressure(self) -> float:
        """The fullest of the saturations, as of the last look at the service's health."""
        return max(self.saturated.values(), default=0.0)

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

    def histogram(self, metric: str, **labels: str) -> Histogram:
        """The histogram of a metric that the backend declares, for a guard to keep. Raises as `counter` does."""
        if metric not in self._metrics:
            raise KeyError(f"The backend {self.backend.name!r} declares no metric {metric!r}.")
        key = metric, tuple(sorted(labels.items())) if labels else ()
        known = self._histograms.get(key)
        return known or self._histograms.setdefault(key, Histogram(self._metrics[metric].buckets))

    def observe(self, metric: str, value: float, **labels: str) -> None:
        """Add a value to a histogram that the backend declares. Raises KeyError for one that it does not."""
        self.histogram(metric, **labels).observe(value)

    def histograms(self) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], Histogram]:
        """All histograms: (metric, labels as sorted pairs) -> what is counted by now."""
        return {key: histogram.copy() for key, histogram in self._histograms.copy().items()}

    def gauges(self) -> Mapping[str, float]:
        """What its clients show of themselves at this moment, without I/O: metric -> value, of all of them together."""
        found: dict[str, float] = {}
        for name, value in self._read(self.backend.gauges, "gauges"):
            if name in self._metrics:
                known = found.get(name, value if self._metrics[name].merged == "min" else 0.0)
                found[name] = min(known, value) if self._metrics[name].merged == "min" else known + value
        return found

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
            covered = (scope.get() or Scope()).probing
            with within(probing=(*covered, self)), anyio.fail_after(breaker.config.probe_timeout * self.patience):
                told = await probe(client, breaker.domain)
            if not told:
                permit.release()
            return told
