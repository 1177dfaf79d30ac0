"""In which order strategies stand, outermost first, and what would go wrong in another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from switchgear._errors import ConfigurationError

#: Outermost first.
ORDER = ("fallback", "deadline", "retry", "hedge", "ratelimit", "throttle", "adaptive", "bulkhead", "breaker",
         "timeout", "chaos")  # fmt: skip

# (the outer, the inner): why not. What is not here may be as it is wanted.
_WRONG = {
    ("retry", "retry"): "their attempts would multiply: three times three is nine calls to a backend in trouble",
    ("hedge", "hedge"): "their attempts would multiply",
    ("breaker", "breaker"): "each outcome would be counted twice",
    ("retry", "fallback"): "a fallback's result looks like a success, so nothing would ever be tried again",
    ("retry", "deadline"): "each attempt would have the whole time again; the limit of one attempt is a timeout",
    ("hedge", "deadline"): "each attempt would have the whole time again; the limit of one attempt is a timeout",
    ("hedge", "retry"): "each of the parallel calls would be repeated by itself",
    ("timeout", "breaker"): "the breaker would take what the timeout ends for a call that its caller gave up, which "
    "says nothing about the backend, and would never open",
    ("timeout", "retry"): "one attempt's limit would end all attempts; the limit of the whole is a deadline",
    ("timeout", "hedge"): "one attempt's limit would end all attempts; the limit of the whole is a deadline",
    ("timeout", "deadline"): "one attempt's limit would end all attempts",
    ("timeout", "fallback"): "it would end the fallback too, which is there for the time after a timeout",
    ("timeout", "bulkhead"): "the wait for a place would be taken from the attempt",
    ("timeout", "ratelimit"): "the wait for a turn would be taken from the attempt",
    ("breaker", "fallback"): "a fallback's result looks like a success, so the breaker would never open",
    ("breaker", "deadline"): "the caller's own hurry would be counted against the backend",
    ("breaker", "retry"): "a whole row of failed attempts would count as one failure, and would be gone through to its "
    "end against a backend that is known to be down",
    ("breaker", "hedge"): "of two attempts the breaker would hear of one",
    ("breaker", "ratelimit"): "the wait for a turn would count as the backend's slowness",
    ("breaker", "bulkhead"): "the wait for a place would count as the backend's slowness",
    ("breaker", "adaptive"): "the wait for a place would count as the backend's slowness",
    ("ratelimit", "retry"): "further attempts would go by unpaced",
    ("ratelimit", "hedge"): "the second attempt would go by unpaced",
    ("throttle", "retry"): "further attempts would go by unthrottled",
    ("bulkhead", "retry"): "a call would hold its place while it waits to be tried again",
    ("bulkhead", "hedge"): "two attempts would have one place",
    ("adaptive", "retry"): "the waits between attempts would be measured as the backend's latency",
    ("adaptive", "hedge"): "two attempts would have one place",
    ("bulkhead", "ratelimit"): "a call would hold its place while it waits for its turn",
    ("adaptive", "ratelimit"): "the wait for a turn would be measured as the backend's latency",
    **{("chaos", inner): "what chaos injects has to meet everything that protects from it" for inner in ORDER[:-1]},
}


def check_order(names: Sequence[str]) -> None:
    """Raises ConfigurationError, with the reason, for strategies in an order that does not work."""
    for outer, inner in combinations(names, 2):
        why = _WRONG.get((outer, inner))
        if why is not None and outer == inner:
            raise ConfigurationError(f"There are two strategies {outer!r}: {why}. Take one away.")
        if why is not None:
            raise ConfigurationError(f"{outer!r} stands outside {inner!r}: {why}. Let {inner!r} stand further out.")
