"""What holds for all endpoints: headers, hosts, methods, the page, and that asking calls no backend."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from switchgear import Switchgear, asgi
from switchgear.asgi import create_app
from switchgear.testing.servers.valkey import ValkeyServer
from tests.asgi.support import TOKEN, ask, shop, subscribed
from tests.backends import GET

pytestmark = pytest.mark.anyio

PAGE = Path(asgi.__file__).with_name("page")
READ = ["/livez", "/startupz", "/readyz", "/healthz", "/metrics", "/api/state", "/api/timeline", "/api/session",
        "/api/services/db", "/api/capabilities/checkout", "/api/openapi.json", "/", "/nowhere"]  # fmt: skip


@pytest.mark.parametrize("path", READ)
async def test_every_answer_tells_browsers_to_be_careful(path: str) -> None:
    """No inline script, nothing from elsewhere, no guessing of types, no copies kept; errors included."""
    async with shop() as board:
        for method in ("GET", "HEAD", "POST"):
            headers = (await ask(board.app, path, method=method)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in headers


async def test_the_page_is_served_with_all_that_it_asks_for() -> None:
    """By addresses relative to wherever it is mounted, each with its type."""
    async with shop() as board:
        reply = await ask(board.app, "/")
        assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
        wanted = re.findall(r'(?:src|href)="(page[^"#]+)"', reply.body.decode())
        assert {"page/page.js", "page/page.css"} <= set(wanted)
        types = {".js": "javascript", ".css": "text/css", ".svg": "image/svg+xml"}
        for address in [*wanted, *(f"page/{file.name}" for file in PAGE.glob("*.js"))]:
            reply = await ask(board.app, f"/{address}")
            assert reply.status == 200
            assert types[Path(address).suffix] in reply.headers["content-type"]


@pytest.mark.parametrize("path", ["/page/../_app.py", "/page/%2e%2e/_app.py", "/page//etc/passwd", "/page/"])
async def test_nothing_but_the_page_is_served(path: str) -> None:
    """Whatever the way to it is called."""
    async with shop() as board:
        assert (await ask(board.app, path)).status in {404, 405}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9464", 200),
        ("localhost", 200),
        ("[::1]:9464", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("", 400),
        ("127.0.0.1:9464@evil.example", 400),
    ],
)
async def test_where_hosts_are_named_no_other_is_answered(host: str, status: int) -> None:
    """A web site that points its own name at the loopback reads nothing."""
    async with shop(hosts=["127.0.0.1", "localhost", "[::1]", "::1"]) as board:
        assert (await ask(board.app, "/api/state", headers={"host": host})).status == status


async def test_without_named_hosts_any_is_answered() -> None:
    """A mounted application has its own ways, and a probe asks by the address."""
    async with shop() as board:
        assert (await ask(board.app, "/livez", headers={"host": "10.1.2.3:80"})).status == 200


async def test_a_method_that_there_is_not_is_answered_with_those_that_there_are() -> None:
    """All of the path's."""
    async with shop() as board:
        reply = await ask(board.app, "/api/capabilities/checkout/override", method="PUT")
        assert reply.status == 405
        assert set(reply.headers["allow"].split(", ")) == {"POST", "DELETE"}


async def test_no_answer_has_a_secret_in_it() -> None:
    """Neither the token nor what an exception's text gives away."""
    async with shop(token=TOKEN) as board:
        with pytest.raises(ConnectionError), board.gear.service("db").admit(GET):
            raise ConnectionError("redis://user:hunter2@db.example:6379 refused, password=hunter2")
        order = {"reason": "token=hunter2", "for": 60}
        await ask(board.app, "/api/services/db/isolate", method="POST", body=order, token=TOKEN)
        async with subscribed(board.app) as subscriber:
            await subscriber.until(lambda: subscriber.frames("state"))
            said = [json.dumps(subscriber.frames()), *[(await ask(board.app, path)).body.decode() for path in READ]]
        assert any("ConnectionError" in one for one in said)
        for one in said:
            assert "hunter2" not in one
            assert TOKEN not in one


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # redis has no other
async def test_invariant_35_asking_calls_no_backend() -> None:
    """Counted by a real server, while its breaker is closed and while it is open: nothing but our own question."""
    redis = pytest.importorskip("switchgear_redis", reason="needs the redis plugin")
    from redis.asyncio import Redis

    async with ValkeyServer() as server, Redis.from_url(server.url) as own:
        gear = Switchgear()
        async with Redis.from_url(server.url) as client, gear:
            redis.guard(client, gear, name="cache")
            gear.capability("shop", requires=["cache"])
            app = create_app(gear)
            await client.ping()
            for state in ("closed", "open"):
                if state == "open":
                    gear.breaker("cache").force_open("why not")
                before = (await own.info("stats"))["total_commands_processed"]
                for path in [*READ, "/api/services/cache", "/api/capabilities/shop"]:
                    await ask(app, path)
                async with subscribed(app) as subscriber:
                    await subscriber.until(partial(subscriber.frames, "state"))
                after = (await own.info("stats"))["total_commands_processed"]
                assert after - before == 1  # the question before


@pytest.mark.parametrize("module", ["starlette", "sse_starlette", "msgspec", "prometheus_client"])
def test_without_the_extra_it_says_what_to_install(module: str) -> None:
    """One sentence with the command that mends it."""
    code = f"import sys; sys.modules['{module}'] = None; import switchgear.asgi"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert re.search(r'MissingDependency: .* is not installed\. Install it with: pip install "switchgear\[', run.stderr)
