"""What tests of several rooms use: S3 stores, and the lines of the log.

Each store starts once in a session; each test makes its own buckets.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from twisted.logger import formatEvent, globalLogPublisher

if TYPE_CHECKING:
    from moto_store import MotoS3
    from rclone import RcloneS3

with warnings.catch_warnings():  # this module of Twisted warns of itself, once, when it is imported
    warnings.simplefilter("ignore", DeprecationWarning)
    import twisted.web.static  # noqa: F401


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    """Return a store that checks signatures."""
    from rclone import RcloneS3  # noqa: PLC0415  # few tests need boto3, which is slow to import

    store = RcloneS3(tmp_path_factory.mktemp("rclone"))
    store.start()
    yield store
    store.stop()


@pytest.fixture(scope="session")
def moto_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    """Return a store that keeps ACLs, storage classes and headers."""
    from moto_store import MotoS3  # noqa: PLC0415  # as above

    store = MotoS3(tmp_path_factory.mktemp("moto"))
    store.start()
    yield store
    store.stop()


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    """Return the lines of the log, as they come."""
    lines: list[str] = []
    observer: Any = lambda event: lines.append(formatEvent(event))  # noqa: E731  # zope's interface is no type
    globalLogPublisher.addObserver(observer)
    yield lines
    globalLogPublisher.removeObserver(observer)
