"""aioboto3 and aiobotocore: on the imitation of AWS that they are tested with, and on a real S3 server."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from switchgear.testing import SeaweedServer
from tests.upstream.suite import Run, Suite

#: Of its conftest: what a session is given, and what one of its fakes puts in that place.
_CREDENTIALS = {"xxx": "xxx", "ABCDEFGABCDEFGABCDEF": "YTYHRSshtrsTRHSrsTHRSTrthSRThsrTHsr"}


class ItsSeaweed(SeaweedServer):
    """Knows the credentials that the tests make up."""

    async def prepare(self) -> None:
        """Write these instead of its own."""
        await super().prepare()
        file = self.directory / "s3.json"
        configured = json.loads(file.read_text())
        configured["identities"][0]["credentials"] = [
            {"accessKey": key, "secretKey": secret} for key, secret in _CREDENTIALS.items()
        ]
        file.write_text(json.dumps(configured))


@contextmanager
def _moto(folder: Path) -> Generator[Run]:
    yield Run(folder)  # the tests start it themselves


@contextmanager
def _seaweed(folder: Path) -> Generator[Run]:
    with ItsSeaweed() as server:
        yield Run(folder, environment={"SWITCHGEAR_UPSTREAM_S3": server.endpoint})


def _aioboto3(
    name: str, prepare: Callable[[Path], AbstractContextManager[Run]], whole: Sequence[str], slice_: Sequence[str]
) -> Suite:
    return Suite(
        name=name,
        distribution="aioboto3",
        backend="s3",
        parts=("tests", "resources", "pyproject.toml"),
        prepare=prepare,
        options=("-q", "-p", "pytest_asyncio.plugin", "-p", "upstream_s3_server"),
        whole=tuple(whole),
        slice=tuple(slice_),
        least_guarded=1.0,
        requirements=(
            # As aioboto3 asks for them: it is not made for the newest of the first two.
            *("pytest==8.4.2", "pytest-asyncio==0.26.0", "chalice==1.34.0"),
            *("moto[server]==5.2.5", "dill==0.4.1", "cryptography==50.0.2"),
        ),
    )


#: The tests of what S3 alone does.
_S3 = "tests/test_s3.py", "tests/test_s3_cse.py"

SUITES = (
    _aioboto3("aioboto3", _moto, ["tests"], _S3[:1]),
    _aioboto3("aioboto3-seaweedfs", _seaweed, _S3, _S3[:1]),
    Suite(
        name="aiobotocore",
        distribution="aiobotocore",
        # The sdist of aioboto3's aiobotocore, which is 2.25.1, lacks its tests' conftest.py. This is the newest.
        release="aiobotocore==3.10.0 --hash=sha256:35480ef11c51e23087273b85d97f80da2f356a46ce5f3fb88e24483cd343ffdb",
        backend="s3",
        parts=("tests", "scripts", "pyproject.toml", "CHANGES.rst"),
        prepare=_moto,
        options=(
            *("-p", "anyio.pytest_plugin", "-p", "pytest_mock", "-p", "time_machine", "-p", "xdist"),
            *("-p", "upstream_loopback", "-q", "-n", "2", "--dist", "worksteal"),
            # Not those that want AWS itself.
            *("-m", "not localonly", "--http-backend=all"),
        ),
        whole=("tests",),
        slice=("tests/test_basic_s3.py", "-k", "asyncio-aiohttp"),
        least_guarded=0.4,
        requirements=(
            *("aiobotocore[httpx2]==3.10.0", "botocore==1.43.117", "boto3==1.43.117", "s3transfer==0.19.3"),
            *("pytest==9.0.3", "pytest-mock==3.17.0", "dill==0.4.1", "docker==7.2.0"),
            *("time-machine==3.6.0", "tiny-proxy==0.3.0", "trustme==1.2.1"),
            "moto[server,s3,sqs,awslambda,dynamodb,cloudformation,sns,batch,ec2,rds]==5.2.5",
        ),
    ),
)
