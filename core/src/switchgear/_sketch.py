"""Quantiles of many latencies from few numbers: a histogram whose buckets grow by a ratio, as DDSketch has it.

Each latency counts in the bucket that it falls into, so adding one is O(1), and the memory is that of the buckets in
use: never more than 210 of them from a microsecond to twenty minutes. A quantile is off by 5 % at most, however the
latencies are distributed.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log

_ERROR = 0.05
_RATIO = (1 + _ERROR) / (1 - _ERROR)
_LOG_RATIO = log(_RATIO)
#: Seconds; what is shorter or longer counts as this.
_SHORTEST, _LONGEST = 1e-6, 1200.0


def bucket(seconds: float) -> int:
    """Which bucket a latency falls into."""
    return ceil(log(min(max(seconds, _SHORTEST), _LONGEST)) / _LOG_RATIO)


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """The seconds that this share (0..1) of the latencies took at most; None without any. `counts` is by bucket."""
    rank = max(1, ceil(share * sum(counts.values())))
    for index in sorted(counts):
        rank -= counts[index]
        if rank <= 0:
            return 2 * _RATIO**index / (_RATIO + 1)
    return None
