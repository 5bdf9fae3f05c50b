"""The shape of `/status.json` is a promise to operators."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from origin_server import origin
from raw_client import Answer, connect
from service_case import HASH, HOME, IMAGE, PICTURE, ServiceTestCase, until

from imaged.core.errors import StoreError
from imaged.core.files import parse_file
from imaged.hooks.installation import VERSION

CHARTS = (
    *("requests", "hits", "renders", "downloads", "uploads", "refused", "failed", "bytes"),
    *("made", "hit_bytes", "made_bytes"),
)

COMPARISON = {"state": str, "unfinished": bool, "since": str, "images": int, "missing": int}
SHAPE = {
    "version": str,
    "message": str,
    "pid": int,
    "uptime_s": float,
    "generation": {"number": int, "loaded_at": str, "config": str, "last_reload": type(None)},
    "processing": {
        "current": int,
        "waiting": int,
        "threads": int,
        "busy": int,
        "total": int,
        "failed": int,
        "items": list,
        "isolation": {"kind": str, "landlock_abi": type(None), "seccomp": type(None), "missing": list},
        "workers": list,
        "workers_fault": type(None),
        "worker_deaths": {},
        "recent_deaths": int,
        "refused_pictures": int,
    },
    "downloads": {"current": int, "total": int, "failed": int, "items": list},
    "posting": {"current": int, "total": int, "failed": int},
    "uploads": {
        "current": int,
        "queued": int,
        "parked": int,
        "total": int,
        "failed": int,
        "oldest_s": type(None),
    },
    "remote": {"fault": type(None), "comparison": COMPARISON},
    "promised": {"current": int, "queued": int, "parked": int, "oldest_s": type(None)},
    "erasures": {"current": int, "queued": int, "parked": int, "oldest_s": type(None), "total": int},
    "requests": dict.fromkeys(
        (
            "current",
            "total",
            "hits",
            "rendered",
            "joined",
            "refused",
            "failed",
            "left",
            "bytes",
            "hit_bytes",
            "made_bytes",
        ),
        int,
    ),
    "limits": dict.fromkeys(("requests_per_s", "posts_per_minute", "renders_per_minute", "connections"), int),
    "queue": {"fault": type(None), "free_bytes": int, "is_full": bool},
    "hit_ratio": dict.fromkeys(("requests", "bytes", "recent_requests", "recent_bytes"), type(None)),
    "rates_per_s": dict.fromkeys(CHARTS, float),
    "history": {"interval_s": float, **dict.fromkeys(CHARTS, list)},
    "origins": list,
    "errors": list,
    "metrics": list,
    "alerts": list,
    "try_page": bool,
    "log": {"lost": int, "fault": type(None)},
    "stalls": {"total": int, "last": type(None), "hanging": list},
    "plugins": list,
    "store": {
        "path": str,
        "bytes": int,
        "files": int,
        "free_bytes": int,
        "fault": type(None),
        "is_full": bool,
        "is_read_only": bool,
        "occupied_bytes": type(None),
        "bound_fault": type(None),
        **dict.fromkeys(
            ("maximum_bytes", "keep_free_bytes", "forgotten_files", "forgotten_bytes", "refused_saves"), int
        ),
    },
}


def shape(value: Any) -> Any:
    """Return the types in a value, by key."""
    return {key: shape(each) for key, each in value.items()} if isinstance(value, dict) else type(value)


class TestSnapshot(ServiceTestCase):
    """Programs read the snapshot as JSON."""

    async def test_the_shape_is_the_promised_one(self) -> None:
        """It has every field, with a value of its type, and no other."""
        await self.serve()
        assert shape(await self.status()) == SHAPE

    async def test_an_unfinished_comparison_is_visible(self) -> None:
        """Until it ends, the snapshot has its state, its start and its counts, and the status line names it."""
        await self.serve()
        while (await self.status())["remote"]["comparison"]["unfinished"]:
            pass  # each look gives the daemon time
        identity, jobs = self.service.generations.pipeline.remote.identity, self.service.environment.jobs
        await jobs.begin_comparison(identity)
        await jobs.note_comparison(identity, "running", images=200, missing=3)
        told = (await self.status())["remote"]["comparison"]
        assert told.pop("since")
        assert told == {"state": "running", "unfinished": True, "images": 200, "missing": 3}
        assert "comparison with the remote store (running)" in await self.service.status_line()
        await jobs.note_comparison(identity, "ended", images=201, missing=3)
        assert not (await self.status())["remote"]["comparison"]["unfinished"]
        assert "comparison" not in await self.service.status_line()
        await jobs.begin_comparison("another store")
        assert (await self.status())["remote"]["comparison"]["state"] == "waiting"

    async def test_an_idle_daemon(self) -> None:
        """It has a version, a start time, its plugins and its store."""
        await self.serve()
        status = await self.status()
        assert (status["version"], status["message"]) == (VERSION, "OK")
        assert 0 <= status["uptime_s"] < 30
        assert status["generation"]["number"] == 1
        assert status["generation"]["config"] == "etc/imaged.yaml"
        loaded_at = datetime.fromisoformat(status["generation"]["loaded_at"])
        assert 0 <= (datetime.now(UTC) - loaded_at).total_seconds() < 30
        assert status["plugins"] == [
            {"name": "harness", "kind": "processor", "version": "0.1", "detail": "still pictures"},
            {"name": "harness", "kind": "uploader", "version": "0.1", "detail": "memory"},
            {"name": "harness", "kind": "metrics", "version": "0.1", "detail": ""},
        ]
        assert status["store"]["path"] == str(self.folder / "public")
        assert status["store"]["free_bytes"] > 0
        assert status["processing"]["threads"] == 2

    async def test_renders_in_flight(self) -> None:
        """Each has its image, its output and its time, and waiting renders are counted."""
        await self.serve(render={"concurrency": 1})
        await self.post()
        self.service_harness.processor.hold()
        connections = [await self.begin("GET", f"{HOME}/{name}") for name in ("x30.jpg", "x31.jpg", "x32.jpg")]
        await until(
            lambda: (
                self.service.generations.pipeline.engine.admission.waiting == 2 and self.service_harness.processor.jobs
            )
        )
        processing = (await self.status())["processing"]
        (item,) = processing.pop("items")
        counts = {"current": 1, "waiting": 2, "threads": 1, "busy": 1, "total": 0, "failed": 0}
        assert {name: processing[name] for name in counts} == counts
        assert 0 <= item.pop("elapsed_s") < 30
        assert item == {"namespace": "p", "hash": HASH, "output": "x30.jpg"}
        self.service_harness.processor.release()
        assert [(await connection.answer()).status for connection in connections] == [200] * 3
        assert (await self.status())["processing"]["total"] == 3

    async def test_downloads_and_postings_in_flight(self) -> None:
        """A download has its URL and the bytes so far."""
        await self.serve()
        async with origin(None) as source:
            connection = await self.begin("POST", f"/p?source={source.url}")
            await until(lambda: source.asked)
            status = await self.status()
            (item,) = status["downloads"].pop("items")
            assert status["downloads"] == {"current": 1, "total": 0, "failed": 0}
            assert status["posting"] == {"current": 1, "total": 0, "failed": 0}
            assert 0 <= item.pop("elapsed_s") < 30
            assert item == {"url": source.url, "bytes": 0}
            source.send(PICTURE)
            await connection.ended
        await self.post("/p", b"no picture")
        status = await self.status()
        assert status["downloads"] == {"current": 0, "total": 1, "failed": 0, "items": []}
        assert status["posting"] == {"current": 0, "total": 2, "failed": 1}

    async def test_pending_uploads(self) -> None:
        """While the remote store is down, uploads are queued, with the age of the oldest."""
        await self.serve()
        await self.post()
        assert (await self.status())["uploads"]["total"] == 2
        self.service_harness.uploader.failure = StoreError("down")
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200
        await until(lambda: self.service.environment.counters.uploads.failed)
        uploads = (await self.status())["uploads"]
        while uploads["queued"] != 1:
            uploads = (await self.status())["uploads"]
        assert uploads["oldest_s"] >= 0
        assert (uploads["failed"], uploads["parked"]) == (1, 0)
        self.service_harness.uploader.failure = None
        await until(lambda: f"{HOME[1:]}/x30.jpg" in self.service_harness.files)

    async def test_renders_that_failed_for_good(self) -> None:
        """They are counted as `parked`."""
        await self.serve()
        await self.post()
        self.service_harness.processor.failure = ValueError("no paint")
        await self.post("/p?outputs=x30.jpg")
        while (await self.status())["promised"]["parked"] != 1:
            pass
        assert (await self.status())["processing"]["failed"] == 1
        assert self.flushLoggedErrors(ValueError), "a plugin that fails is logged with its traceback"

    async def test_a_missing_folder_of_the_queue_has_no_free_bytes(self) -> None:
        """The free bytes of another disk would look healthy."""
        await self.serve()
        folder = self.folder / "state"
        elsewhere = folder.rename(self.folder / "elsewhere")
        assert (await self.status())["queue"]["free_bytes"] is None
        elsewhere.rename(folder)
        assert (await self.status())["queue"]["free_bytes"] > 0

    async def test_the_store_is_measured(self) -> None:
        """The snapshot has its current files and bytes."""
        await self.serve()
        await self.post()
        size_bytes = sum(self.store.path(IMAGE, parse_file(name)).stat().st_size for name in ("original", "info.json"))
        while (store := (await self.status())["store"])["files"] != 2:  # a count may be late, or see a temporary file
            pass
        assert store["bytes"] == size_bytes


class TestLeaving(ServiceTestCase):
    """A daemon that stops."""

    async def test_health_is_503_while_draining(self) -> None:
        """A load balancer then sends no client."""
        await self.serve()
        held = await self.hold_open("/status_check")
        self.service.health.draining = True
        held.send(b"\r\n")
        answer: Answer = await held.answer()
        assert (answer.status, answer.error) == (503, "draining")
        assert int(answer.headers["retry-after"]) > 0
        assert (await self.status())["message"] == "draining"

    async def hold_open(self, target: str) -> Any:
        """Begin a request without the last line of its head."""
        connection = await connect(self.url)
        connection.send(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" % target.encode())
        return connection
