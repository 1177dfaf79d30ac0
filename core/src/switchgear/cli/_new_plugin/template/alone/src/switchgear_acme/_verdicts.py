"""What the client's errors say of the server."""

from __future__ import annotations

from switchgear.spi import Verdict

#: By the name of the class, so that the client need not be imported; an error whose class is not here is as its base.
VERDICTS = {
    "Declined": Verdict.SUCCESS,  # it served, and said no
    "Busy": Verdict.THROTTLED,  # it is alive, and asks for less
    "QuotaExceeded": Verdict.EXHAUSTED,  # it will not serve until the quota is renewed
    "Unreachable": Verdict.FAILURE,
}


def classify(exc: BaseException) -> Verdict:
    """The verdict on an error, with the wait that the server asks for. What nobody knows is a FAILURE."""
    known = (VERDICTS[kind.__name__] for kind in type(exc).__mro__ if kind.__name__ in VERDICTS)
    retry_after: float | None = getattr(exc, "retry_after", None)
    return next(known, Verdict.FAILURE).after(retry_after)
