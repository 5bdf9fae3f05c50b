"""A picture that is erased is gone in both stores, over renders, posts and uploads in flight, and at other nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from time import time_ns
from typing import Any

import pytest
from pipeline_harness import IMAGE, PICTURE, PipelineHarness
from twisted.internet.defer import Deferred

from imaged.core.errors import DiskFullError, GoneError, StoreError, StoreUnavailableError
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.formats import FORMATS
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.pipeline.reconcile import reconcile
from imaged.store.local import LocalStore
from imaged.store.size import StoreSize
from imaged.store.tombstones import Tombstone
from imaged.testing.fakes import MemoryPurger, MemoryUploader
from imaged.testing.pictures import make_jpeg
from imaged.testing.waiting import wait

MakeHarness = Callable[..., PipelineHarness]
X10, X20 = parse("x10.jpg"), parse("x20.jpg")
HOME = f"p/{IMAGE.hash.partition((3, 3))}"
OLD_HOME = f"p/{IMAGE.hash.partition((3, 3, 3))}"


class GatedUploader(MemoryUploader):
    """A remote store whose uploads of pictures wait while there is a `gate`, after the file has been read."""

    gate: Deferred[None] | None = None
    lists: Deferred[None] | None = None

    async def list(self, prefix: str) -> Sequence[str]:
        """Wait for `lists`, then list."""
        if self.lists is not None:
            await self.lists
        return await super().list(prefix)

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Wait, then store what the file had."""
        body = path.read_bytes()  # noqa: ASYNC240  # a test may block
        if self.gate is not None and not key.startswith(".erased/"):
            await self.gate
        self.files[key], self.content_types[key] = body, content_type


class CountingUploader(MemoryUploader):
    """A remote store that counts lists."""

    looks = 0

    async def list(self, prefix: str) -> Sequence[str]:
        """Count it."""
        self.looks += 1
        return await super().list(prefix)


def begin(awaitable: Any) -> Deferred[Any]:
    """Begin something; its result, or its error, is in `outcome` of the Deferred later."""
    return Deferred.fromCoroutine(awaitable)


def result(begun: Deferred[Any]) -> Any:
    """Return the result of what has begun, or raise its error."""

    async def end() -> Any:
        return await begun

    return wait(end())


def run_jobs(harness: PipelineHarness) -> None:
    """Run the queued erasures, as the daemon does."""
    for name in harness.queued("erase"):
        assert name == "original"
        (job,) = harness.queue.claim("erase")
        results = wait(harness.pipeline.eraser.run_jobs(job.image, [job.file]))
        if results[job.file] is None:
            harness.queue.done([job])
        else:
            harness.queue.fail(job, str(results[job.file]), 0)


def erase(harness: PipelineHarness, by: str = "") -> bool:
    """Erase the picture, with the job that does the rest."""
    erased = begin(harness.pipeline.eraser.erase(IMAGE, by))
    run_jobs(harness)
    return bool(result(erased))


def pictures_in(harness: PipelineHarness) -> list[str]:
    """Return the keys of the remote store that are no tombstones."""
    return [key for key in harness.uploader.files if not key.startswith(".erased/")]


def test_both_stores_and_the_queue_forget_it(make_harness: MakeHarness) -> None:
    """All its files go, also those of an older layout, with its renders and uploads; a tombstone stays in both."""
    harness = make_harness()
    harness.keep()
    wait(harness.pipeline.output(IMAGE, X10))
    harness.uploader.files |= {f"{OLD_HOME}/x99.jpg": b"", f"{HOME}/hero~0123abcd.jpg": b"", f"{HOME}/notes": b""}
    harness.queue.add("render", IMAGE, [X20])
    assert harness.queued("upload") == ["x10.jpg"]
    assert erase(harness, "shop")
    assert pictures_in(harness) == []
    assert not harness.store.layout.folder(IMAGE).exists()
    assert [harness.queued(kind) for kind in ("render", "upload", "erase")] == [[], [], []]
    (tombstone,) = harness.store.tombstones.all()
    assert (tombstone.by, tombstone.stored_in) == ("shop", harness.remote.identity)
    assert list(harness.uploader.files) == [tombstone.key]
    assert b"shop" not in harness.uploader.files[tombstone.key]  # the bucket may be public
    for ask in (harness.pipeline.output(IMAGE, X10), harness.originals.info(IMAGE), harness.originals.find(IMAGE)):
        with pytest.raises(GoneError):
            wait(ask)
    assert harness.pipeline.jobs.queue.uploaded.missing(harness.remote.identity, [(IMAGE, [ORIGINAL])]) != []


