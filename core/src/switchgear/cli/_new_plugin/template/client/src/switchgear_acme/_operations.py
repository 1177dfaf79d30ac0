"""What is done to the server."""

from __future__ import annotations

from switchgear.spi import Operation

# FILL IN: more of them, as `guard` can tell them apart. `klass` is read, write, blocking, stream or admin; what is
# idempotent may be tried again.
CALL = Operation(name="acme.call", klass="read", idempotent=False)
