"""Pictures of origins: what is asked for, when, and what a client gets meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pipeline_harness import PICTURE, PipelineHarness
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from imaged.core.errors import (
    BusyError,
    DiskFullError,
    GoneError,
    ImagedError,
    NotAPictureError,
    NotFoundError,
    OriginFailedError,
    OriginTimeoutError,
    SourceFailedError,
    SourceTimeoutError,
    StoreError,
)
from imaged.core.files import ORIGINAL
from imaged.core.hashes import ImageHash, ImageId
from imaged.pipeline.ingest import MAXIMUM_FETCHES
from imaged.pipeline.origins import MAXIMUM_UNAWAITED, NO_PICTURE_S, NOT_THERE_S, RETRY_S, SHORTEST_S, OriginPicture
from imaged.store.local import LocalStore
from imaged.store.trial import STORE, Trial
from imaged.testing.pictures import make_png
from imaged.testing.waiting import wait

TTL_S = 1000.0
SETTINGS = "origins: {shop: {url: 'http://shop.example/media', namespace: p, ttl_s: 1000}}"
OTHER = make_png(comment="another one")


def hash_of(body: bytes) -> ImageHash:
    """Return the hash of a picture."""
    return ImageHash(hashlib.md5(body).hexdigest())


def result_of(waiting: Deferred[OriginPicture]) -> OriginPicture:
    """Return the result that a request has by now."""
    results: list[Any] = []
    waiting.addCallback(results.append)
    (result,) = results
    assert isinstance(result, OriginPicture)
    return result


class Shop:
    """A pipeline with one origin."""

    def __init__(self, harness: PipelineHarness) -> None:
        self.harness = harness
        self.sources = self.harness.sources
        self.origins = self.harness.pipeline.origins
        self.tally = self.origins._shared.counters.origins.of("shop")

    def begin(self, path: str = "red.jpg") -> Deferred[OriginPicture]:
        """Ask for a path."""
        return Deferred.fromCoroutine(self.origins.find("p", "shop", path))

    def find(self, path: str = "red.jpg") -> OriginPicture:
        """Ask for a path, and return what is there at once."""
        return wait(self.origins.find("p", "shop", path))

    def fails(self, error: type[ImagedError], path: str = "red.jpg") -> ImagedError:
        """Ask for a path, and expect this error."""
        with pytest.raises(ImagedError) as caught:
            self.find(path)
        assert caught.type is error, caught.value
        return caught.value

    def after(self, seconds: float) -> None:
        """Let time pass."""
        self.harness.reactor.advance(seconds)

    @property
    def asked(self) -> int:
        """How often the origin was asked."""
        return len(self.sources.urls)


MakeShop = Callable[..., Shop]


@pytest.fixture
def make_shop(make_harness: Callable[..., PipelineHarness], tmp_path: Path) -> MakeShop:
    """Return a function that makes a shop; all have the same store."""

    def make(settings: str = SETTINGS, *, remote: bool) -> Shop:
        return Shop(make_harness(settings, remote=remote, store=LocalStore(tmp_path / "public", (3, 3))))

    return make


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    """Return a shop without a remote store."""
    return make_shop(remote=False)


def test_a_path_is_fetched_once(shop: Shop) -> None:
    """The first request fetches and keeps the original, later ones do not ask."""
    first = shop.find()
    assert (first.image, first.fresh_s, first.is_fetched) == (ImageId("p", hash_of(PICTURE)), TTL_S, True)
    assert shop.harness.store.has(first.image, ORIGINAL)
    shop.after(TTL_S - 1)
    later = shop.find()
    assert (later.image, later.fresh_s, later.is_fetched) == (first.image, 1.0, False)
    assert shop.sources.urls == ["http://shop.example/media/red.jpg"]
    assert shop.harness.temporaries == []


def test_requests_for_one_path_share_a_fetch(shop: Shop) -> None:
    """24 clients that ask for a path that was never seen cost one fetch."""
    shop.sources.gate = Deferred()
    waiting = [shop.begin() for _ in range(24)]
    shop.sources.gate.callback(None)
    assert {result_of(each).image for each in waiting} == {ImageId("p", hash_of(PICTURE))}
    assert shop.asked == 1


def test_a_client_that_leaves_ends_no_fetch(shop: Shop) -> None:
    """The original is kept for the next client."""
    shop.sources.gate = Deferred()
    leaving = shop.begin()
    leaving.addErrback(lambda _: None)
    leaving.cancel()
    shop.sources.gate.callback(None)
    assert not shop.find().is_fetched
    assert shop.asked == 1


def test_after_its_time_a_path_is_answered_at_once_and_asked_for_behind(shop: Shop) -> None:
    """One conditional request is made, however many clients ask; 304 makes the path fresh."""
    first = shop.find()
    shop.after(TTL_S)
    shop.sources.gate = Deferred()
    stale = [shop.find() for _ in range(5)]
    assert [(each.image, each.fresh_s, each.shortest_s) for each in stale] == [(first.image, 0.0, SHORTEST_S)] * 5
    assert (shop.asked, shop.sources.conditional, shop.tally.stale) == (2, 1, 5)
    shop.sources.gate.callback(None)
    assert shop.find().fresh_s == TTL_S
    assert (shop.asked, shop.tally.unchanged) == (2, 1)
    assert shop.find().since_ns == first.since_ns


def test_another_picture_is_there_from_the_next_request(shop: Shop) -> None:
    """The path changes its hash; the former picture stays in the store."""
    first = shop.find()
    shop.after(TTL_S)
    shop.sources.body = OTHER
    assert shop.find().image == first.image
    second = shop.find()
    assert (second.image.hash, second.fresh_s) == (hash_of(OTHER), TTL_S)
    assert second.since_ns >= first.since_ns
    assert shop.harness.store.has(first.image, ORIGINAL)


def test_the_same_bytes_without_validators_change_nothing(make_shop: MakeShop) -> None:
    """They are compared by their hash, and not uploaded again."""
    shop = make_shop(remote=True)
    shop.sources.has_validators = False
    first = shop.find()
    shop.harness.uploader.files.clear()
    shop.after(TTL_S)
    shop.find()
    again = shop.find()
    assert (again.image, again.since_ns, again.fresh_s) == (first.image, first.since_ns, TTL_S)
    assert (shop.asked, shop.sources.conditional, shop.harness.uploader.files) == (2, 0, {})


def test_a_picture_that_is_gone_is_gone_from_the_next_request(shop: Shop) -> None:
    """404 is remembered for a minute; then the origin is asked again."""
    first = shop.find()
    shop.after(TTL_S)
    shop.sources.error = NotFoundError("shop.example answers 404")
    assert shop.find().image == first.image
    error = shop.fails(NotFoundError)
    assert "example" not in str(error)
    assert shop.asked == 2
    shop.after(NOT_THERE_S)
    shop.fails(NotFoundError)
    assert shop.asked == 3
    shop.after(NOT_THERE_S)
    shop.sources.error = None
    assert shop.find().is_fetched


@pytest.mark.parametrize("error", [SourceFailedError("refused"), SourceTimeoutError("slow"), NotAPictureError("HTML")])
def test_stale_pictures_are_served_for_as_long_as_the_origin_fails(shop: Shop, error: ImagedError) -> None:
    """Neither an error nor a page instead of the picture takes it away, and each path is retried after a pause."""
    first = shop.find()
    shop.sources.error = error
    for _ in range(20):
        shop.after(30 * 86_400)
        for _ in range(5):
            assert shop.find().image == first.image
    assert shop.asked == 21
    shop.after(NO_PICTURE_S)
    shop.sources.error = None
    shop.find()
    assert shop.find().fresh_s == TTL_S


def test_a_failure_is_retried_after_a_pause(shop: Shop) -> None:
    """Clients that repeat a request do not repeat the fetch, and see no address of the origin."""
    shop.sources.error = SourceFailedError("10.1.2.3 refuses the connection")
    for _ in range(3):
        error = shop.fails(OriginFailedError)
    assert "10.1.2.3" not in str(error.public_message)
    assert (shop.asked, error.status) == (1, 502)
    shop.after(RETRY_S)
    shop.sources.error = SourceTimeoutError("10.1.2.3 took too long")
    assert shop.fails(OriginTimeoutError).status == 504
    assert shop.asked == 2


def test_what_is_no_picture_is_not_downloaded_for_each_request(shop: Shop) -> None:
    """It is refused for ten minutes; nothing of it is kept."""
    shop.sources.error = NotAPictureError("HTML")
    for _ in range(3):
        shop.fails(NotAPictureError)
    shop.after(NO_PICTURE_S)
    shop.fails(NotAPictureError)
    assert shop.asked == 2
    assert shop.harness.temporaries == []


def test_what_is_known_survives_the_process(make_shop: MakeShop) -> None:
    """Another generation, or another daemon on the same store, knows the path and its validators."""
    first = make_shop(remote=False).find()
    shop = make_shop(remote=False)
    shop.sources.error = SourceFailedError("away")
    assert shop.find().image == first.image
    assert shop.asked == 0
    shop = make_shop(remote=False)
    shop.after(TTL_S)
    shop.find()
    assert shop.sources.conditional == 1


@pytest.mark.parametrize(
    "settings",
    [SETTINGS.replace("/media", "/other"), SETTINGS.replace("http:", "https:"), SETTINGS.replace("p, ttl", "q, ttl")],
)
def test_another_place_has_records_of_its_own(make_shop: MakeShop, settings: str) -> None:
    """After a change of the URL nothing is taken for known; another namespace has no original of its own yet."""
    make_shop(remote=False).find()
    shop = make_shop(settings, remote=False)
    namespace = "q" if "q, ttl" in settings else "p"
    assert wait(shop.origins.find(namespace, "shop", "red.jpg")).is_fetched


def test_another_time_or_other_headers_change_no_record(make_shop: MakeShop) -> None:
    """What is at a path does not depend on them."""
    make_shop(remote=False).find()
    shop = make_shop(SETTINGS.replace("1000", "5, headers: {Authorization: x}"), remote=False)
    assert (shop.find().fresh_s, shop.asked) == (5.0, 0)


def test_an_origin_is_one_of_its_namespace(shop: Shop) -> None:
    """Other names, and other namespaces, have no such origin."""
    for namespace, name in (("p", "other"), ("q", "shop"), ("p", "Shop"), ("p", "")):
        with pytest.raises(NotFoundError):
            wait(shop.origins.find(namespace, name, "red.jpg"))
    assert shop.asked == 0


def test_fetches_are_bounded(shop: Shop) -> None:
    """One more path than may be fetched is refused; a stale one is answered, and not asked for."""
    first = shop.find("seen.jpg")
    shop.after(TTL_S)
    shop.sources.gate = Deferred()
    waiting = [shop.begin(f"{number}.jpg") for number in range(MAXIMUM_FETCHES)]
    shop.fails(BusyError, "one-more.jpg")
    assert shop.find("seen.jpg").image == first.image
    assert shop.asked == MAXIMUM_FETCHES + 1
    shop.sources.gate.callback(None)
    assert len([result_of(each) for each in waiting]) == MAXIMUM_FETCHES
    assert shop.find("one-more.jpg").is_fetched


def test_an_origin_that_hangs_leaves_others_their_places(make_shop: MakeShop) -> None:
    """Each origin has its own bound."""
    shop = make_shop(SETTINGS.replace("}", "}, other: {url: 'http://other.example', namespace: p}", 1), remote=False)
    shop.sources.gate = Deferred()
    waiting = [shop.begin(f"{number}.jpg") for number in range(MAXIMUM_FETCHES)]
    shop.fails(BusyError, "one-more.jpg")
    waiting.append(Deferred.fromCoroutine(shop.origins.find("p", "other", "red.jpg")))
    shop.sources.gate.callback(None)
    assert all(result_of(each).is_fetched for each in waiting)


def test_stale_paths_leave_places_to_unseen_ones(shop: Shop) -> None:
    """They are answered without the origin; no client waits to know whether they have changed."""
    paths = [f"{number}.jpg" for number in range(MAXIMUM_FETCHES)]
    for path in paths:
        shop.find(path)
    shop.after(TTL_S)
    shop.sources.gate = Deferred()
    for path in paths:
        assert not shop.find(path).is_fetched
    assert shop.asked == MAXIMUM_FETCHES + MAXIMUM_UNAWAITED
    waiting = shop.begin("unseen.jpg")
    shop.sources.gate.callback(None)
    assert result_of(waiting).is_fetched


def test_an_original_that_no_store_has_is_fetched_again(make_shop: MakeShop) -> None:
    """An operator removed it: the record alone gives no picture."""
    shop = make_shop(remote=False)
    image = shop.find().image
    shop.harness.store.path(image, ORIGINAL).unlink()
    assert shop.find().is_fetched
    assert shop.harness.store.has(image, ORIGINAL)


def test_a_lost_original_does_not_wait_for_a_conditional_request(make_shop: MakeShop) -> None:
    """304 would not bring it back: it is fetched whatever its version, also while the path is asked for again."""
    shop = make_shop(remote=True)
    image = shop.find().image
    shop.harness.store.path(image, ORIGINAL).unlink()
    shop.harness.uploader.files.clear()
    shop.after(TTL_S)
    shop.sources.gate = Deferred()
    assert not shop.find().is_fetched
    fetching = Deferred.fromCoroutine(shop.origins.fetch("p", "shop", "red.jpg"))
    shop.sources.gate.callback(None)
    assert result_of(fetching).is_fetched
    assert shop.harness.store.has(image, ORIGINAL)


def test_the_outputs_of_the_namespace_are_queued_for_new_pictures_alone(make_shop: MakeShop) -> None:
    """As a post does it; what is asked for again is not new."""
    shop = make_shop(SETTINGS + "\nimages: {outputs: [x30.jpg]}", remote=False)
    shop.find()
    assert shop.harness.queued("render") == ["x30.jpg"]
    shop.sources.has_validators = False
    shop.after(TTL_S)
    shop.find()
    shop.find("same-bytes-elsewhere.jpg")
    assert shop.harness.queued("render") == ["x30.jpg"]


def test_a_store_that_keeps_nothing_is_not_the_origins_fault(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is the error of the request, and the origin is not said to fail."""

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(type(shop.harness.store.originals), "keep", full)
    shop.fails(StoreError)
    assert shop.tally.fault is None
    assert shop.harness.temporaries == []