def test_a_picture_that_no_store_has_is_erased(make_harness: MakeHarness) -> None:
    """Another node may have it, or a client may post it just now."""
    harness = make_harness()
    assert erase(harness)
    assert erase(harness)
    assert len(harness.uploader.files) == 1  # the newer tombstone


def test_without_a_remote_store_no_job_is_needed(make_harness: MakeHarness) -> None:
    """The erasure is complete at once."""
    harness = make_harness(remote=False)
    harness.keep()
    assert wait(harness.pipeline.eraser.erase(IMAGE))
    assert harness.queued("erase") == []


def test_a_remote_store_that_is_away_has_a_queued_job(make_harness: MakeHarness) -> None:
    """The client learns that, and the job erases the rest when the store is back."""
    harness = make_harness()
    harness.keep()
    harness.uploader.failure = StoreUnavailableError("it is away")
    assert not erase(harness)
    assert not harness.store.layout.folder(IMAGE).exists()
    assert harness.queued("erase") == ["original"]
    harness.uploader.failure = None
    harness.reactor.advance(600)
    run_jobs(harness)
    assert pictures_in(harness) == []
    assert harness.queued("erase") == []


def test_files_that_a_remote_store_keeps_are_no_success(make_harness: MakeHarness) -> None:
    """A store that lists what it has confirmed to remove has not erased it: the job is tried again."""
    harness = make_harness()
    harness.keep()

    async def keep(keys: Sequence[str]) -> None:
        assert keys

    harness.uploader.delete = keep  # type: ignore[method-assign]  # a store whose lists are late
    assert not erase(harness)
    assert harness.queued("erase") == ["original"]
    del harness.uploader.delete
    harness.reactor.advance(600)
    run_jobs(harness)
    assert pictures_in(harness) == []


def test_a_client_waits_for_the_job_for_the_time_of_an_upload(make_harness: MakeHarness) -> None:
    """A job that hangs is a queued one for the client."""
    harness = make_harness("upload: {timeout_s: 7}")
    erased = begin(harness.pipeline.eraser.erase(IMAGE))
    harness.reactor.advance(6.9)
    assert not erased.called
    harness.reactor.advance(0.2)
    assert result(erased) is False


def test_a_job_that_began_before_an_erasure_says_nothing_about_it(make_harness: MakeHarness) -> None:
    """It looked for a tombstone too early, as the job of an earlier erasure after a new post may do."""
    harness = make_harness(purgers=[MemoryPurger()])
    harness.keep()
    harness.queue_threads.held = True
    erased = begin(harness.pipeline.eraser.erase(IMAGE))
    assert harness.queue_threads.waiting
    assert harness.store.tombstones.find(IMAGE) is None  # the purge of caches is queued first
    assert wait(harness.pipeline.eraser.run_jobs(IMAGE, [ORIGINAL])) == {ORIGINAL: None}
    harness.queue_threads.held = False
    while harness.queue_threads.waiting:
        harness.queue_threads.step()
    assert pictures_in(harness) != []
    assert not erased.called
    run_jobs(harness)
    assert result(erased)
    assert pictures_in(harness) == []


def test_outputs_that_a_job_forgets_are_no_erasure(make_harness: MakeHarness) -> None:
    """A job of `imaged erase --outputs` that ends meanwhile leaves the original in the remote store."""
    uploader = GatedUploader()
    harness = make_harness(uploader=uploader)
    harness.keep()
    uploader.lists = Deferred()
    done = begin(harness.pipeline.eraser.run_jobs(IMAGE, [RECORD]))
    erased = begin(harness.pipeline.eraser.erase(IMAGE))
    lists, uploader.lists = uploader.lists, None
    lists.callback(None)
    assert result(done) == {RECORD: None}
    assert pictures_in(harness) != []
    assert not erased.called
    run_jobs(harness)
    assert result(erased)
    assert pictures_in(harness) == []


