"""What a check that fails raises."""

from __future__ import annotations


class Violation(AssertionError):
    """A plugin does not do what guards do: what was seen, and what to do about it."""

    def __init__(self, seen: str, advice: str) -> None:
        super().__init__(seen, advice)
        self.seen = seen
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.seen} {self.advice}"
