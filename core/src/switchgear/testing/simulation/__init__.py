"""Seeded simulation: a whole gear on virtual time, with callers, backends, outages and operators that a seed draws.

    simulate(7)                                     # raises InvariantBroken, or returns what became of it
    simulate(7, config=read_toml("switchgear.toml"))

Each run has two phases. In the first, faults come and go, and at every step the invariants of DESIGN 11 are checked. In
the second they are over, and within a bounded time all breakers have to be closed, all levels full, every call served,
every permit back and no task left. The same seed gives the same run, step by step: `Result.digest` says so.

    python -m switchgear.testing.simulation --seed 7            # one seed, with its trace
    python -m switchgear.testing.simulation --seeds 10000       # many, on all cores
"""

from __future__ import annotations

from switchgear.testing.simulation._plan import Plan
from switchgear.testing.simulation._run import InvariantBroken, Result, simulate

__all__ = ["InvariantBroken", "Plan", "Result", "simulate"]
