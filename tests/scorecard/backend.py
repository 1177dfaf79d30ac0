"""The backend that is called in the tests of the scorecard."""

from __future__ import annotations

from anyio.lowlevel import checkpoint


class Backend:
    """A coroutine function that counts how often it was begun."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = 0
        self.error = error

    async def get(self, key: str = "k") -> str:
        self.begun += 1
        await checkpoint()
        if self.error is not None:
            raise self.error
        return key
