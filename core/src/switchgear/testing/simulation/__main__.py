"""Run one seed with its trace, or many on all cores."""

from __future__ import annotations

import argparse
import sys

from switchgear.testing.simulation._run import InvariantBroken, simulate
from switchgear.testing.simulation._soak import soak


def main(arguments: list[str] | None = None) -> int:
    """0: no invariant was broken; 1: one was."""
    parser = argparse.ArgumentParser(prog="python -m switchgear.testing.simulation", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="run this one, and show what happens")
    which.add_argument("--seeds", type=int, help="run so many, on all cores")
    parser.add_argument("--start", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    parser.add_argument("--config", help="a configuration file, in the place of a gear that the seed draws")
    given = parser.parse_args(arguments)
    config = None
    if given.config is not None:
        from switchgear._config import read_toml

        config = read_toml(given.config)
    if given.seeds is not None:
        return soak(given.seeds, given.start, given.backend, given.config)
    try:
        result = simulate(given.seed, backend=given.backend, config=config, show=print)
    except InvariantBroken as broken:
        print(broken, file=sys.stderr)  # noqa: T201
        return 1
    print(result)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