def test_a_client_that_another_erasure_follows_gets_its_answer(make_harness: MakeHarness) -> None:
    """Also where the clock was set back in between."""
    harness = make_harness()
    harness.keep()
    first = begin(harness.pipeline.eraser.erase(IMAGE))
    harness.store.tombstones.add(Tombstone(IMAGE, 7))
    run_jobs(harness)
    assert first.called
    assert result(first)


def test_a_later_post_is_a_new_picture(make_harness: MakeHarness) -> None:
    """Both tombstones go, and a late job of the erasure does not touch the new picture."""
    harness = make_harness()
    harness.keep()
    assert erase(harness)
    harness.keep()
    assert harness.queued("erase") == ["original"]  # for the case that the post had not come to its end
    run_jobs(harness)
    assert sorted(pictures_in(harness)) == [f"{HOME}/info.json", f"{HOME}/original"]
    assert list(harness.uploader.files) == pictures_in(harness)
    assert harness.store.tombstones.all() == []
    wait(harness.pipeline.output(IMAGE, X10))


def test_a_post_that_fails_leaves_the_picture_erased(make_harness: MakeHarness) -> None:
    """What it has uploaded is removed by the job that was queued before."""
    harness = make_harness()
    assert erase(harness)
    uploads: list[str] = []

    async def fail_second(key: str, path: Any, content_type: str) -> None:
        uploads.append(key)
        if len(uploads) == 2:
            raise StoreUnavailableError("it is away")
        await MemoryUploader.upload(harness.uploader, key, path, content_type)

    harness.uploader.upload = fail_second  # type: ignore[method-assign]  # a store that fails once
    with pytest.raises(StoreUnavailableError):
        harness.keep()
    assert pictures_in(harness) == [f"{HOME}/original"]
    del harness.uploader.upload
    harness.reactor.advance(600)
    run_jobs(harness)
    assert pictures_in(harness) == []
    assert len(harness.store.tombstones.all()) == 1


@pytest.mark.parametrize("remote", [True, False])
def test_a_post_that_the_disk_refuses_leaves_the_picture_erased(
    make_harness: MakeHarness, tmp_path: Path, *, remote: bool
) -> None:
    """Else an origin would bring it back. Once there is room, it can be posted."""

    class Full(StoreSize):
        @contextmanager
        def changing(self, paths: Sequence[Path], root: Path) -> Iterator[None]:  # noqa: ARG002  # the signature
            if is_full and paths[0].name == str(ORIGINAL):
                raise OSError(ENOSPC, "No space left on device")
            yield

    is_full = False
    harness = make_harness(remote=remote, store=LocalStore(tmp_path / "full", (3, 3), size=Full()))
    begun = begin(harness.pipeline.eraser.erase(IMAGE))
    run_jobs(harness)
    assert result(begun)
    is_full = True
    with pytest.raises(DiskFullError):
        harness.keep()
    run_jobs(harness)
    assert pictures_in(harness) == []
    harness.reactor.advance(60)
    wait(harness.pipeline.other_nodes.follow())
    with pytest.raises(GoneError):
        wait(harness.originals.find(IMAGE))
    is_full = False
    harness.keep()
    assert harness.store.tombstones.all() == []


def test_refuse_again(make_harness: MakeHarness) -> None:
    """The settings may refuse the same bytes while the erasure is remembered."""
    harness = make_harness("erase: {refuse_again: true, remember_days: 7}")
    harness.keep()
    assert erase(harness)
    with pytest.raises(GoneError, match="refused for 7 days"):
        harness.keep()
    assert pictures_in(harness) == []


def test_what_an_origin_has_does_not_come_back_by_itself(make_harness: MakeHarness) -> None:
    """Only a post lifts a tombstone."""
    harness = make_harness()
    assert erase(harness)
    with harness.store.temporary() as path, pytest.raises(GoneError):
        wait(harness.originals.keep("p", wait(harness.sources.fetch("http://site", path)), is_posted=False))
    assert pictures_in(harness) == []