def test_a_clock_that_was_set_back_makes_a_path_stale(make_shop: MakeShop) -> None:
    """A record from the future would else be fresh for years."""
    shop = make_shop(remote=False)
    shop.after(10 * 86_400)
    shop.find()
    earlier = make_shop(remote=False)
    assert earlier.find().fresh_s == 0
    assert earlier.asked == 1


def test_an_origin_that_fails_is_logged_once(shop: Shop) -> None:
    """One line when it begins to fail, with the address, and one when it answers; each failure is counted."""
    with capturedLogs() as logged:
        shop.find()
        shop.sources.error = SourceFailedError("10.1.2.3 refuses")
        for number in range(5):
            shop.fails(OriginFailedError, f"{number}.jpg")
        shop.sources.error = NotFoundError("not there")
        shop.fails(NotFoundError, "6.jpg")
    lines = [formatEvent(each) for each in logged if each["log_namespace"] == "imaged.pipeline.origins.Origins"]
    assert lines == [
        "origin shop fails, and pictures that were seen are served as they are: 10.1.2.3 refuses",
        "origin shop answers again",
    ]
    assert (shop.tally.fetched, shop.tally.failed, shop.tally.missing, shop.tally.fault) == (1, 5, 1, None)


def test_a_full_store_refuses_unseen_paths_and_serves_the_others(shop: Shop) -> None:
    """Nothing is fetched that could not be kept; when there is room, the next request asks the origin."""
    first = shop.find()
    saves = shop.harness.pipeline.renders.shared.counters.saves
    saves.tried({STORE: Trial(None)})
    saves.note("p", DiskFullError("the disk is full"))
    shop.after(TTL_S)
    shop.fails(DiskFullError, "unseen.jpg")
    assert shop.find().image == first.image
    assert (shop.asked, shop.tally.fault) == (1, None)


