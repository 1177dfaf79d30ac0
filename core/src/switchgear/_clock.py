"""Time as the core sees it: a callable that returns seconds and never goes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]

#: Not the wall clock: setting a host's date must never shorten, or lengthen, the time a breaker stays open.
monotonic: Clock = time.monotonic
