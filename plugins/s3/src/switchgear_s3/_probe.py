"""What can be asked of a client, at little cost: does the service serve, who is it, how full is the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from switchgear.spi import ClientLimits

#: Answers about what was asked for, not about who asks. Those to a HEAD have no code but the status.
_ANSWERS = {"AccessDenied", "AllAccessDisabled", "NoSuchBucket", "403", "404"}


async def probe(client: Any, domain: str) -> bool:
    """Ask for the head of the bucket; for the service as a whole, for one bucket. Raises what the client raises: an
    answer of "no such bucket" is proof of life as well, one of "no access" is none."""
    if domain:
        await client.head_bucket(Bucket=domain)
    else:
        await client.list_buckets(MaxBuckets=1)
    return True


async def permissions(client: Any, domains: Sequence[str]) -> Mapping[str, str]:
    """Whether the account may do what `probe` does."""
    from botocore.exceptions import ClientError

    told: dict[str, str] = {}
    for bucket in dict.fromkeys(["", *domains]):
        what = f"head of the bucket {bucket}" if bucket else "list buckets"
        try:
            await probe(client, bucket)
            told[what] = ""
        except ClientError as exc:
            if exc.response.get("Error", {}).get("Code") not in _ANSWERS:
                raise
            told[what] = str(exc)
    return told


async def identify(client: Any) -> str:
    """What the server calls itself in its answers ("AmazonS3")."""
    from botocore.exceptions import ClientError

    answer: Any
    try:
        answer = await client.list_buckets(MaxBuckets=1)
    except ClientError as exc:  # those who may not list are told as well
        answer = exc.response
    return str(answer["ResponseMetadata"]["HTTPHeaders"].get("server", "S3"))


def limits(client: Any, _settings: object) -> ClientLimits:
    """As botocore was told."""
    config = client.meta.config
    attempts = config.retries.get("total_max_attempts") if config.retries else None
    return ClientLimits(
        timeout=config.read_timeout,
        connect_timeout=config.connect_timeout,
        connections=config.max_pool_connections,
        retries=None if attempts is None else attempts - 1,
    )


def gauges(client: Any) -> Mapping[str, float]:
    """Connections of the client's pool, and its multipart uploads."""
    from switchgear_s3._guard import guard_of

    connectors = _connectors(client)
    guard = guard_of(client._endpoint)
    return {
        "uploads_in_progress": len(guard.uploads) if guard else 0,
        "pool_in_use": sum(len(connector._acquired) for connector in connectors),
        "pool_idle": sum(len(idle) for connector in connectors for idle in connector._conns.values()),
        "pool_max": client.meta.config.max_pool_connections,
    }


def saturation(client: Any) -> Mapping[str, float]:
    """The share of its connections that carry a request or a body; of several proxies', the fullest. Nothing before the
    first request."""
    shares = [len(connector._acquired) / connector.limit for connector in _connectors(client) if connector.limit]
    return {"pool": max(shares)} if shares else {}


def _connectors(client: Any) -> list[Any]:
    sessions = getattr(client._endpoint.http_session, "_sessions", {})  # by proxy; made by the first request
    return [session.connector for session in sessions.values() if session.connector is not None]
