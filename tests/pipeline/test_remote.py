"""The remote store as the pipeline sees it: keys, counts, and an uploader that keeps or breaks its contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pipeline_harness import IMAGE, PICTURE, PipelineHarness
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from imaged.core.errors import BusyError, NotFoundError, PluginFailedError, StoreError, StoreUnavailableError
from imaged.core.events import Uploaded
from imaged.core.files import ORIGINAL, parse_file
from imaged.testing.fakes import MemoryUploader
from imaged.testing.waiting import wait

PARTS = IMAGE.hash.partition([3, 3])


def local(harness: PipelineHarness, body: bytes = PICTURE) -> None:
    """Keep an original in the local store alone."""
    path = harness.store.path(IMAGE, ORIGINAL)
    path.parent.mkdir(parents=True)
    path.write_bytes(body)


async def outcome(waiting: Deferred[Any]) -> None:
    """Wait for a call that has begun."""
    await waiting


@pytest.mark.parametrize(
    ("base_path", "key"),
    [
        ("", f"p/{PARTS}/original"),
        ("public/images", f"public/images/p/{PARTS}/original"),
    ],
)
def test_keys_are_paths_below_the_operators_prefix(
    make_harness: Callable[..., PipelineHarness], base_path: str, key: str
) -> None:
    """The key equals the path in the URL and on the disk."""
    harness = make_harness(f"remote: {{base_path: '{base_path}'}}")
    local(harness)
    wait(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))
    assert harness.uploader.files == {key: PICTURE}


def test_an_upload_is_counted_and_reported(harness: PipelineHarness) -> None:
    """The event has the size."""
    local(harness)
    wait(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))
    assert harness.sink.events == [Uploaded("p", len(PICTURE), 0.0)]
    assert (harness.uploads.current, harness.uploads.total, harness.uploads.failed) == (0, 1, 0)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (StoreError("down"), StoreError),
        (NotFoundError("no bucket"), NotFoundError),
        (OSError("secret"), PluginFailedError),
        (KeyError("secret"), PluginFailedError),
    ],
)
def test_failures_are_imaged_errors(harness: PipelineHarness, raised: Exception, told: type[Exception]) -> None:
    """An error against the contract becomes PluginFailedError, without its text."""
    local(harness)
    harness.uploader.failure = raised
    for work in (
        harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"),
        harness.remote.download(IMAGE, ORIGINAL, Path("never")),
    ):
        with pytest.raises(told) as caught:
            wait(work)
        assert "secret" not in str(caught.value)
    assert (harness.uploads.total, harness.uploads.failed) == (1, 1)
    assert harness.sink.events == []


def test_a_download_says_whether_there_is_one(harness: PipelineHarness, tmp_path: Path) -> None:
    """An unknown key is no error."""
    assert wait(harness.remote.download(IMAGE, ORIGINAL, tmp_path / "a")) is False
    local(harness)
    wait(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))
    assert wait(harness.remote.download(IMAGE, ORIGINAL, tmp_path / "a")) is True
    assert (tmp_path / "a").read_bytes() == PICTURE


def test_a_store_that_is_away_gets_no_calls(harness: PipelineHarness) -> None:
    """The log reports it once, calls fail at once, and the first that succeeds ends the outage."""
    local(harness)

    def upload() -> str:
        try:
            wait(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))
        except StoreUnavailableError as error:
            return str(error)
        return "kept"

    harness.uploader.failure = StoreUnavailableError("no route")
    with capturedLogs() as logged:
        assert [upload() for _ in range(5)] == ["no route"] * 3 + [
            "the remote store is unreachable or refuses requests: no route"
        ] * 2
        assert harness.uploads.total == 3
        assert harness.remote.fault == "no route"
        assert harness.remote.concurrency == 0
        harness.reactor.advance(1)
        assert harness.remote.concurrency == 1
        harness.uploader.failure = None
        assert upload() == "kept"
    assert harness.remote.fault is None
    assert harness.remote.concurrency == 10
    told = [formatEvent(event) for event in logged]
    assert told == [
        "the remote store is unreachable or refuses requests, and uploads wait: no route",
        "the remote store is back after 1 s; uploads continue",
    ]


def test_a_failure_about_one_key_is_no_outage(harness: PipelineHarness) -> None:
    """Repeated failures do not change that."""
    local(harness)
    harness.uploader.failure = StoreError("this key is too long")
    for _ in range(10):
        with pytest.raises(StoreError, match="too long"):
            wait(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))
    assert harness.remote.fault is None
    assert harness.uploads.total == 10


def test_an_unreadable_local_file_does_not_end_an_outage(harness: PipelineHarness) -> None:
    """It says nothing about the store."""
    local(harness)
    harness.uploader.failure = StoreUnavailableError("no route")
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            wait(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))
    harness.reactor.advance(5)
    harness.uploader.failure = StoreError("cannot be read")
    with pytest.raises(StoreError, match="cannot be read"):
        wait(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))
    assert harness.remote.fault == "no route"


class SlowUploader(MemoryUploader):
    """Keeps nothing until the test opens a gate; `asked` lists its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.gates: list[Deferred[None]] = []

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Wait for the next gate."""
        self.asked.append(key)
        gate: Deferred[None] = Deferred()
        self.gates.append(gate)
        await gate
        await super().upload(key, path, content_type)


def test_no_client_waits_for_ever(make_harness: Callable[..., PipelineHarness]) -> None:
    """It gets an error in time; the upload continues, and another of the same key begins after it."""
    harness = make_harness("upload: {timeout_s: 3}", uploader=(slow := SlowUploader()))
    local(harness)
    path = harness.store.path(IMAGE, ORIGINAL)
    first = Deferred.fromCoroutine(harness.remote.upload_for_client(IMAGE, ORIGINAL, "image/jpeg", path))
    again = Deferred.fromCoroutine(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))
    harness.reactor.advance(3)
    with pytest.raises(StoreUnavailableError, match="longer than 3 s"):
        wait(outcome(first))
    assert len(slow.asked) == 1
    slow.gates[0].callback(None)
    assert len(slow.asked) == 2
    slow.gates[1].callback(None)
    wait(outcome(again))


class SlowReader(MemoryUploader):
    """Reads nothing back until the test opens a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: Deferred[None] = Deferred()

    async def download(self, key: str, path: Path) -> bool:
        """Wait for the gate."""
        await self.gate
        return await super().download(key, path)


