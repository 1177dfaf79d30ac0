"""What is done to the server, by the client's own word for it."""

from __future__ import annotations

from switchgear.spi import Operation

OPERATIONS = {
    "get": Operation(name="acme.get", klass="read", idempotent=True),
    "put": Operation(name="acme.put", klass="write", idempotent=True),
}
OTHER = Operation(name="acme.other", klass="admin")