def test_an_erasure_wins_over_a_post_in_flight(make_harness: MakeHarness) -> None:
    """A post whose bytes were complete before gets GoneError, whatever it has done by then; nothing is left."""
    uploader = GatedUploader()
    harness = make_harness(uploader=uploader)
    uploader.gate = Deferred()
    posts = [begin(harness.ingest.from_body("p", [PICTURE])) for _ in range(2)]  # one uploads, the other waits for it
    erased = begin(harness.pipeline.eraser.erase(IMAGE))
    (job,) = harness.queue.claim("erase")
    done = begin(harness.pipeline.eraser.run_jobs(job.image, [job.file]))
    assert not erased.called
    gate, uploader.gate = uploader.gate, None
    gate.callback(None)
    for post in posts:
        with pytest.raises(GoneError):
            result(post)
    assert result(done) == {ORIGINAL: None}
    assert result(erased)
    assert pictures_in(harness) == []
    assert not harness.store.layout.folder(IMAGE).exists()
    assert harness.temporaries == []


def test_an_upload_in_flight_ends_before_the_job_removes_files(make_harness: MakeHarness) -> None:
    """Also one that no client and no job waits for any more."""
    uploader = GatedUploader()
    harness = make_harness(uploader=uploader)
    harness.keep()
    wait(harness.pipeline.output(IMAGE, X10))
    uploader.gate = Deferred()
    uploading = begin(harness.pipeline.run_uploads(IMAGE, [X10]))
    erased = begin(harness.pipeline.eraser.erase(IMAGE))
    (job,) = harness.queue.claim("erase")
    done = begin(harness.pipeline.eraser.run_jobs(job.image, [job.file]))
    assert not done.called
    assert not erased.called
    gate, uploader.gate = uploader.gate, None
    gate.callback(None)
    assert result(uploading) == {X10: None}
    result(done)
    assert result(erased)
    assert pictures_in(harness) == []


def test_a_render_in_flight_gives_nothing(make_harness: MakeHarness) -> None:
    """The client that waits gets GoneError, and the store gets no output; queued jobs of it are done."""
    harness = make_harness(remote=False)
    harness.keep()
    harness.threads.held = True
    asked = begin(harness.pipeline.output(IMAGE, X10))
    assert wait(harness.pipeline.eraser.erase(IMAGE))
    harness.threads.step()
    with pytest.raises(GoneError):
        result(asked)
    assert not harness.store.layout.folder(IMAGE).exists()
    harness.threads.held = False
    assert wait(harness.pipeline.run_renders(IMAGE, [X10])) == {X10: None}
    assert wait(harness.pipeline.run_uploads(IMAGE, [X10]))[X10] is not None  # there is no remote store


def test_a_comparison_in_flight_records_nothing(make_harness: MakeHarness) -> None:
    """It has listed the files of the picture before they went; after a new post, they have to be uploaded again."""
    uploader = GatedUploader()
    harness = make_harness(uploader=uploader)
    harness.keep()
    harness.queue.erase(IMAGE, enqueue=False)  # as of a picture of image-server 1.x
    uploader.lists = Deferred()
    comparing = begin(
        reconcile(harness.store, harness.remote, harness.jobs, FORMATS, harness.queue_threads.run, lambda: True)
    )
    erased = begin(harness.pipeline.eraser.erase(IMAGE))
    (job,) = harness.queue.claim("erase")
    done = begin(harness.pipeline.eraser.run_jobs(job.image, [job.file]))
    lists, uploader.lists = uploader.lists, None
    lists.callback(None)
    for each in (comparing, done, erased):
        assert result(each)
    assert harness.queue.uploaded_files(IMAGE) == []


def test_an_upload_that_another_process_has_not_seen_the_end_of(make_harness: MakeHarness) -> None:
    """The uploading process looks for a tombstone afterwards, and queues another job."""
    uploader = GatedUploader()
    harness = make_harness(uploader=uploader)
    harness.keep()
    wait(harness.pipeline.output(IMAGE, X10))
    uploader.gate = Deferred()
    uploading = begin(harness.pipeline.run_uploads(IMAGE, [X10]))
    harness.store.tombstones.add(Tombstone(IMAGE, time_ns()))  # as another process does, which has ended its job, too
    gate, uploader.gate = uploader.gate, None
    gate.callback(None)
    assert result(uploading) == {X10: None}
    assert f"{HOME}/x10.jpg" in uploader.files
    run_jobs(harness)
    assert pictures_in(harness) == []


