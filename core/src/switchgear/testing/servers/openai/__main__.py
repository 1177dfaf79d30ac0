"""Runs the OpenAI stand-in: python -m switchgear.testing.servers.openai --port N"""

from __future__ import annotations

import argparse
import asyncio
from importlib.metadata import PackageNotFoundError, version

from switchgear.testing.servers.openai._connection import Board, Connection


async def main(port: int) -> None:
    try:
        board = Board(version("switchgear"))
    except PackageNotFoundError:  # run from a source tree
        board = Board("0")
    server = await asyncio.start_server(lambda reader, writer: Connection(board, reader, writer).serve(), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m switchgear.testing.servers.openai", description="A stand-in for OpenAI's API.")
    parser.add_argument("--port", type=int, required=True, help="port of 127.0.0.1 to listen on")
    asyncio.run(main(parser.parse_args().port))
