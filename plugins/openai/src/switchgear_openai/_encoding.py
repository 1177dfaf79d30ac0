"""Content encodings: bodies pass the guard as they came over the wire."""

from __future__ import annotations

import zlib
from collections.abc import Callable


def decoder(encoding: bytes) -> Callable[[bytes], bytes] | None:
    """Decodes a body piece by piece; raises zlib.error. None: not an encoding that the standard library knows."""
    if encoding in {b"", b"identity"}:
        return bytes
    if encoding in {b"gzip", b"deflate"}:
        return zlib.decompressobj(32 + zlib.MAX_WBITS).decompress
    return None
