"""Where a client can be guarded, and whether it is as this plugin knows it."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

from switchgear.spi import ConfigurationError

#: The waist is the client's endpoint: every attempt at every operation passes these methods; and before it, each
#: operation as a whole one of the client's own. They are private, and have had these parameters from aiobotocore 2.25
#: to 3.10.
_WAIST = {
    "_do_get_response": ["request", "operation_model", "context"],
    "_needs_retry": ["attempts", "operation_model", "request_dict", "response", "caught_exception"],
    "_make_api_call": ["operation_name", "api_params"],
}


def waist_of(client: Any) -> Any:
    """The client's endpoint. Raises ConfigurationError where it is not as it is known to be."""
    model = getattr(getattr(client, "meta", None), "service_model", None)
    if getattr(model, "service_name", None) != "s3":
        kind = type(client).__name__
        raise ConfigurationError(f"{kind} is no S3 client of aioboto3 or aiobotocore. Guard one that is.")
    endpoint = getattr(client, "_endpoint", None)
    for name, parameters in _WAIST.items():
        method = getattr(client if name == "_make_api_call" else endpoint, name, None)
        if name == "_do_get_response" and method is not None and not inspect.iscoroutinefunction(method):
            raise ConfigurationError(
                "This client is of boto3 and blocks. switchgear-s3 guards those of aioboto3 and aiobotocore: make one "
                "with aioboto3.Session().client('s3')."
            )
        if method is None or list(inspect.signature(method).parameters) != parameters:
            raise ConfigurationError(
                f"aiobotocore {version('aiobotocore')} is an unsupported version: its {name} is not as in 2.25 to "
                f"3.10, where switchgear-s3 {version('switchgear-s3')} guards. Install one of those, or a newer "
                f"switchgear-s3."
            )
    return endpoint
