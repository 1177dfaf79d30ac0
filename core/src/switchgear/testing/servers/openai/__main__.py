"""Runs the OpenAI stand-in: `python -m switchgear.testing.servers.openai --port N`."""

from __future__ import annotations

import argparse
import asyncio
from importlib.metadata import PackageNotFoundError, version

from switchgear.testing.servers.openai._connection import Board, Connection


async def main(port: int) -> None:
    """Serves until it is killed."""
    try:
        board = Board(version("switchgear"))
    except PackageNotFoundError:  # run from a source tree
        board = Board("0")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(board, reader, writer).serve()

    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m switchgear.testing.servers.openai", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port of 127.0.0.1 to listen on")
    asyncio.run(main(parser.parse_args().port))
