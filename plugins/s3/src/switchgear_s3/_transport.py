"""Uploads that end."""

from __future__ import annotations

import asyncio
from typing import Any

from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import ReadTimeoutError


def transport(read_timeout: float, min_upload_rate: float) -> type[AIOHTTPSession]:
    """What sends a client's requests, with an end to those that upload: `read_timeout` seconds, and as long as their
    bytes take at `min_upload_rate` a second.

    aiohttp times only what it reads. It waits without end for a server's leave to send a body ("100 Continue"), which
    botocore asks for before most uploads, and for it to take that body: a server that hangs holds an upload for ever.
    """

    class Transport(AIOHTTPSession):
        async def send(self, request: Any) -> Any:
            if request.method != "PUT" or not request.body:
                return await super().send(request)
            length = request.headers.get("X-Amz-Decoded-Content-Length") or request.headers.get("Content-Length") or 0
            try:
                async with asyncio.timeout(read_timeout + int(length) / min_upload_rate):
                    return await super().send(request)
            except TimeoutError as exc:
                raise ReadTimeoutError(endpoint_url=request.url, error=exc) from exc

    return Transport