def test_a_late_download_leaves_no_file(make_harness: Callable[..., PipelineHarness]) -> None:
    """Its client has its error, and has removed the file that was not there yet."""
    harness = make_harness("upload: {timeout_s: 3}", uploader=(slow := SlowReader()))
    slow.files[harness.remote.key(IMAGE, ORIGINAL)] = PICTURE
    with harness.store.temporary() as path:
        reading = Deferred.fromCoroutine(harness.remote.download(IMAGE, ORIGINAL, path))
        harness.reactor.advance(3)
        with pytest.raises(StoreUnavailableError, match="longer than 3 s"):
            wait(outcome(reading))
    slow.gate.callback(None)
    assert slow.downloads
    assert harness.temporaries == []


def test_a_call_that_never_began_is_no_outage(make_harness: Callable[..., PipelineHarness]) -> None:
    """A store that is slow with large files is not away; all turns are released."""
    harness = make_harness("upload: {concurrency: 1, timeout_s: 3}", uploader=(slow := SlowUploader()))
    local(harness)
    path = harness.store.path(IMAGE, ORIGINAL)
    waiting = [
        Deferred.fromCoroutine(harness.remote.upload_for_client(IMAGE, parse_file(f"w{each}.jpg"), "image/jpeg", path))
        for each in range(1, 401)
    ]
    harness.reactor.advance(3)
    for each in waiting[1:]:
        with pytest.raises(BusyError):
            wait(outcome(each))
    with pytest.raises(StoreUnavailableError):
        wait(outcome(waiting[0]))
    assert harness.remote.fault is None
    harness.uploader.failure = StoreUnavailableError("no route")
    for gate in iter(lambda: slow.gates.pop() if slow.gates else None, None):
        gate.callback(None)
        harness.reactor.advance(0)
    for _ in range(500):
        harness.reactor.advance(0)
    assert harness.remote._turns.tokens == 1


def test_no_more_run_at_once_than_allowed(make_harness: Callable[..., PipelineHarness]) -> None:
    """While a client waits for its turn, queued uploads run one at a time."""
    harness = make_harness("upload: {concurrency: 2}", uploader=(slow := SlowUploader()))
    local(harness)
    path = harness.store.path(IMAGE, ORIGINAL)
    kept = [
        Deferred.fromCoroutine(harness.remote.upload_for_client(IMAGE, parse_file(name), "image/jpeg", path))
        for name in ("w1.jpg", "w2.jpg", "w3.jpg")
    ]
    assert len(slow.asked) == 2
    assert harness.remote.concurrency == 1
    slow.gates[0].callback(None)
    assert len(slow.asked) == 3
    assert harness.remote.concurrency == 2
    for gate in slow.gates[1:]:
        gate.callback(None)
    for each in kept:
        wait(outcome(each))


def test_the_files_of_an_image_are_those_below_its_key(make_harness: Callable[..., PipelineHarness]) -> None:
    """Below the operator's prefix too. Keys that name no file of an image are ignored."""
    harness = make_harness("remote: {base_path: public}")
    local(harness)
    wait(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))
    harness.uploader.files |= {f"public/p/{PARTS}0/original": b"", f"public/p/{PARTS}/notes.txt": b""}
    assert wait(harness.remote.files(IMAGE)) == {ORIGINAL}


def test_an_upload_of_a_missing_file_is_not_transient(harness: PipelineHarness) -> None:
    """A retry would fail as well."""
    with pytest.raises(NotFoundError, match="no longer has it"):
        wait(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))


def test_without_a_remote_store_calls_do_nothing(make_harness: Callable[..., PipelineHarness], tmp_path: Path) -> None:
    """They are no error."""
    harness = make_harness(remote=False)
    assert not harness.remote.exists
    wait(harness.remote.upload(IMAGE, ORIGINAL, "image/jpeg"))
    assert wait(harness.remote.download(IMAGE, ORIGINAL, tmp_path / "a")) is False
    assert harness.uploads.total == 0


def test_a_call_from_before_the_outage_ends_no_trial(harness: PipelineHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the one trial runs, its late failure lets no other call through; the trial's own end does."""
    gates: list[Deferred[Any]] = []
    ends: list[Any] = []

    def hang(_prefix: str) -> Deferred[Any]:
        gates.append(Deferred())
        return gates[-1]

    def call() -> None:
        Deferred.fromCoroutine(harness.remote.files(IMAGE)).addErrback(ends.append)

    monkeypatch.setattr(harness.uploader, "list", hang)
    for _ in range(4):
        call()
    for gate in gates[:3]:
        gate.errback(StoreUnavailableError("out of reach"))
    assert harness.remote.fault == "out of reach"
    harness.reactor.advance(1)
    call()
    assert len(gates) == 5
    gates[3].errback(StoreUnavailableError("out of reach"))
    harness.reactor.advance(5)
    call()
    assert (len(gates), harness.remote.concurrency) == (5, 0)
    gates[4].callback([])
    assert (len(ends), harness.remote.fault) == (5, None)