def test_outputs_that_an_older_generation_keeps_apart_go(make_harness: MakeHarness) -> None:
    """Its files are temporary ones, and have names of their own."""
    harness = make_harness(remote=False)
    harness.keep()
    wait(harness.pipeline.output(IMAGE, X10))
    harness.store.variants.supersede()
    harness.store.variants.save(IMAGE, X10, b"made with older settings")
    assert len(harness.temporaries) == 1
    assert wait(harness.pipeline.eraser.erase(IMAGE))
    assert harness.temporaries == []


def test_copies_go_when_another_process_has_erased(make_harness: MakeHarness) -> None:
    """A process that shares the store, or a command, does not reach into the memory of a daemon."""
    harness = make_harness(remote=False)
    harness.store.variants.save(IMAGE, X10, b"one")
    harness.store.variants.supersede()
    harness.store.variants.save(IMAGE, X10, b"two")
    harness.store.tombstones.add(Tombstone(IMAGE, time_ns()))
    assert len(harness.temporaries) == 1
    wait(harness.pipeline.other_nodes.follow())
    assert harness.temporaries == []


def test_what_a_program_without_tombstones_writes_goes(make_harness: MakeHarness) -> None:
    """An older imaged may drain while this one serves; for an hour, each look removes what it has written."""
    harness = make_harness(remote=False)
    assert wait(harness.pipeline.eraser.erase(IMAGE))
    path = harness.store.path(IMAGE, X10)
    for erased_ns, is_left in ((time_ns(), False), (time_ns() - 3_700_000_000_000, True)):
        harness.store.tombstones.add(Tombstone(IMAGE, erased_ns))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"late")
        wait(harness.pipeline.other_nodes.follow())
        assert path.exists() is is_left


def test_the_job_removes_local_files_that_were_left(make_harness: MakeHarness) -> None:
    """The disk may have failed at the first try."""
    harness = make_harness()
    harness.keep()
    body = harness.store.path(IMAGE, ORIGINAL).read_bytes()
    assert erase(harness)
    harness.store.path(IMAGE, ORIGINAL).parent.mkdir(parents=True)
    harness.store.path(IMAGE, ORIGINAL).write_bytes(body)
    harness.queue.add("erase", IMAGE, [ORIGINAL])
    run_jobs(harness)
    assert not harness.store.has(IMAGE, ORIGINAL)


def test_outputs_are_forgotten(make_harness: MakeHarness) -> None:
    """In both stores, with their queued uploads; the original stays, and makes them again."""
    harness = make_harness()
    harness.keep()
    wait(harness.pipeline.output(IMAGE, X10))
    harness.uploader.files[f"{HOME}/x20.jpg"] = b""
    wait(harness.pipeline.eraser.forget(IMAGE))
    assert harness.store.files(IMAGE) == [ORIGINAL, RECORD]
    assert sorted(pictures_in(harness)) == [f"{HOME}/info.json", f"{HOME}/original"]
    assert harness.queued("upload") == []
    wait(harness.pipeline.output(IMAGE, X10))
    assert erase(harness)
    with pytest.raises(GoneError):
        wait(harness.pipeline.eraser.forget(IMAGE))


