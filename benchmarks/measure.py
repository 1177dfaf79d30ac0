"""Interleaved rounds: every contender runs once in each round, in shuffled order, so that a busy moment of the machine
hits all of them; each round gives ratios within itself, and the medians of those are what is reported."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """Nanoseconds per call: the least and the median, and medians of the ratios to other contenders in one round."""

    least: float
    median: float
    ratios: dict[str, float]  #: name of the contender it is compared with -> ratio


def interleave(runs: dict[str, Callable[[], float]], *, rounds: int, against: tuple[str, ...]) -> dict[str, Figure]:
    """Each run returns the nanoseconds per call of one batch. Runs are compared with those named in `against`."""
    order = list(runs)
    shuffled = random.Random(0)
    results: dict[str, list[float]] = {name: [] for name in order}
    for run in runs.values():  # a warm-up, not counted
        run()
    for _ in range(rounds):
        shuffled.shuffle(order)
        for name in order:
            results[name].append(runs[name]())
    return {
        name: Figure(
            min(figures),
            median(figures),
            {
                other: median(mine / theirs for mine, theirs in zip(figures, results[other], strict=True))
                for other in against
                if other in results
            },
        )
        for name, figures in results.items()
    }