def test_invented_paths_of_one_picture_do_not_fill_the_store(shop: Shop) -> None:
    """At the bound of the store, a new picture has a record; further paths of it have none, also when it is erased."""
    shop.harness.environment.counters.bound.maximum_bytes = 1
    shop.find()
    for _ in range(2):
        found = shop.find("invented.jpg")
        assert (found.image, found.is_fetched) == (ImageId("p", hash_of(PICTURE)), True)
    assert not shop.find().is_fetched
    wait(shop.harness.pipeline.eraser.erase(found.image))
    for _ in range(2):
        shop.fails(GoneError, "another.jpg")
    records = list((shop.harness.store.root / ".origins").rglob("*.json"))
    assert (len(records), shop.asked) == (1, 4)


def test_an_erased_picture_is_not_fetched_again(shop: Shop) -> None:
    """The path keeps its hash, whose tombstone decides."""
    image = shop.find().image
    wait(shop.harness.pipeline.eraser.erase(image, ""))
    assert shop.find().image == image
    shop.fails(GoneError, "copy.jpg")
    assert shop.find("copy.jpg").image == image
    assert shop.asked == 2
    assert not shop.harness.store.has(image, ORIGINAL)


def test_a_page_in_the_place_of_a_picture_is_logged(shop: Shop) -> None:
    """The operator reads which path it is; the former picture is served."""
    shop.find()
    shop.after(TTL_S)
    shop.sources.body = b"<html>" * 100
    with capturedLogs() as logged:
        for _ in range(3):
            assert shop.find().image.hash == hash_of(PICTURE)
    lines = [formatEvent(each) for each in logged if each["log_namespace"] == "imaged.pipeline.origins.Origins"]
    assert len(lines) == 1
    assert lines[0].startswith("origin shop has no picture any more at red.jpg, and the former one is served: ")


def test_a_folder_gets_no_room_that_a_post_would_not_get(
    make_harness: Callable[..., PipelineHarness], tmp_path: Path
) -> None:
    """What the settings want free stays free, also for copies; one that has come counts as one that comes in."""
    (tmp_path / "media").mkdir()
    for name, body in (("red.png", PICTURE), ("other.png", OTHER)):
        (tmp_path / "media" / name).write_bytes(body)
    origins = f"origins: {{shop: {{path: {tmp_path / 'media'}, namespace: p}}}}"
    harness = make_harness(f"{origins}\nstore: {{keep_free_bytes: {2**60}}}", remote=False)
    counters, find = harness.environment.counters, harness.pipeline.origins.find
    counters.bound.follow(harness.pipeline.settings.store, harness.store.root)
    assert wait(find("p", "shop", "red.png")).image.hash == hash_of(PICTURE)
    assert counters.incoming.used_bytes == 0
    counters.bound.fault = "nothing more can be forgotten"
    with pytest.raises(DiskFullError):
        wait(find("p", "shop", "other.png"))
    assert not harness.store.has(ImageId("p", hash_of(OTHER)), ORIGINAL)
    assert harness.temporaries == []