class TestOtherNodes:
    """What a node does about the erasures of others, which it finds in the remote store."""

    @pytest.fixture
    def nodes(self, make_harness: MakeHarness) -> tuple[PipelineHarness, PipelineHarness]:
        """Return two nodes with one remote store, both with the picture."""
        one = make_harness()
        other = make_harness(uploader=one.uploader)
        one.keep()
        wait(other.pipeline.output(IMAGE, X10))
        return one, other

    def test_a_node_erases_what_another_has_erased(self, nodes: tuple[PipelineHarness, PipelineHarness]) -> None:
        """With what it has uploaded since, and it answers GoneError from then on."""
        one, other = nodes
        assert erase(one)
        one.uploader.files[f"{HOME}/x10.jpg"] = b"uploaded by the other meanwhile"
        assert wait(other.pipeline.other_nodes.follow()) == 1
        run_jobs(other)
        assert not other.store.layout.folder(IMAGE).exists()
        assert pictures_in(one) == []
        with pytest.raises(GoneError):
            wait(other.pipeline.output(IMAGE, X10))
        wait(other.pipeline.other_nodes.follow())
        assert other.queued("erase") == []

    def test_a_post_there_is_a_new_picture_here(self, nodes: tuple[PipelineHarness, PipelineHarness]) -> None:
        """The tombstone that has gone from the remote store is lifted when it is missing for the second time."""
        one, other = nodes
        assert erase(one)
        wait(other.pipeline.other_nodes.follow())
        run_jobs(other)
        other.keep()
        for _ in range(2):
            wait(one.pipeline.other_nodes.follow())
            assert len(one.store.tombstones.all()) == 1
        one.reactor.advance(60)
        wait(one.pipeline.other_nodes.follow())
        assert one.store.tombstones.all() == []
        wait(one.pipeline.output(IMAGE, X10))

    def test_clients_that_ask_again_get_a_post_there_sooner(
        self, nodes: tuple[PipelineHarness, PipelineHarness]
    ) -> None:
        """A client that got GoneError has its node look for the tombstone; a second look has to miss it, too."""
        one, other = nodes
        assert erase(one)
        wait(other.pipeline.other_nodes.follow())
        run_jobs(other)
        other.keep()
        for pause_s in (0, 9, 2):
            one.reactor.advance(pause_s)
            with pytest.raises(GoneError):
                wait(one.originals.find(IMAGE))
        wait(one.pipeline.output(IMAGE, X10))

    def test_clients_that_ask_again_cost_few_looks(self, make_harness: MakeHarness) -> None:
        """One a minute for each picture that is erased, and ten in all."""
        uploader = CountingUploader()
        harness = make_harness(uploader=uploader)
        images = [ImageId("p", ImageHash(f"{number:032x}")) for number in range(20)]
        for image in images:
            tombstone = Tombstone(image, time_ns(), stored_in=harness.remote.identity)
            harness.store.tombstones.add(tombstone)
            uploader.files[tombstone.key] = b"{}"
        for minute in range(1, 3):
            for _ in range(3):
                for image in images:
                    with pytest.raises(GoneError):
                        wait(harness.originals.find(image))
            assert uploader.looks == 10 * minute
            harness.reactor.advance(61)

    def test_a_late_job_removes_nothing_of_what_another_node_has(
        self, nodes: tuple[PipelineHarness, PipelineHarness]
    ) -> None:
        """A tombstone that was in the remote store and has gone was lifted there."""
        one, other = nodes
        assert erase(one)
        wait(other.pipeline.other_nodes.follow())
        run_jobs(other)
        other.keep()
        one.queue.add("erase", IMAGE, [ORIGINAL])
        run_jobs(one)
        assert sorted(one.uploader.files) == [f"{HOME}/info.json", f"{HOME}/original"]

    def test_a_later_post_at_a_node_that_does_not_know_yet_wins(
        self, nodes: tuple[PipelineHarness, PipelineHarness]
    ) -> None:
        """The node uploads its picture again when it learns of the earlier erasure."""
        one, other = nodes
        assert erase(one)
        other.keep()
        one.uploader.files = {key: body for key, body in one.uploader.files.items() if key.startswith(".erased/")}
        wait(other.pipeline.other_nodes.follow())
        assert other.store.has(IMAGE, ORIGINAL)
        assert one.uploader.files == {}
        assert sorted(other.queued("upload")) == ["info.json", "original", "x10.jpg"]

    def test_a_restored_original_is_no_post(self, nodes: tuple[PipelineHarness, PipelineHarness]) -> None:
        """A node that read the picture from the remote store after the erasure erases it."""
        one, other = nodes
        posted_ns = one.store.originals.posted_ns(IMAGE)
        assert posted_ns is not None
        tombstone = Tombstone(IMAGE, posted_ns - 1)
        one.uploader.files[tombstone.key] = b"{}"
        wait(other.pipeline.other_nodes.follow())
        assert not other.store.layout.folder(IMAGE).exists()
        wait(one.pipeline.other_nodes.follow())  # the picture was posted there since
        assert one.store.has(IMAGE, ORIGINAL)

    def test_a_picture_posted_again_is_uploaded_again(self, nodes: tuple[PipelineHarness, PipelineHarness]) -> None:
        """Another node that was still erasing it may have removed the new files: each is looked for a few times."""
        one, _ = nodes
        assert erase(one)
        one.keep()
        run_jobs(one)
        del one.uploader.files[f"{HOME}/original"]
        wait(one.pipeline.other_nodes.follow())
        assert sorted(one.queued("upload")) == ["info.json", "original"]

    def test_a_picture_that_cannot_be_removed_keeps_no_other_one(
        self, make_harness: MakeHarness, tmp_path: Path
    ) -> None:
        """A node erases all others, then says what is wrong with that one; the next look tries it again."""

        class Stubborn(StoreSize):
            @contextmanager
            def changing(self, paths: Sequence[Path], root: Path) -> Iterator[None]:  # noqa: ARG002  # the signature
                if is_stubborn and any(path.name == str(ORIGINAL) and folder in path.parents for path in paths):
                    raise PermissionError(1, "Operation not permitted")
                yield

        is_stubborn = False
        store = LocalStore(tmp_path / "stubborn", (3, 3), size=Stubborn())
        harness = make_harness(store=store)
        images = sorted([harness.keep(), harness.keep(make_jpeg(orientation=1))], key=str)
        folder = store.layout.folder(images[0])
        for image in images:
            harness.uploader.files[Tombstone(image, time_ns()).key] = b"{}"
        is_stubborn = True
        for _ in range(2):
            with pytest.raises(StoreError, match=f"{images[0]} cannot be erased"):
                wait(harness.pipeline.other_nodes.follow())
            assert [store.has(image, ORIGINAL) for image in images] == [True, False]
        is_stubborn = False
        wait(harness.pipeline.other_nodes.follow())
        assert not store.has(images[0], ORIGINAL)


