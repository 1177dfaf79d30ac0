"""A certificate that was good once."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


def expired(folder: Path) -> tuple[ssl.SSLContext, str]:
    """What a server on this machine shows, and the file with the authority that clients are to trust: nothing but the
    date is wrong.
    """
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(folder / "trusted")
    past = datetime(2020, 1, 1, tzinfo=UTC)
    hosts = ("127.0.0.1", "localhost")
    authority.issue_cert(*hosts, not_before=past, not_after=past + timedelta(days=1)).configure_cert(server)
    return server, str(folder / "trusted")
