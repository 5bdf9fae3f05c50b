"""Uploaders on real threads, without AWS credentials in the environment."""

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
from imaged_s3.timeouts import Timeouts
from imaged_s3.uploader import S3Uploader

PATIENT = Timeouts(connect_s=60, read_s=60, attempts=1, body_s=60)
"""Long enough for a busy machine. One attempt: botocore waits up to a second before another."""

MakeUploader = Callable[..., S3Uploader]


@pytest.fixture(autouse=True)
def _without_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the credentials and the AWS configuration of the user and of the machine from boto3."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def make_uploader() -> Iterator[MakeUploader]:
    """Return a function that makes an uploader from a section and closes it after the test."""
    made = []

    def make(section: Mapping[str, Any], timeouts: Timeouts = PATIENT) -> S3Uploader:
        options = make_host("s3", section).options(Options)
        made.append(S3Uploader(options, Threads(reactor, "s3", 2), 2, timeouts))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def serving() -> Iterator[CannedStore]:
    """Return the server that all tests share."""
    with canned_store() as store:
        yield store


@pytest.fixture
def store(serving: CannedStore) -> CannedStore:
    """Return a server with one canned response for all requests, and with its records reset."""
    serving.reset()
    return serving


@pytest.fixture(scope="session")
def uploader(serving: CannedStore) -> Iterator[S3Uploader]:
    """Return the uploader to that server that all tests share, since making a client is slow."""
    options = make_host("s3", serving.options()).options(Options)
    uploader = S3Uploader(options, Threads(reactor, "s3", 2), 2, PATIENT)
    yield uploader
    uploader.close()
