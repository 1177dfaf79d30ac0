"""Locks that a fork leaves in order."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol, TypeVar


class _Lock(Protocol):
    @property
    def acquire(self) -> Callable[[], Any]: ...
    @property
    def release(self) -> Callable[[], Any]: ...


LockT = TypeVar("LockT", bound=_Lock)


def fork_safe(lock: LockT) -> LockT:
    """The same lock, taken over each fork: the child finds nothing half done, and no lock that nobody will release."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
