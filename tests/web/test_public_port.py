"""Every row in the table of the public port, over a socket."""

from __future__ import annotations

import hashlib

from raw_client import begin
from service_case import HASH, HOME, IMAGE, PICTURE, ServiceTestCase, other_picture, until
from twisted.internet.defer import Deferred, gatherResults

from imaged.core.errors import BusyError, StoreError
from imaged.core.events import OutputRendered, RequestAnswered, RequestFailed
from imaged.core.files import ORIGINAL, RECORD, parse_file
from imaged.store.local import LocalStore
from imaged.testing.pictures import HEIGHT_PX, WIDTH_PX, make_plain, make_webp

FACTS = {
    "hash": HASH,
    "partitionedHash": f"{HASH[:3]}/{HASH[3:6]}/{HASH[6:]}",
    "width": WIDTH_PX,
    "height": HEIGHT_PX,
    "content_type": "image/jpeg",
    "size": len(PICTURE),
    "sha256": hashlib.sha256(PICTURE).hexdigest(),
}


def row(name: str, state: str) -> dict[str, str]:
    """Return the row of an output."""
    return {"name": name, "url": f"{HOME}/{name}", "state": state}


class TestPost(ServiceTestCase):
    """Posts of new originals."""

    settings = "remote: {base_path: public/images}"

    async def test_a_posted_picture_is_described(self) -> None:
        """The answer has the facts of the picture and its outputs, and is not cacheable."""
        await self.serve(render={"concurrency": 1})
        self.service_harness.processor.hold()
        answer = await self.post("/p?outputs=x30.jpg,w20.webp")
        assert answer.status == 200
        assert answer.json() == FACTS | {"outputs": [row("x30.jpg", "pending"), row("w20.webp", "pending")]}
        assert answer.headers["cache-control"] == "no-store"

    async def test_an_answered_post_is_in_both_stores(self) -> None:
        """Original and record are in both stores before the answer; outputs follow."""
        await self.serve()
        await self.post()
        assert self.store.path(IMAGE, ORIGINAL).read_bytes() == PICTURE
        record = self.store.path(IMAGE, RECORD).read_bytes()
        assert self.service_harness.files == {
            f"public/images{HOME}/original": PICTURE,
            f"public/images{HOME}/info.json": record,
        }
        assert self.service_harness.uploader.content_types[f"public/images{HOME}/original"] == "image/jpeg"

    async def test_outputs_follow_the_answer_into_both_stores(self) -> None:
        """Outputs of the request and of the namespace are rendered and uploaded."""
        await self.serve(images={"outputs": ["x10.png"]})
        await self.post("/p?outputs=x30.jpg")
        keys = {f"public/images{HOME}/{name}" for name in ("x10.png", "x30.jpg")}
        await until(lambda: keys <= set(self.service_harness.files))
        assert self.service_harness.uploader.content_types[f"public/images{HOME}/x10.png"] == "image/png"
        states = {each["name"]: each["state"] for each in (await self.get(f"{HOME}/info.json")).json()["outputs"]}
        assert states == {"x10.png": "ready", "x30.jpg": "ready"}

    async def test_posting_again_is_no_error(self) -> None:
        """The same bytes are the same image; stored outputs are not rendered again."""
        await self.serve()
        await self.post("/p?outputs=x30.jpg")
        await until(lambda: self.store.has(IMAGE, parse_file("x30.jpg")))
        await until(lambda: f"public/images{HOME}/x30.jpg" in self.service_harness.files)
        answer = await self.post("/p?outputs=x30.jpg")
        assert answer.json()["outputs"] == [row("x30.jpg", "ready")]
        assert len(self.service_harness.processor.jobs) == 1

    async def test_namespaces_are_apart(self) -> None:
        """The same picture in two namespaces is two images."""
        await self.serve()
        await self.post("/p")
        assert (await self.get(HOME.replace("/p/", "/q/") + "/original")).status == 404
        assert (await self.post("/q_2")).status == 200

    async def test_a_post_that_the_remote_store_refuses_is_503(self) -> None:
        """The client gets 503 with Retry-After, the log has the reason."""
        await self.serve()
        self.service_harness.uploader.failure = StoreError("the bucket is on fire")
        answer = await self.post()
        assert answer.status == 503
        assert "on fire" not in answer.error
        assert "on fire" in str(await self.status())
        assert int(answer.headers["retry-after"]) > 0

    async def test_no_temporary_file_stays(self) -> None:
        """Neither a success nor a failure leaves a temporary file."""
        await self.serve()
        await self.post()
        await self.post(body=b"no picture")
        assert list((self.folder / "public" / ".incoming").iterdir()) == []


