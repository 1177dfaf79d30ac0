"""What the suites say of themselves holds."""

from __future__ import annotations

import pytest

from tests.upstream.compare import exceptions
from tests.upstream.suites import SUITES


@pytest.mark.parametrize("name", SUITES)
def test_nothing_differs_without_a_reason(name: str) -> None:
    """Each suite has its list of tests that may differ, and in that each has its reason."""
    assert all(reason.strip() for reason in exceptions(name).values())


@pytest.mark.parametrize(
    ("test", "known"),
    [
        (
            "test/engine/test_pool.py::QueuePoolTest::test_recycle",
            "test/engine/test_pool.py::QueuePoolTest::test_recycle",
        ),
        (
            "test/dialect/test_suite.py::JSONTest_sqlite+aiosqlite_async_3_40_1::test_round_trip[_a::b-2]",
            "test/dialect/test_suite.py::JSONTest::test_round_trip",
        ),
        (
            "test/dialect/test_suite.py::UuidTest_postgresql+psycopg_async_15_18::test_uuid",
            "test/dialect/test_suite.py::UuidTest::test_uuid",
        ),
    ],
)
def test_a_test_of_sqlalchemy_is_found_again(test: str, known: str) -> None:
    """Pytest knows its tests by other names than those that they go by once they have been collected."""
    assert SUITES["sqlalchemy-asyncpg"].again(test) == known


def test_a_release_that_is_not_installed_names_its_version() -> None:
    """The version in the table is that of the tests and of the client that they get."""
    assert f"aiobotocore[httpx2]=={SUITES['aiobotocore'].version}" in SUITES["aiobotocore"].requirements
