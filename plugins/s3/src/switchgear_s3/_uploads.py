"""The multipart uploads of one client, by what the server has said of them."""

from __future__ import annotations

from typing import Any

from switchgear.spi import Service

BEGIN, PART, END, ABORT = "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload"

#: An upload that another client ends is forgotten when so many others have begun.
_MOST = 1000


class Uploads:
    """Which are in progress: begun here, and neither completed nor given up here."""

    def __init__(self) -> None:
        self._begun: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._begun)

    def heard(self, service: Service, operation: str, parsed: dict[str, Any], upload: str) -> None:
        """The server has done an operation, which belongs to that upload if it belongs to any."""
        if operation == PART:
            service.count("multipart_parts")
        elif operation == BEGIN:
            self._begun[parsed["UploadId"]] = None
            if len(self._begun) > _MOST:
                del self._begun[next(iter(self._begun))]
        elif operation in {END, ABORT}:
            self._begun.pop(upload, None)
