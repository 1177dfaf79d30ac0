from __future__ import annotations

import pytest

from switchgear.testing import VirtualClock


def test_it_moves_only_when_told_to() -> None:
    """Two looks without `advance` show the same time; `advance` adds its seconds."""
    clock = VirtualClock(start=10.0)
    assert (clock(), clock()) == (10.0, 10.0)
    clock.advance(2.5)
    assert clock() == 12.5


def test_it_never_goes_back() -> None:
    """A negative step is refused and changes nothing."""
    clock = VirtualClock(start=10.0)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)
    assert clock() == 10.0
