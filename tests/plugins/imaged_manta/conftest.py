"""Fixtures: a simulated Manta for each test, a key of its account, and uploaders to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from manta import MantaDouble
from manta_identity import md5_id, write_key
from twisted.internet import reactor

from imaged.testing.fakes import make_host
from imaged.workers.threads import Threads
from imaged_manta import make_uploader
from imaged_manta.client import Timeouts
from imaged_manta.options import Options
from imaged_manta.uploader import MantaUploader

USUAL = Timeouts()


def threads(size: int) -> Threads:
    """Return threads as the daemon makes them."""
    return Threads(reactor, "manta", size)


@pytest.fixture(scope="session")
def private() -> rsa.RSAPrivateKey:
    """Return the private key of the account."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def manta(private: rsa.RSAPrivateKey) -> Iterator[MantaDouble]:
    """Return a running Manta that has the public key."""
    double = MantaDouble().start()
    double.add_key(private)
    yield double
    double.stop()


@pytest.fixture
def section(manta: MantaDouble, private: rsa.RSAPrivateKey, tmp_path: Path) -> dict[str, Any]:
    """Return valid options for it."""
    path = write_key(private, tmp_path / "id_rsa")
    return {
        "url": manta.url,
        "account": manta.account,
        "key_id": md5_id(private),
        "key_file": str(path),
        "folder": "stor/images",
    }


@pytest.fixture
def make_manta(section: dict[str, Any]) -> Iterator[Callable[..., MantaUploader]]:
    """Return a function that makes an uploader with changed options and closes it after the test."""
    made = []

    def make(*, timeouts: Timeouts = USUAL, concurrency: int = 10, **changes: Any) -> MantaUploader:
        chosen = {name: value for name, value in {**section, **changes}.items() if value is not None}
        host = make_host("manta", chosen, make_threads=threads, upload_concurrency=concurrency)
        made.append(make_uploader(host, host.options(Options), timeouts))
        return made[-1]

    yield make
    for uploader in made:
        uploader.close()
