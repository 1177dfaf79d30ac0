"""What the client's errors say of the server."""

from __future__ import annotations

from switchgear.spi import Verdict

#: By the name of the class, so that the client need not be imported; an error whose class is not here is as its base.
#: FILL IN: the errors of acme_client. What is not here, nor a base of it, is a FAILURE.
VERDICTS: dict[str, Verdict] = {
    # "NotFound": Verdict.SUCCESS,  # it served, and said no
    # "TooManyRequests": Verdict.THROTTLED,  # it is alive, and asks for less
    # "QuotaExceeded": Verdict.EXHAUSTED,  # it will not serve until the quota is renewed
    # "PoolTimeout": Verdict.IGNORED,  # it was not asked
}


def classify(exc: BaseException) -> Verdict:
    """The verdict on an error."""
    known = (VERDICTS[kind.__name__] for kind in type(exc).__mro__ if kind.__name__ in VERDICTS)
    return next(known, Verdict.FAILURE)
