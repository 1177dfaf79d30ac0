"""Prometheus: everything that a gear counts, as text to scrape. Needs the extra "prometheus".

PrometheusObserver(gear, registry=prometheus_client.REGISTRY)   # beside the application's own metrics
body, content_type = render(gear, request.headers["accept"])    # for an endpoint

A scrape reads snapshots and calls no backend. Where prometheus_client is in its multi-process mode, each process needs
an observer, made after the fork, of a gear that is entered; each of them then answers for all.
"""

from __future__ import annotations

from collections.abc import Iterator

from switchgear._errors import ConfigurationError, MissingDependency
from switchgear._events import Beat
from switchgear._gear import Switchgear
from switchgear._metrics import CORE
from switchgear.observers._family import family_of
from switchgear.observers._recorder import Recorder

try:
    from prometheus_client.core import REGISTRY, CollectorRegistry, Metric
    from prometheus_client.exposition import choose_encoder

    from switchgear.observers._exposition import exposed
    from switchgear.observers._workers import Workers
except ModuleNotFoundError as exc:
    if exc.name is None or not exc.name.startswith("prometheus_client"):
        raise
    raise MissingDependency("prometheus-client, which writes the metrics,", install="switchgear[prometheus]") from exc

__all__ = ["PrometheusObserver", "render"]


def render(gear: Switchgear, accept: str = "") -> tuple[bytes, str]:
    """The metrics of a gear and their content type: OpenMetrics where the header Accept asks for it, else plain text.

    They come from the gear's PrometheusObserver, with all that its registry holds; the first call makes one where there
    is none.
    """
    return PrometheusObserver.of(gear).render(accept)


class PrometheusObserver(Recorder):
    """Exports one gear, until `close()`.

    `registry` is prometheus_client's, where the application's own metrics are too, or another. `durations=False` leaves
    out the histogram of call durations, which is the one thing that costs each call something: a microsecond.

    Raises ConfigurationError where the registry exports another gear already.
    """

    def __init__(self, gear: Switchgear, *, registry: CollectorRegistry = REGISTRY, durations: bool = True) -> None:
        super().__init__(gear, durations=durations)
        self._registry = registry
        # There, custom collectors do not work: prometheus_client puts together what each process has written down.
        self._workers = Workers() if Workers.wanted() else None
        if self._workers is None:
            try:
                registry.register(self)
            except ValueError as exc:
                super().close()
                problem = (
                    "This registry exports another Switchgear. Give this one its own: registry=CollectorRegistry()."
                )
                raise ConfigurationError(problem) from exc

    @classmethod
    def of(cls, gear: Switchgear) -> PrometheusObserver:
        """The observer that exports this gear; the first call makes one, with a registry of its own."""
        known = next((observer for observer in gear.observers if isinstance(observer, cls)), None)
        return known or cls(gear, registry=CollectorRegistry())

    def close(self) -> None:
        """Export no more."""
        super().close()
        if self._workers is None:
            self._registry.unregister(self)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """As the function `render`."""
        encoder, content_type = choose_encoder(accept)
        if self._workers is None:
            return encoder(self._registry), content_type
        self._workers.write(self.read())
        return encoder(self._workers.together()), content_type

    def on_heartbeat(self, _event: Beat) -> None:
        """Let the other processes know, which may be asked for the metrics of all."""
        if self._workers is not None:
            self._workers.write(self.read())

    # -- as a collector of prometheus_client -----------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """All families, with and without series."""
        return map(exposed, self.read())

    def describe(self) -> Iterator[Metric]:
        """The families that there are in any case, so that no registry has them twice."""
        return (exposed(family_of(metric)) for metric in CORE)
