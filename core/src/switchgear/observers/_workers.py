"""prometheus_client's multi-process mode: each process writes its numbers into files, and a scrape of any puts them
together. There, neither custom collectors nor exemplars work.

Counters of processes that have died stay, so that none falls; their gauges go, also where nobody calls
`mark_process_dead`. The directory is for the processes of one machine.
"""

# These parts of prometheus_client are not annotated.
# pyright: reportUnknownMemberType=false
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import multiprocess, values
from prometheus_client.core import CollectorRegistry

from switchgear._metrics import exported_name
from switchgear.observers._exposition import upper_bounds
from switchgear.observers._family import Distributions, Labels, Numbers


class _Cell(NamedTuple):
    """One number in the files."""

    kind: str
    family: str
    name: str
    label_names: Labels
    labels: Labels
    help: str
    mode: str = ""


class Workers:
    """The files, as one process writes and reads them."""

    def __init__(self) -> None:
        # Its types are not annotated. It keeps the place of a number in the file of this process, across forks too.
        self._cell: Any = values.ValueClass
        self._written: dict[_Cell, tuple[Any, float]] = {}

    @staticmethod
    def wanted() -> bool:
        """Whether prometheus_client is in that mode; it looks for PROMETHEUS_MULTIPROC_DIR when it is imported."""
        return values.ValueClass is not values.MutexValue

    def write(self, families: Iterable[Numbers | Distributions]) -> None:
        """Write the numbers of this process."""
        now = dict(pair for family in families for pair in _cells(family))
        # A gauge that is not there any more counts for nothing.
        gone = {cell: 0.0 for cell in self._written if cell.mode == "livesum" and cell not in now}
        for cell, value in (now | gone).items():
            place, written = self._written.get(cell) or (self._cell(*cell), None)
            if value != written:
                place.set(value)
                self._written[cell] = place, value

    @staticmethod
    def together() -> CollectorRegistry:
        """The numbers of all processes, those of the application's own metrics among them."""
        directory = os.environ["PROMETHEUS_MULTIPROC_DIR"]
        for pid in {file.stem.rpartition("_")[2] for file in Path(directory).glob("gauge_live*_*.db")}:
            if not _alive(int(pid)):
                multiprocess.mark_process_dead(pid, directory)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, directory)
        return registry


def _cells(family: Numbers | Distributions) -> Iterator[tuple[_Cell, float]]:
    metric = family.metric
    name = exported_name(metric)
    if isinstance(family, Distributions):
        for labels, counted in family.series.items():
            yield _Cell("histogram", name, f"{name}_sum", metric.labels, labels, metric.help), counted.sum
            for bound, count in zip(upper_bounds(counted), counted.counts, strict=True):
                names = *metric.labels, "le"
                yield _Cell("histogram", name, f"{name}_bucket", names, (*labels, bound), metric.help), count
        return
    mode = f"live{metric.merged}" if metric.kind == "gauge" else ""
    for labels, value in family.series.items():
        yield _Cell(metric.kind, name.removesuffix("_total"), name, metric.labels, labels, metric.help, mode), value


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it is somebody else's
    return True
