"""The last good results, to serve when no new ones can be had."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, NamedTuple

from switchgear._call import Call

#: Keys come from calls, so a stranger may make them up: there is a bound.
MOST_KEPT = 1024


class Kept(NamedTuple):
    """A result, and when it was had."""

    result: Any
    at: float


class LastGood:
    """The last good result for each key; at the bound the one that was renewed longest ago makes room."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()

    def keep(self, key: Hashable, result: Any, now: float) -> None:
        """A call was answered by the backend."""
        self._kept[key] = Kept(result, now)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def get(self, key: Hashable, not_before: float) -> Kept | None:
        """The last good result, unless it is older than that."""
        kept = self._kept.get(key)
        return None if kept is None or kept.at < not_before else kept


def key_of(call: Call) -> Hashable:
    """By what a result is kept: the operation and its arguments. None, so not at all, where the arguments are not to be
    seen, as inside a service's guard, or cannot be told apart.
    """
    if call.arguments is None:
        return None
    args, keywords = call.arguments
    key = call.operation.name, call.domain, args, frozenset(keywords.items())
    try:
        hash(key)
    except TypeError:
        return None
    return key