class TestReading(ServiceTestCase):
    """Stored files and outputs."""

    async def test_an_output_is_rendered_kept_and_served(self) -> None:
        """The second request gets it from the store."""
        await self.serve()
        await self.post()
        first = await self.get(f"{HOME}/x30.png")
        assert (first.status, first.headers["content-type"]) == (200, "image/png")
        assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert first.headers["content-length"] == str(len(first.body))
        await self.until_stored()
        assert first.body == self.store.path(IMAGE, parse_file("x30.png")).read_bytes()
        again = await self.get(f"{HOME}/x30.png")
        assert (again.status, again.body) == (first.status, first.body)
        each = {"x-request-id": "", "date": ""}
        assert {**again.headers, **each} == {**first.headers, **each}
        assert len(self.service_harness.processor.jobs) == 1
        await until(lambda: len(self.service_harness.sink.of(RequestAnswered)) == 3)
        assert len(self.service_harness.sink.of(OutputRendered)) == 1

    async def test_the_policy_decides_quality_and_background(self) -> None:
        """The quality of the name wins over the namespace's."""
        await self.serve(images={"default_quality": 33, "background": "#102030"})
        await self.post()
        await self.get(f"{HOME}/x30.jpg")
        await self.get(f"{HOME}/x30-q91.jpg")
        variants = [variant for job in self.service_harness.processor.jobs for variant in job.variants]
        assert [(variant.quality, variant.background) for variant in variants] == [(33, "#102030"), (91, "#102030")]

    async def test_the_original_comes_byte_for_byte(self) -> None:
        """The original has its content type."""
        await self.serve()
        await self.post(body=make_webp())
        digits = hashlib.md5(make_webp()).hexdigest()
        answer = await self.get(f"/p/{digits}/original")
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, "image/webp", make_webp())

    async def test_any_way_to_cut_the_hash_names_the_same_picture(self) -> None:
        """The server writes the canonical form."""
        await self.serve()
        await self.post()
        for cut in (HASH, f"{HASH[:3]}/{HASH[3:6]}/{HASH[6:9]}/{HASH[9:]}", "/".join(HASH), f"{HASH[:31]}/{HASH[31]}"):
            answer = await self.get(f"/p/{cut}/info.json")
            assert answer.json() == FACTS | {"outputs": []}
        assert (await self.get(f"/p/{HASH}/x30.jpg")).status == 200
        await self.until_stored()
        assert self.store.has(IMAGE, parse_file("x30.jpg"))

    async def test_info_lists_every_output(self) -> None:
        """info.json has ready and failed outputs."""
        await self.serve()
        await self.post()
        await self.get(f"{HOME}/x30.jpg")
        self.service_harness.processor.failure = RuntimeError("paint is out")
        await self.ask("POST", "/p?outputs=w20.gif", PICTURE)
        failed = FACTS | {"outputs": [row("w20.gif", "failed"), row("x30.jpg", "ready")]}
        while (await self.get(f"{HOME}/info.json")).json() != failed:
            pass
        self.flushLoggedErrors()

    async def test_a_missing_record_is_made_again(self) -> None:
        """Older stores have no records."""
        await self.serve()
        await self.post()
        self.store.path(IMAGE, RECORD).unlink()
        assert (await self.get(f"{HOME}/info.json")).json() == FACTS | {"outputs": []}
        assert self.store.has(IMAGE, RECORD)

    async def test_an_original_comes_back_from_the_remote_store(self) -> None:
        """A locally missing original is downloaded once, and rendered."""
        await self.serve()
        await self.post()
        for name in ("original", "info.json"):
            self.store.path(IMAGE, parse_file(name)).unlink()
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200
        assert (await self.get(f"{HOME}/original")).body == PICTURE

    async def test_files_that_were_put_there_are_served(self) -> None:
        """Files in the store are served, also without their original."""
        await self.serve()
        path = self.store.path(IMAGE, parse_file("x30.jpg"))
        path.parent.mkdir(parents=True)
        path.write_bytes(b"made elsewhere")
        assert (await self.get(f"{HOME}/x30.jpg")).body == b"made elsewhere"
        assert (await self.get(f"{HOME}/x31.jpg")).status == 404

    async def test_head_has_the_headers_of_get(self) -> None:
        """HEAD has the status and the headers of GET, and no body."""
        await self.serve()
        await self.post()
        for variant in (f"{HOME}/x30.png", f"{HOME}/original", f"{HOME}/info.json", "/status_check", f"{HOME}/x1.bmp"):
            head, get = await self.ask("HEAD", variant, x_request_id="a"), await self.get(variant, x_request_id="a")
            assert head.body == b""
            first, second = (
                {**answer.headers, "date": ""} for answer in (head, get)
            )  # a second may begin between the two
            assert "date" in head.headers
            assert (head.status, first) == (get.status, second)
            assert get.headers["content-length"] == str(len(get.body))
        assert (await self.ask("HEAD", f"/p/{'0' * 32}/x30.jpg")).status == 404

    async def test_fifty_askers_cost_one_render(self) -> None:
        """Fifty requests get the same bytes."""
        await self.serve()
        await self.post()
        self.service_harness.processor.hold()
        connections = [await self.begin("GET", f"{HOME}/x30.jpg") for _ in range(50)]
        await until(lambda: self.service_harness.processor.jobs)
        self.service_harness.processor.release()
        answers = await gatherResults([Deferred.fromCoroutine(connection.answer()) for connection in connections])
        assert {(answer.status, answer.body) for answer in answers} == {(200, make_plain("jpg", 30, 30))}
        assert len(self.service_harness.processor.jobs) == 1


