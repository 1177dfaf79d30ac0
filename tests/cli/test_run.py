"""`switchgear run`: applications that know nothing of it, as programs, against real servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import venv
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from switchgear.testing import OpenAIServer, PostgresServer, SeaweedServer, ValkeyServer
from tests.cli.support import PROGRAM, environment

if TYPE_CHECKING:
    from anyio.abc import ByteReceiveStream, Process

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
#: What applications of these tests tell of themselves in the end.
TELL = """
def tell():
    import json, os, sys
    services = {}
    if "switchgear" in sys.modules:
        import switchgear
        for name, service in switchgear.process_gear().services.items():
            counts = services[name] = {}
            for one in service.group.snapshots():
                for verdict, count in (one.verdicts if one.domain else {}).items():
                    if count:
                        counts[str(verdict)] = counts.get(str(verdict), 0) + count
    print(json.dumps(services))
"""

Ran = subprocess.CompletedProcess[str]
Write = Callable[..., str]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # the SDKs run on nothing else


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a module of the application."""

    def write(code: str, name: str = "app") -> str:
        (tmp_path / f"{name}.py").write_text(TELL + textwrap.dedent(code))
        return f"{name}.py"

    return write


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Runs `switchgear run` in the folder of the application, until it ends."""

    async def run(*arguments: str, **environ: str) -> Ran:
        command = [PROGRAM, "run", *arguments]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        env = environment(**{"PATH": path, **environ})
        with anyio.fail_after(50):
            done = await anyio.run_process(command, cwd=tmp_path, env=env, check=False)
        return Ran(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def told(ran: Ran) -> Any:
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
async def valkey() -> AsyncGenerator[ValkeyServer]:
    async with ValkeyServer() as server:
        yield server


# -- what is guarded ---------------------------------------------------------------------------------------------------

SHOP = """
import asyncio, os

async def main():
    from redis.asyncio import Redis
    async with Redis.from_url(os.environ["REDIS_URL"]) as cache:
        await cache.set("key", "value")
        assert await cache.get("key") == b"value"

    import aioboto3
    async with aioboto3.Session().client("s3") as files:
        await files.create_bucket(Bucket="bucket")
        assert [each["Name"] for each in (await files.list_buckets())["Buckets"]] == ["bucket"]

    from openai import AsyncOpenAI
    async with AsyncOpenAI() as llm:
        answer = await llm.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
        assert answer.choices[0].message.content

    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine
    db = create_async_engine(os.environ["DATABASE_URL"])
    async with db.begin() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await db.dispose()
    tell()

asyncio.run(main())
"""


async def test_every_client_of_an_application_is_guarded(valkey: ValkeyServer, run: Any, write: Write) -> None:
    """Of all four SDKs, which it configures by its own environment: one service for each address, each call a success,
    and nothing of the credentials in a name."""
    async with AsyncExitStack() as stack:
        openai, seaweed, postgres = OpenAIServer(), SeaweedServer(), PostgresServer()
        for server in (openai, seaweed, postgres):
            await stack.enter_async_context(server)
        services = told(
            await run(
                "--", "python", write(SHOP), REDIS_URL=f"redis://:@127.0.0.1:{valkey.port}/2",
                AWS_ENDPOINT_URL_S3=seaweed.endpoint,
                AWS_ACCESS_KEY_ID=seaweed.access_key, AWS_SECRET_ACCESS_KEY=seaweed.secret_key,
                AWS_DEFAULT_REGION="us-east-1", OPENAI_BASE_URL=openai.base_url, OPENAI_API_KEY="sk-hush-hush",
                DATABASE_URL=postgres.url("asyncpg"),
            )
        )  # fmt: skip
        database = postgres.url("asyncpg").rpartition("/")[2].partition("?")[0]
        assert {name: counts.get("SUCCESS", 0) > 0 for name, counts in services.items()} == {
            f"redis-127.0.0.1:{valkey.port}-2": True,
            f"s3-{seaweed.endpoint.removeprefix('http://')}": True,
            f"openai-127.0.0.1:{openai.port}": True,
            f"db-127.0.0.1:{postgres.port}-{database}": True,
        }


OUTAGE = """
import asyncio, redis
from redis.asyncio import Redis

