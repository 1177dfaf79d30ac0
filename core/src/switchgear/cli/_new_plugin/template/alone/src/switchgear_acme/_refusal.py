"""What a refused call raises. Imports the client, and so is imported by `guard` and not before."""

from __future__ import annotations

from switchgear.spi import CallNotPermitted
from switchgear_acme.client import Unreachable


class AcmeCallNotPermitted(CallNotPermitted, Unreachable):
    """A refusal that is the client's own error for a server that cannot be reached: `except` clauses hold."""
