"""Where this is mounted, whatever the framework round it makes of paths.

Starlette and FastAPI leave the path whole and say in `root_path` how much of it is theirs; Litestar takes its part off,
and ends what is left in a slash. The path as it came over the wire is untouched by both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class AnySlash:
    """Pure ASGI middleware: a path means the same with a slash at its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/") if scope["type"] == "http" else ""
        if path and path != scope.get("root_path", "").rstrip("/"):
            scope = {**scope, "path": path}
        await self._app(scope, receive, send)


def asked_for(scope: Scope) -> str:
    """The path as it came over the wire, which is quoted."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1")


def mounted_at(scope: Scope, path: str) -> str:
    """Where an application is mounted at that has just been asked for this path of its own; "" for the root."""
    here, root = asked_for(scope).rstrip("/").removesuffix(path), scope.get("root_path", "").rstrip("/")
    return here if here.startswith(root) else root + here
