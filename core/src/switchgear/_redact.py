"""Text of foreign exceptions, made fit to keep: short, one line, and without secrets.

Drivers put URLs and headers into their messages; what a breaker keeps of them ends up in logs, metrics and pages.
"""

from __future__ import annotations

import re
from functools import cache

_LONGEST = 200  # characters: enough for an address and a reason

_SECRETS = (
    r"(?P<userinfo>(?<=://)[^\s/]*:[^\s/]*(?=@))"  # scheme://user:password@host
    r"|(?P<key>\b(?:sk|pk|rk)-[\w-]{8,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b)"  # keys of OpenAI's and AWS's shape
    r"|(?P<scheme>(?<=\bbearer )\S+|(?<=\bbasic )[\w+/=-]{8,})"  # of an Authorization header
    r"|(?P<named>(?<![\w-])(?:[\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key|authorization|signature|credential))"
    r"[\"']?\s*[=:]\s*(?!\"?(?:bearer|basic) )(?:\"[^\"]*\"?|'[^']*'?|[^\s\"'&,;]+))"
)


@cache
def _secrets() -> re.Pattern[str]:
    # At the first failure rather than at every start: it takes a millisecond.
    return re.compile(_SECRETS, re.IGNORECASE)


def _mask(match: re.Match[str]) -> str:
    if match.lastgroup != "named":
        return "***"
    name, sign, _ = re.split(r"(\s*[=:]\s*)", match.group(), maxsplit=1)
    return f"{name}{sign}***"


def redact(text: str, longest: int = _LONGEST) -> str:
    """The text on one line, without what looks like a secret, at most `longest` characters long."""
    # Cut before the search, generously, so that a huge message costs no more than a long one.
    masked = _secrets().sub(_mask, " ".join(text[: 8 * longest].split()))
    return masked if len(masked) <= longest else masked[: longest - 1] + "…"


def describe(exc: BaseException) -> tuple[str, str]:
    """Type and redacted text of an exception. Never raises, whatever the exception's own `__str__` does."""
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 - a foreign __str__ may raise anything, and must not replace the caller's error
        text = ""
    return type(exc).__name__, redact(text)
