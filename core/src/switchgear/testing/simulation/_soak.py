"""Many seeds on all cores: which of them break an invariant."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat
from traceback import format_exception

from switchgear._gear_config import GearConfig
from switchgear.testing.simulation._run import InvariantBroken, Result, again, simulate

#: Seeds that a process does in one go, and seconds between two words on how it goes.
_CHUNK, _SAY = 10, 5.0


def outcome(seed: int, backend: str, file: str | None) -> Result | str:
    """What became of a seed, or in words what was broken."""
    try:
        return simulate(seed, backend=backend, config=None if file is None else _config(file))
    except InvariantBroken as broken:
        return str(broken)
    except Exception as error:  # noqa: BLE001 - also what nobody thought of is something to be looked at, with its seed
        return "".join(format_exception(error))


@cache
def _config(file: str) -> GearConfig:
    from switchgear._config import read_toml

    return read_toml(file)


def soak(seeds: int, start: int, backend: str, file: str | None = None) -> int:
    """Run so many seeds from `start` on; how it goes is said on standard error. 0: none broke anything."""
    began = said = time.monotonic()
    failed, calls, transitions, virtual = list[tuple[int, str]](), 0, 0, 0.0
    for done, (seed, came) in enumerate(_outcomes(seeds, start, backend, file), 1):
        if isinstance(came, str):
            failed.append((seed, came))
            _say(f"\nSeed {seed} failed.\n{came}\n")
        else:
            calls, transitions, virtual = calls + came.calls, transitions + came.transitions, virtual + came.seconds
        if time.monotonic() - said > _SAY or done == seeds:
            said = time.monotonic()
            _say(f"{done} of {seeds} seeds, {len(failed)} failed, {calls} calls, {transitions} transitions, "
                 f"{virtual / 3600:.1f} h of virtual time in {said - began:.0f} s")  # fmt: skip
    for seed, _ in failed:
        _say(again(seed, backend, file))
    return 1 if failed else 0


def _outcomes(seeds: int, start: int, backend: str, file: str | None) -> Iterator[tuple[int, Result | str]]:
    chosen = range(start, start + seeds)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        came = pool.map(outcome, chosen, repeat(backend), repeat(file), chunksize=_CHUNK)
        yield from zip(chosen, came, strict=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
