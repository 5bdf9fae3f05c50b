"""Uploaders on real threads, in a world without AWS credentials."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from canned_store import CannedStore, canned_store
from twisted.internet import reactor

from imaged.testing.fakes import make_host
from imaged.workers.threads import Threads
from imaged_s3.options import Options
from imaged_s3.patience import Patience
from imaged_s3.uploader import S3Uploader

HASTY = Patience(connect_s=0.2, read_s=0.2, attempts=1, body_s=0.2)
"""The patience of these tests. botocore waits up to a second before it tries again, so it does not."""

MakeUploader = Callable[..., S3Uploader]


@pytest.fixture(autouse=True)
def _without_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 find no credentials and no settings: not the tester's, and not those of the machine."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def make_uploader() -> Iterator[MakeUploader]:
    """Return what makes an uploader of a section, closed after the test."""
    made = []

    def make(section: Mapping[str, Any], patience: Patience = HASTY) -> S3Uploader:
        options = make_host("s3", section).options(Options)
        made.append(S3Uploader(options, Threads(reactor, "s3", 2), 2, patience))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def serving() -> Iterator[CannedStore]:
    """Return the store that all tests share."""
    with canned_store() as store:
        yield store


@pytest.fixture
def store(serving: CannedStore) -> CannedStore:
    """Return a store that gives one answer to everything, and has not been asked yet."""
    serving.reset()
    return serving


@pytest.fixture(scope="session")
def uploader(serving: CannedStore) -> Iterator[S3Uploader]:
    """Return the one for that store that all tests share, since a client takes long to make."""
    options = make_host("s3", serving.options()).options(Options)
    uploader = S3Uploader(options, Threads(reactor, "s3", 2), 2, HASTY)
    yield uploader
    uploader.close()
