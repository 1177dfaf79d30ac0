"""What a refused call raises. May import the client: it is imported by `guard` and not before."""

from __future__ import annotations

from switchgear.spi import CallNotPermitted


# FILL IN: it should also be the client's own error for a server that cannot be reached, so that `except` clauses hold:
# class AcmeCallNotPermitted(CallNotPermitted, acme_client.ConnectionError)
class AcmeCallNotPermitted(CallNotPermitted):
    """A refusal by the breaker."""
