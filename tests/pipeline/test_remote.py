"""The remote store as the pipeline sees it: keys, counts, and an uploader that keeps or breaks its contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kitchen import IMAGE, PICTURE, Kitchen
from twisted.internet.defer import Deferred

from imaged.core.errors import NotFoundError, PluginFailedError, StoreError, StoreUnavailableError
from imaged.core.events import Uploaded
from imaged.testing.waiting import wait

PARTS = IMAGE.hash.partition([3, 3])


def local(kitchen: Kitchen, body: bytes = PICTURE) -> None:
    """Put an original into the local store alone."""
    path = kitchen.store.path(IMAGE, "original")
    path.parent.mkdir(parents=True)
    path.write_bytes(body)


@pytest.mark.parametrize(
    ("base_path", "key"),
    [
        ("", f"p/{PARTS}/original"),
        ("public/images", f"public/images/p/{PARTS}/original"),
    ],
)
def test_keys_are_paths_below_the_operators_prefix(
    make_kitchen: Callable[..., Kitchen], base_path: str, key: str
) -> None:
    """The same as in the URL and on the disk."""
    kitchen = make_kitchen(f"remote: {{base_path: '{base_path}'}}")
    local(kitchen)
    wait(kitchen.remote.upload(IMAGE, "original", "image/jpeg"))
    assert kitchen.uploader.files == {key: PICTURE}


def test_an_upload_is_counted_and_told(kitchen: Kitchen) -> None:
    """With its size."""
    local(kitchen)
    wait(kitchen.remote.upload(IMAGE, "original", "image/jpeg"))
    assert kitchen.sink.events == [Uploaded("p", len(PICTURE), 0.0)]
    assert (kitchen.uploads.current, kitchen.uploads.total, kitchen.uploads.failed) == (0, 1, 0)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (StoreError("down"), StoreError),
        (NotFoundError("no bucket"), NotFoundError),
        (OSError("secret"), PluginFailedError),
        (KeyError("secret"), PluginFailedError),
    ],
)
def test_failures_are_of_the_one_tree(kitchen: Kitchen, raised: Exception, told: type[Exception]) -> None:
    """What an uploader may not raise is told as a broken contract, without its text."""
    local(kitchen)
    kitchen.uploader.failure = raised
    for work in (
        kitchen.remote.upload(IMAGE, "original", "image/jpeg"),
        kitchen.remote.download(IMAGE, "original", Path("never")),
    ):
        with pytest.raises(told) as caught:
            wait(work)
        assert "secret" not in str(caught.value)
    assert (kitchen.uploads.total, kitchen.uploads.failed) == (1, 1)
    assert kitchen.sink.events == []


def test_a_download_says_whether_there_is_one(kitchen: Kitchen, tmp_path: Path) -> None:
    """An unknown key is no error."""
    assert wait(kitchen.remote.download(IMAGE, "original", tmp_path / "a")) is False
    local(kitchen)
    wait(kitchen.remote.upload(IMAGE, "original", "image/jpeg"))
    assert wait(kitchen.remote.download(IMAGE, "original", tmp_path / "a")) is True
    assert (tmp_path / "a").read_bytes() == PICTURE


def test_no_remote_store_takes_nothing_and_has_nothing(make_kitchen: Callable[..., Kitchen], tmp_path: Path) -> None:
    """It is no error to have none."""
    kitchen = make_kitchen(remote=False)
    assert not kitchen.remote.exists
    wait(kitchen.remote.upload(IMAGE, "original", "image/jpeg"))
    assert wait(kitchen.remote.download(IMAGE, "original", tmp_path / "a")) is False
    assert kitchen.uploads.total == 0


def test_a_call_from_before_the_outage_ends_no_trial(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the one trial runs, its late failure lets no other call through; the trial's own end does."""
    gates: list[Deferred[Any]] = []
    ends: list[Any] = []

    def hang(_prefix: str) -> Deferred[Any]:
        gates.append(Deferred())
        return gates[-1]

    def call() -> None:
        Deferred.fromCoroutine(kitchen.remote.names(IMAGE)).addErrback(ends.append)

    monkeypatch.setattr(kitchen.uploader, "list", hang)
    for _ in range(4):
        call()
    for gate in gates[:3]:
        gate.errback(StoreUnavailableError("out of reach"))
    assert kitchen.remote.fault == "out of reach"
    kitchen.reactor.advance(1)
    call()
    assert len(gates) == 5
    gates[3].errback(StoreUnavailableError("out of reach"))
    kitchen.reactor.advance(5)
    call()
    assert (len(gates), kitchen.remote.lanes) == (5, 0)
    gates[4].callback([])
    assert (len(ends), kitchen.remote.fault) == (5, None)
