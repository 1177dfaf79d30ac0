"""What happened in a simulation, as lines, and a digest of them: two runs are the same if their digests are."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable

#: Lines that are kept to be shown.
_KEPT = 40


class Trace:
    """Takes one line after another. `now` gives seconds."""

    def __init__(self, now: Callable[[], float], show: Callable[[str], None] | None = None) -> None:
        self._now = now
        self._show = show
        self._digest = hashlib.blake2b(digest_size=16)
        self.last: deque[str] = deque(maxlen=_KEPT)
        self.lines = 0

    def add(self, *words: object) -> None:
        """Something happened now."""
        line = f"{self._now():10.4f} {' '.join(map(str, words))}"
        self._digest.update(line.encode())
        self.last.append(line)
        self.lines += 1
        if self._show is not None:
            self._show(line)

    @property
    def digest(self) -> str:
        """Of all lines so far."""
        return self._digest.hexdigest()
