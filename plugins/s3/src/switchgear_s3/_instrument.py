"""Where clients come from, where they go, and whose they are. Asked when there is a client, so the SDK is loaded."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from switchgear.spi import Instrument, Service
from switchgear_s3._connect import S3Settings


def owner(client: Any) -> Service | None:
    """The service that guards a client."""
    from switchgear_s3._guard import guard_of

    guard = guard_of(getattr(client, "_endpoint", None))
    return None if guard is None else guard.service


def _address(client: Any) -> str | None:
    """The host, of AWS by its region alone; None: a client of another service of AWS."""
    meta = client.meta
    if meta.service_model.service_name != "s3":
        return None
    host = _host(meta.endpoint_url)
    return _aws(meta.region_name) if host.endswith(".amazonaws.com") else host


def _address_in(settings: S3Settings) -> str | None:
    """What is left out, the SDK takes from the environment. It looks at files and instances, too; that is not told."""
    environ = os.environ
    endpoint = settings.endpoint_url or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        return _host(endpoint)
    region = settings.region_name or environ.get("AWS_DEFAULT_REGION")
    return _aws(region) if region else None


def _aws(region: str) -> str:
    return f"s3.{region}.amazonaws.com"


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


INSTRUMENT: Instrument[Any, S3Settings] = Instrument(
    # That of boto3's clients too: they block and cannot be guarded, of which the log is told.
    made_by=("botocore.client:BaseClient.__init__",),
    address=_address,
    address_in=_address_in,
)
