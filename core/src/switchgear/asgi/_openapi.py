"""The OpenAPI document, made from the endpoints and from the types of what they take and answer."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from switchgear.asgi._endpoint import Answer, Endpoint
from switchgear.asgi._responses import Problem

_TEMPLATE = "#/components/schemas/{name}"

_REFUSALS = {
    400: "Something in the request is not as it should be.",
    401: "The token is missing, or wrong.",
    403: "Operator actions are off, or another site has sent this.",
    404: "There is nothing of that name.",
    413: "The body is too long.",
    415: "The body is not said to be JSON.",
    422: "The body is JSON, but no order.",
}


def openapi(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document, but for `servers`."""
    types = [Problem]
    for endpoint in endpoints:
        types += [type_ for answer in endpoint.answers.values() for type_ in answer.content.values()]
        types += [endpoint.order] if endpoint.order is not None else []
    schemas, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "switchgear",
            "version": version("switchgear"),
            "description": "Breakers, health and levels of one process. Seconds, ratios 0..1, scores 0..100.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint, schema_of: dict[str, Any]) -> dict[str, Any]:
    refusals = [404] if "{" in endpoint.path else []
    refusals += [400, 401, 403, 413, 415, 422] if endpoint.operator else []
    answers = {
        **endpoint.answers,
        **{
            status: Answer(meaning=_REFUSALS[status], content={"application/problem+json": Problem})
            for status in refusals
        },
    }
    operation: dict[str, Any] = {
        "operationId": _identifier(endpoint),
        "summary": endpoint.summary,
        "responses": {str(status): _response(answer, schema_of) for status, answer in sorted(answers.items())},
    }
    if "{name}" in endpoint.path:
        operation["parameters"] = [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
    if endpoint.operator:
        operation["security"] = [{"operator": []}]
    if endpoint.order is not None:
        content = {"application/json": {"schema": schema_of[repr(endpoint.order)]}}
        operation["requestBody"] = {"required": endpoint.order_required, "content": content}
    return operation


def _response(answer: Answer, schema_of: dict[str, Any]) -> dict[str, Any]:
    content = {media_type: {"schema": schema_of[repr(type_)]} for media_type, type_ in answer.content.items()}
    return {"description": answer.meaning, "content": content}


def _identifier(endpoint: Endpoint) -> str:
    words = endpoint.path.replace("{name}", "").replace(".json", "").replace("/", " ").split()
    return "_".join([endpoint.method.lower(), *words])
