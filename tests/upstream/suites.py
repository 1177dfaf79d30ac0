"""All suites. Each client's are in a module of its own."""

from __future__ import annotations

from collections.abc import Iterable

from tests.upstream import openai_suites, redis_suites, s3_suites, sqlalchemy_suites
from tests.upstream.suite import Suite

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (*redis_suites.SUITES, *s3_suites.SUITES, *openai_suites.SUITES, *sqlalchemy_suites.SUITES)
}


def named(names: Iterable[str]) -> list[Suite]:
    """The suites that names mean, "redis" all whose names begin with it; no name: all. Raises KeyError."""
    wanted = list(names)
    found = {name: [known for known in SUITES if known == name or known.startswith(f"{name}-")] for name in wanted}
    for name, known in found.items():
        if not known:
            raise KeyError(name)
    return [suite for name, suite in SUITES.items() if not wanted or any(name in known for known in found.values())]
