"""Health, metrics, events and a live page over HTTP, and middleware for applications: needs the extra "http".

app.mount("/switchgear", create_app(gear))                     # FastAPI, Starlette
app.add_middleware(SwitchgearMiddleware, gear=gear)
"""

from __future__ import annotations

_NEEDS = {"msgspec", "prometheus_client", "sse_starlette", "starlette"}

try:
    from switchgear.asgi._app import create_app
    from switchgear.asgi._middleware import SwitchgearMiddleware, by_header
except ModuleNotFoundError as exc:
    if exc.name is None or exc.name.partition(".")[0] not in _NEEDS:
        raise
    from switchgear._errors import MissingDependency

    raise MissingDependency(f"The package {exc.name}, which the endpoints need,", install="switchgear[http]") from exc

__all__ = ["SwitchgearMiddleware", "by_header", "create_app"]