async def main():
    cache = Redis(port=1)
    for _ in range(2):
        try:
            await cache.get("key")
        except redis.ConnectionError as error:
            print(type(error).__name__)
    await cache.aclose()

asyncio.run(main())
"""


async def test_an_outage_opens_the_breaker(run: Any, write: Write) -> None:
    """The application's own except clause, and what it falls back on, meets the client's error, then the refusal."""
    ran = await run("--", "python", write(OUTAGE))
    assert ran.stdout.split() == ["ConnectionError", "RedisCallNotPermitted"]


async def test_a_service_is_configured_by_its_address(
    valkey: ValkeyServer, run: Any, write: Write, tmp_path: Path
) -> None:
    """What the file says of the service at the client's address holds, also when the application changes its folder."""
    (tmp_path / "gear.toml").write_text(f"""
        [services.cache]
        plugin = "redis"
        settings.url = "redis://127.0.0.1:{valkey.port}/1"
        [capabilities.shop]
        requires = ["cache"]
    """)
    app = write(f"""
        import asyncio, os
        os.chdir("/")
        from redis.asyncio import Redis

        async def main():
            for database in (1, 2):
                async with Redis(host="127.0.0.1", port={valkey.port}, db=database) as cache:
                    await cache.ping()
            tell()

        asyncio.run(main())
    """)
    services = told(await run("--config", "gear.toml", "--", "python", app))
    assert sorted(services) == ["cache", f"redis-127.0.0.1:{valkey.port}-2"]


async def test_an_application_that_guards_by_hand_is_guarded_once(valkey: ValkeyServer, run: Any, write: Write) -> None:
    """Its own service takes the client over; the calls are counted there alone."""
    app = write(f"""
        import asyncio
        from redis.asyncio import Redis
        from switchgear import Switchgear
        import switchgear_redis

        async def main():
            gear = Switchgear()
            cache = switchgear_redis.guard(Redis(host="127.0.0.1", port={valkey.port}), gear, name="cache")
            await cache.ping()
            await cache.aclose()
            assert gear.service("cache").group.snapshots()[-1].calls == 1
            tell()

        asyncio.run(main())
    """)
    assert told(await run("--", "python", app)) == {f"redis-127.0.0.1:{valkey.port}": {}}


CHILDREN = """
import asyncio, multiprocessing, os, subprocess, sys
from redis.asyncio import Redis

cache = Redis(host="127.0.0.1", port=int(os.environ["PORT"]))  # before the fork

async def ping(client):
    await client.ping()
    await client.aclose()

def work():
    asyncio.run(ping(Redis(host="127.0.0.1", port=int(os.environ["PORT"]))))
    tell()

if __name__ == "__main__":
    if sys.argv[1:] == ["again"]:
        work()
    else:
        subprocess.run([sys.executable, __file__, "again"], check=True)
        for method in ("spawn", "fork"):
            process = multiprocessing.get_context(method).Process(target=work)
            process.start()
            process.join()
"""


async def test_child_processes_are_covered_too(valkey: ValkeyServer, run: Any, write: Write) -> None:
    """Those that it starts as programs, those that it spawns, and those that it forks with its clients made."""
    ran = await run("--", "python", write(CHILDREN), PORT=str(valkey.port))
    assert ran.stderr == ""
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert lines == [{f"redis-127.0.0.1:{valkey.port}": {"SUCCESS": 1}}] * 3


# -- what stays as it was ----------------------------------------------------------------------------------------------


