"""Whose exceptions callers get: a guard makes none but refusals, and passes the client's own on as they are."""

from __future__ import annotations

import traceback
from pathlib import Path

import switchgear
from switchgear import SwitchgearError

_ROOT = Path(__file__).parents[1]
_OURS = (str(Path(switchgear.__file__).parent), *(str(path) for path in _ROOT.glob("plugins/*/src")))


def untouched(error: Exception) -> Exception:
    """The error, after a look at where it comes from: unless it is one of ours, neither it nor any that it names as its
    cause or context was raised by our code, which would have put it in the place of another."""
    link: BaseException | None = error
    while link is not None and not isinstance(error, SwitchgearError):
        frames = traceback.extract_tb(link.__traceback__)
        assert not frames or not frames[-1].filename.startswith(_OURS), f"raised by a guard: {link!r}"
        link = link.__cause__ or link.__context__
    return error
