from __future__ import annotations

import botocore.session
import pytest
from botocore import xform_name

from switchgear_s3 import BACKEND
from switchgear_s3._operations import OPERATIONS, operation

MODEL = botocore.session.get_session().get_service_model("s3")


def test_every_operation_of_the_installed_sdk_is_listed() -> None:
    """No operation of S3 is left to the rule for unknown ones, and each goes by the SDK's own method name."""
    listed = {entry.name for entry in BACKEND.operations}
    assert {f"s3.{xform_name(name)}" for name in MODEL.operation_names} <= listed
    assert len(listed) == len(OPERATIONS)


@pytest.mark.parametrize("api_name", MODEL.operation_names)
def test_the_class_agrees_with_the_http_method(api_name: str) -> None:
    """What only looks is a read (or administration); what writes is never a read."""
    method = MODEL.operation_model(api_name).http["method"]
    klass = operation(api_name).klass
    if method in {"GET", "HEAD"}:
        assert klass in {"read", "admin"}
    else:
        assert klass in {"write", "admin", "stream"}


def test_an_operation_newer_than_the_list_goes_by_its_verb() -> None:
    """A newer SDK's operations are guarded: what gets, heads or lists is a read, all else a write."""
    assert operation("GetSomethingNew").klass == operation("ListNews").klass == "read"
    assert operation("EnableSomethingNew").klass == "write"


def test_a_large_upload_is_no_write_that_can_be_slow() -> None:
    """The duration of a large upload says nothing of the server, so no threshold is set for its class."""
    assert operation("PutObject").klass == "write"
    assert operation("PutObject", large=True).klass == "stream"
    assert BACKEND.recommended.slow_after("stream") == float("inf")
    assert BACKEND.recommended.slow_after("write") < float("inf")


def test_what_may_not_be_done_twice() -> None:
    """A second CreateMultipartUpload is a second upload; a second PutObject is the same object."""
    assert not operation("CreateMultipartUpload").idempotent
    assert not operation("RenameObject").idempotent
    assert operation("PutObject").idempotent
    assert operation("DeleteObjects").idempotent