async def test_the_program_takes_the_place_of_the_command(run: Any, write: Write) -> None:
    """Its arguments, its output and its exit code are its own."""
    app = write("import sys; print(sys.argv[1:]); print('oops', file=sys.stderr); sys.exit(7)")
    ran = await run("--", "python", app, "--config", "its own", "-h")
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, "['--config', 'its own', '-h']\n", "oops\n")


async def test_a_module_is_run_by_the_python_of_switchgear(run: Any, write: Write) -> None:
    """`-m module`, as its users know it from python."""
    write("import sys; print(__name__, sys.argv[1:], sys.executable)", "module")
    ran = await run("--", "-m", "module", "argument")
    assert ran.stdout == f"__main__ ['argument'] {sys.executable}\n"


async def test_a_process_that_uses_no_sdk_loads_nothing(run: Any, write: Write) -> None:
    """Not one module of ours, or of what we need, and nothing on its path."""
    app = write("""
        import sys
        print(sorted(name for name in sys.modules if name.startswith(("switchgear", "anyio", "asyncio", "pluggy"))))
        print([path for path in sys.path if "bootstrap" in path])
    """)
    assert (await run("--", "python", app)).stdout == "[]\n[]\n"


@pytest.mark.parametrize("theirs", ["pass", "import redis", None])
async def test_an_existing_sitecustomize_is_run(run: Any, write: Write, tmp_path: Path, theirs: str | None) -> None:
    """Once, under its own name, and where there is none nothing is said; either way clients are guarded."""
    folder = tmp_path / "site"
    folder.mkdir()
    if theirs is not None:
        (folder / "sitecustomize.py").write_text(f"import builtins; builtins.theirs = __name__; {theirs}")
    app = write("""
        import builtins
        from redis.asyncio import Redis
        print(getattr(builtins, "theirs", "none"), type(Redis(port=1)).__mro__[1].__name__)
    """)
    ran = await run("--", "python", app, PYTHONPATH=str(folder))
    assert ran.stdout.split() == ["none" if theirs is None else "sitecustomize", "GuardedRedis"]
    assert ran.stderr == ""


async def test_an_existing_sitecustomize_may_fail(run: Any, write: Write, tmp_path: Path) -> None:
    """Python says so, as it would without us, and goes on."""
    (tmp_path / "sitecustomize.py").write_text("raise OSError('theirs')")
    ran = await run("--", "python", "-c", "print('goes on')", PYTHONPATH=str(tmp_path))
    assert (ran.returncode, ran.stdout) == (0, "goes on\n")
    says = "Error in sitecustomize; set PYTHONVERBOSE for traceback:\nOSError: theirs\n"
    assert ran.stderr == 2 * says  # of the command, and of the application


async def test_pythonpath_is_what_it_was_behind_ours(run: Any, write: Write) -> None:
    """Also with an empty entry, which means the folder that the process is in; and once, however often it is run."""
    app = write("import os; print(os.environ['PYTHONPATH'].split(os.pathsep)[1:])")
    for before in ("a:b", ":a", "a"):
        ran = await run("--", "switchgear", "run", "--", "python", app, PYTHONPATH=before)
        assert ran.stdout == f"{before.split(':')}\n"


async def test_another_python_is_left_alone(run: Any, write: Write, tmp_path: Path) -> None:
    """One that has no switchgear runs as ever; once it uses an SDK, which is not guarded there, it says so."""
    venv.create(tmp_path / "venv", symlinks=True)
    (tmp_path / "redis" / "asyncio").mkdir(parents=True)
    for file in ("__init__.py", "asyncio/__init__.py", "asyncio/client.py"):
        (tmp_path / "redis" / file).touch()
    python = str(tmp_path / "venv" / "bin" / "python")
    ran = await run("--", python, write("print('goes on')"))
    assert (ran.stdout, ran.stderr) == ("goes on\n", "")
    ran = await run("--", python, write("import redis.asyncio.client; print('goes on')"))
    assert ran.stdout == "goes on\n"
    assert "clients are not guarded in process" in ran.stderr
    assert "No module named 'switchgear'" in ran.stderr