@pytest.mark.parametrize("remote", [True, False])
def test_tombstones_expire(make_harness: MakeHarness, *, remote: bool) -> None:
    """After `erase.remember_days`, in both stores, if the remote one has no file of the picture any more."""
    harness = make_harness("erase: {remember_days: 1}", remote=remote)
    old, pending = Tombstone(IMAGE, 1, stored_in=harness.remote.identity), Tombstone(IMAGE, 2)
    harness.store.tombstones.add(old)
    harness.uploader.files[old.key] = b"{}"
    wait(harness.pipeline.other_nodes.follow())
    assert harness.store.tombstones.all() == []
    assert (old.key in harness.uploader.files) is not remote
    harness.store.tombstones.add(pending)
    wait(harness.pipeline.other_nodes.follow())
    assert len(harness.store.tombstones.all()) == remote


def test_a_damaged_tombstone_is_remembered(make_harness: MakeHarness) -> None:
    """It has lost its time, and counts from that of the damage."""
    harness = make_harness(remote=False)
    assert wait(harness.pipeline.eraser.erase(IMAGE))
    (harness.store.root / f".erased/p-{IMAGE.hash}").write_bytes(b"")
    wait(harness.pipeline.other_nodes.follow())
    assert len(harness.store.tombstones.all()) == 1


def test_a_start_completes_what_a_killed_process_has_begun(make_harness: MakeHarness) -> None:
    """It removes the files of erased pictures, and queues what the remote store may still have."""
    harness = make_harness()
    harness.keep()
    body = harness.store.path(IMAGE, ORIGINAL).read_bytes()
    harness.store.tombstones.add(Tombstone(IMAGE, 1))
    harness.store.layout.folder(IMAGE).mkdir(parents=True)
    harness.store.path(IMAGE, ORIGINAL).write_bytes(body)
    wait(harness.pipeline.eraser.enforce())
    assert not harness.store.layout.folder(IMAGE).exists()
    run_jobs(harness)
    assert pictures_in(harness) == []
    wait(harness.pipeline.eraser.enforce())
    assert harness.queued("erase") == []  # it is old, and complete