class TestProcess(ServiceTestCase):
    """Renders of missing outputs, at once."""

    async def test_each_output_has_a_row(self) -> None:
        """One render makes all missing outputs."""
        await self.serve()
        await self.post()
        await self.get(f"{HOME}/x30.jpg")
        answer = await self.ask("POST", f"{HOME}/process?outputs=x30.jpg,w20.png,x10.gif")
        names = ("x30.jpg", "w20.png", "x10.gif")
        assert answer.json() == FACTS | {"outputs": [row(name, "ready") for name in names]}
        assert [len(job.variants) for job in self.service_harness.processor.jobs] == [1, 2]
        assert all(self.store.has(IMAGE, parse_file(name)) for name in names)

    async def test_a_failed_output_has_its_error_in_its_row(self) -> None:
        """The request as a whole succeeds."""
        await self.serve()
        await self.post()
        self.service_harness.processor.failure = BusyError("no paint")
        (failed,) = (await self.ask("POST", f"{HOME}/process?outputs=w20.png")).json()["outputs"]
        assert failed == row("w20.png", "failed") | {"error": "no paint", "status": 503}

    async def test_an_unknown_image_is_not_found(self) -> None:
        """An image has to be posted first."""
        await self.serve()
        assert (await self.ask("POST", f"{HOME}/process?outputs=w20.png")).status == 404


class TestHealth(ServiceTestCase):
    """Health checks of load balancers."""

    async def test_ok(self) -> None:
        """Both ports answer the health check."""
        await self.serve()
        for url in (self.url, self.status_url):
            answer = await (await begin(url, "GET", "/status_check")).answer()
            assert (answer.status, answer.body) == (200, b"OK\n")
            assert answer.headers["cache-control"] == "no-store"


class TestMetrics(ServiceTestCase):
    """Events for metrics sinks."""

    async def test_events_of_failures_have_their_subject(self) -> None:
        """Events of failures have namespace, extension and status."""
        await self.serve()
        await self.get(f"{HOME}/x30.jpg")
        await self.get("/NO/path")
        await self.get(f"{HOME}/x30.anything")
        await self.ask("POST", "/q?source=ftp://x")
        await until(lambda: len(self.service_harness.sink.of(RequestAnswered)) == 4)
        assert self.service_harness.sink.of(RequestFailed) == [
            RequestFailed("p", "jpg", 404, "output"),
            RequestFailed(None, None, 404, "other"),
            RequestFailed("p", None, 406, "output"),
            RequestFailed("q", None, 400, "post"),
        ]

    async def test_a_sink_that_fails_costs_no_request(self) -> None:
        """The status page shows the fault, and the sink receives later events."""
        await self.serve()
        await self.post()
        self.service_harness.sink.failure = ValueError("the sink is full")
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200
        await until(lambda: len(self.service_harness.sink.of(RequestAnswered)) == 2)
        (sink,) = (await self.status())["metrics"]
        assert (sink["name"], sink["lost"], sink["fault"]) == ("harness", 0, "ValueError: the sink is full")
        assert 0 < sink["failed"] <= sink["recorded"]


class TestOlderStores(ServiceTestCase):
    """The layout of image-server 1.x."""

    settings = "store: {partitions: [3, 3, 3]}"

    async def test_the_partitions_are_the_operators(self) -> None:
        """Files, URLs and records use the partitions of the settings."""
        await self.serve()
        answer = (await self.post("/p?outputs=x30.jpg")).json()
        parts = f"{HASH[:3]}/{HASH[3:6]}/{HASH[6:9]}/{HASH[9:]}"
        assert answer["partitionedHash"] == parts
        assert answer["outputs"][0]["url"] == f"/p/{parts}/x30.jpg"
        assert LocalStore(self.folder / "public", (3, 3, 3)).path(IMAGE, ORIGINAL).read_bytes() == PICTURE
        assert (await self.get(f"{HOME}/original")).body == PICTURE
        other = hashlib.md5(other_picture()).hexdigest()
        assert (await self.get(f"/p/{other}/original")).status == 404