async def test_the_application_runs_also_where_it_cannot_be_guarded(run: Any, write: Write) -> None:
    """A configuration that breaks while it runs costs the guard, with a word on standard error, and not the service."""
    app = write("""
        import os
        os.environ["SWITCHGEAR_CONFIG"] = "none.toml"
        from redis.asyncio import Redis
        print(type(Redis(port=1)) is Redis)
    """)
    ran = await run("--", "python", app)
    assert ran.returncode == 0
    assert ran.stdout == "True\n"
    assert ran.stderr.count("clients are not guarded") == 1
    assert "none.toml" in ran.stderr


# -- what is refused before anything runs ------------------------------------------------------------------------------


async def test_a_wrong_configuration_is_refused_before_the_program_runs(run: Any, write: Write, tmp_path: Path) -> None:
    """While somebody is looking, with all that is wrong; the application is not started."""
    (tmp_path / "gear.toml").write_text('[services.cache]\nplugin = "redsi"\nsettings.url = "redis://:hush@h"\n')
    ran = await run("--config", "gear.toml", "--", "python", write("print('ran')"))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Did you mean 'redis'?" in ran.stderr
    assert "hush" not in ran.stderr


async def test_a_program_that_is_not_there_is_one_paragraph(run: Any) -> None:
    """And exit code 2."""
    ran = await run("--", "no-such-program-anywhere")
    assert ran.returncode == 2
    assert ran.stderr.startswith("Error: no-such-program-anywhere cannot be run: No such file or directory.")
    assert "Traceback" not in ran.stderr


# -- its endpoints -----------------------------------------------------------------------------------------------------

WAITING = """
import asyncio, os
from redis.asyncio import Redis

async def main():
    cache = Redis(host="127.0.0.1", port=int(os.environ["PORT"]))
    await cache.ping()
    print(os.getpid(), flush=True)
    await asyncio.Event().wait()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("left", flush=True)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


async def get(port: int, path: str) -> str:
    """What the endpoints answer, once they listen."""

    def ask() -> str:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    with anyio.fail_after(20):
        while True:
            try:
                return await anyio.to_thread.run_sync(ask)
            except ConnectionRefusedError:
                await anyio.sleep(0.05)


@asynccontextmanager
async def running(command: list[str], folder: Path, **environ: str) -> AsyncGenerator[Process]:
    """A program with the lines that it prints; killed in the end, if it has not left."""
    async with await anyio.open_process(command, cwd=folder, env=environment(**environ)) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def line(stream: ByteReceiveStream | None) -> str:
    assert stream is not None
    received = b""
    with anyio.fail_after(30):
        while not received.endswith(b"\n"):
            received += await stream.receive(1)
    return received.decode()


async def test_the_process_serves_what_it_knows(valkey: ValkeyServer, write: Write, tmp_path: Path) -> None:
    """With --serve: the page, health and metrics of its own calls. Another process says that the port is taken, and
    works; a signal ends both as ever."""
    port = free_port()
    command = [PROGRAM, "run", "--serve", str(port), "--", sys.executable, write(WAITING)]
    async with running(command, tmp_path, PORT=str(valkey.port)) as first:
        assert await line(first.stdout) == f"{first.pid}\n"  # it took the command's place
        state = json.loads(await get(port, "/api/state"))
        assert [service["name"] for service in state["services"]] == [f"redis-127.0.0.1:{valkey.port}"]
        assert "switchgear_breaker_calls_total" in await get(port, "/metrics")
        async with running(command, tmp_path, PORT=str(valkey.port)) as second:
            assert await line(second.stdout) == f"{second.pid}\n"
            assert (await line(second.stderr)).startswith(f"Port {port} cannot be listened at")
            for process in (first, second):
                process.send_signal(signal.SIGINT)
                assert await line(process.stdout) == "left\n"
                with anyio.fail_after(20):
                    assert await process.wait() == 0
