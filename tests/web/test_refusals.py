"""Refusals on the public port: the status, one sentence of JSON, and nothing cacheable."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack

import pytest
from service_case import HASH, HOME, IMAGE, PICTURE, ServiceTestCase, other_picture, until
from twisted.internet.defer import Deferred, gatherResults

from imaged.core.files import ORIGINAL, parse_file
from imaged.core.hashes import ImageHash, ImageId
from imaged.testing.pictures import make_png
from imaged.workers.engine import MOST_HEADERS

LONG = "a" * 10_000
STRANGE_PATHS = [
    "/",
    "//",
    "/P",
    "/p-q",
    "/p.q",
    f"/{LONG}",
    "/../etc/passwd",
    "/p/../../../../etc/passwd",
    "/p/%2e%2e/%2e%2e/etc/passwd",
    f"/p/{HASH}/../../../../../../etc/passwd",
    f"/p/{HASH}/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    f"/p/{HASH}/..%2f..%2fstate%2fjobs.sqlite",
    f"/p/{HASH}/%252e%252e%252fjobs.sqlite",
    f"/p/{HASH[:3]}%2F{HASH[3:6]}%2F{HASH[6:]}/original",
    f"/p%2F{HASH}/original",
    f"/%2e%2e/{HASH}/original",
    f"/../{HASH}/original",
    f"/P/{HASH}/original",
    f"/p p/{HASH}/original".replace(" ", "%20"),
    f"/p%00/{HASH}/original",
    f"/p/{HASH}%00/original",
    f"/p/{HASH}/original%00",
    f"/p/{HASH}/x30.jpg%00.png",
    f"/p/{HASH}/x30.jpg%0a",
    f"/p/{HASH}/x30%C3%A9.jpg",
    f"/p/{HASH}/%FF",
    f"/p/{HASH}/",
    f"/p/{HASH}",
    f"/p//{HASH}/original",
    f"/p/{HASH}//original",
    f"/p/{HASH}/./original",
    f"/p/{HASH.upper()}/original",
    f"/p/{HASH[:-1]}/original",
    f"/p/{HASH}0/original",
    f"/p/{HASH[:-1]}%C2%B2/original",
    f"/p/{HASH}/{LONG}",
    f"/p/{HASH}/{LONG}.jpg",
    f"/p/{HASH}/x{'9' * 300}.jpg",
    f"/{LONG}/{HASH}/original",
    f"/p/{LONG}/original",
    f"/p{'/a' * 5_000}",
    f"/p/{HASH}/.incoming",
    f"/p/{HASH}/original.jpg",
    f"/p/{HASH}/info.json/",
    "/.incoming/x",
    "/%2eincoming/x",
]
STRANGE_OUTPUTS = [
    "x0.jpg",
    "x030.jpg",
    "w.jpg",
    "x30",
    "30x30.jpg",
    "x30-q0.jpg",
    "x30-q101.jpg",
    "X30.jpg",
    "x30.JPG",
]


class TestPaths(ServiceTestCase):
    """Unknown paths."""

    async def test_strange_paths_are_not_found(self) -> None:
        """Each is 404 and reads nothing; the message repeats a long path only in part."""
        await self.serve()
        await self.post()
        files = sorted(path for path in self.folder.rglob("*") if "state" not in path.parts)
        for path in STRANGE_PATHS:
            answer = await self.get(path)
            assert answer.status == (405 if path == "/p" else 404), path[:80]
            assert len(answer.error) < 400
        assert sorted(path for path in self.folder.rglob("*") if "state" not in path.parts) == files

    async def test_bytes_that_are_no_text_are_not_found(self) -> None:
        """Raw bytes in the request line are 404, too."""
        await self.serve()
        assert (await self.get(b"/p/\xff\xfe/original")).status in (400, 404)
        assert (await self.get(b"/p/\x00/original")).status in (400, 404)

    async def test_strange_outputs_are_not_found(self) -> None:
        """An output has exactly one name; the answer explains the form of names."""
        await self.serve()
        await self.post()
        for name in STRANGE_OUTPUTS:
            answer = await self.get(f"{HOME}/{name}")
            assert answer.status == 404, name
            assert "is not an output" in answer.error
        assert self.service_harness.processor.jobs == []

    async def test_unknown_images_are_not_found(self) -> None:
        """Every request about them is 404."""
        await self.serve()
        for name in ("original", "info.json", "x30.jpg"):
            assert "post it first" in (await self.get(f"{HOME}/{name}")).error

    async def test_a_path_that_ends_wrongly_is_explained(self) -> None:
        """The answer shows the right form: for a hash alone, a final slash, and the root."""
        await self.serve()
        for path in (HOME, f"/p/{HASH}", f"{HOME}/", f"/p/{HASH}/"):
            answer = await self.get(path)
            assert (answer.status, "add an output" in answer.error) == (404, True), path
        for path, advice in (("/", "post pictures to /NAMESPACE"), ("/p/", "the slash at its end")):
            answer = await self.post(path)
            assert (answer.status, advice in answer.error) == (404, True), path
        assert "the slash at its end" in (await self.get(f"{HOME}/x30.jpg/")).error

    async def test_strange_namespaces_are_not_posted_to(self) -> None:
        """Upper case, dashes, dots and long names are 404."""
        await self.serve()
        for namespace in ("P", "p-q", "p.q", "..", "%2e%2e", "p%2Fq", "p%00", "a" * 65, LONG, "é".encode().hex("%")):
            assert (await self.post(f"/{namespace}")).status in (404, 405), namespace[:80]
        assert not any(path.name == "original" for path in self.folder.rglob("*"))


class TestMethods(ServiceTestCase):
    """Methods that a path does not have."""

    async def test_other_methods_are_405(self) -> None:
        """The answer is 405 with Allow (RFC 9110, 15.5.6)."""
        await self.serve()
        for method, path, allowed in (
            ("GET", "/p", "POST"),
            ("DELETE", f"{HOME}/original", "GET, HEAD"),
            ("PUT", f"{HOME}/x30.jpg", "GET, HEAD"),
            ("POST", f"{HOME}/x30.jpg", "GET, HEAD"),
            ("GET", f"{HOME}/process", "POST"),
            ("PUT", "/status_check", "GET, HEAD"),
        ):
            answer = await self.ask(method, path)
            assert (answer.status, answer.headers["allow"]) == (405, allowed)
            assert answer.error


class TestPolicy(ServiceTestCase):
    """Requests that the policy forbids."""

    settings = """
        images: {maximum_width: 100, maximum_height: 300, extensions: [jpg, png]}
        namespaces: {small: {maximum_width: 20, maximum_height: 30}}
    """

    async def test_an_output_that_is_not_allowed_is_406(self) -> None:
        """Width, height and extension are checked, also for stored files; full_size is free."""
        await self.serve()
        await self.post()
        self.store.path(IMAGE, parse_file("x101.jpg")).write_bytes(b"made before")
        for name in ("x101.jpg", "w101.jpg", "101x10.jpg", "10x301.jpg", "x10.webp", "full_size.gif", "x10.bmp"):
            assert (await self.get(f"{HOME}/{name}")).status == 406, name
            answer = await self.post(f"/p?outputs={name}")
            assert answer.status == 406, name
            assert answer.error
        for name in ("x100.jpg", "w100.png", "10x300.jpg", "full_size.png"):
            assert (await self.get(f"{HOME}/{name}")).status == 200, name

    async def test_each_namespace_has_its_own(self) -> None:
        """Each namespace has its own policy."""
        await self.serve()
        await self.post("/small")
        assert (await self.get(f"/small/{HASH}/x20.jpg")).status == 200
        assert (await self.get(f"/small/{HASH}/x21.jpg")).status == 406
        assert (await self.get(f"/small/{HASH}/10x31.jpg")).status == 406

    async def test_outputs_are_checked_before_anything_is_kept(self) -> None:
        """One forbidden output refuses the whole request."""
        await self.serve()
        for outputs, status in (("x10.jpg,nonsense", 404), ("x10.jpg,x999.jpg", 406), ("x10.jpg,%FF", 400)):
            assert (await self.post(f"/p?outputs={outputs}")).status == status
        many = ",".join(f"x{number}.jpg" for number in range(1, 102))
        assert "too many" in (await self.post(f"/p?outputs={many}")).error
        assert not self.store.has(IMAGE, ORIGINAL)


class TestOutputCount(ServiceTestCase):
    """The limit of outputs of one image."""

    settings = "{images: {maximum_outputs: 3, outputs: [x1.jpg]}}"

    async def test_no_image_has_more_outputs(self) -> None:
        """Stored and queued outputs count together; one more is 406, by any route."""
        await self.serve()
        assert (await self.post("/p?outputs=x1.jpg,x2.jpg,x3.jpg,x4.jpg")).status == 406
        assert (await self.post("/p?outputs=x2.jpg")).status == 200
        for number in (1, 2, 3):
            assert (await self.get(f"{HOME}/x{number}.jpg")).status == 200, number
        refused = await self.get(f"{HOME}/x4.jpg")
        assert refused.status == 406
        assert "3 outputs" in refused.error
        assert (await self.post(f"{HOME}/process?outputs=x4.jpg")).status == 406
        assert (await self.post("/p?outputs=x4.jpg")).status == 406

    async def test_those_that_are_there_are_served(self) -> None:
        """A store with more outputs than the limit serves them."""
        await self.serve()
        await self.post()
        for number in range(1, 6):
            self.store.path(IMAGE, parse_file(f"x{number}.jpg")).write_bytes(PICTURE)
        assert [(await self.get(f"{HOME}/x{number}.jpg")).status for number in range(1, 7)] == [200] * 5 + [406]
        assert (await self.post(f"{HOME}/process?outputs=x1.jpg,x2.jpg,x3.jpg,x4.jpg,x5.jpg")).status == 200

    async def test_an_unknown_image_is_still_unknown(self) -> None:
        """404 wins over the limit."""
        await self.serve()
        assert (await self.get(f"{HOME}/x4.jpg")).status == 404


class TestConflict(ServiceTestCase):
    """Other bytes with the same MD5."""

    async def test_other_bytes_under_the_same_hash_are_409(self) -> None:
        """The first original stays, and nothing of the second is kept."""
        await self.serve()
        await self.post()
        self.store.path(IMAGE, ORIGINAL).write_bytes(other_picture())
        answer = await self.post()
        assert answer.status == 409
        assert "same MD5" in answer.error
        assert self.store.path(IMAGE, ORIGINAL).read_bytes() == other_picture()

    async def test_a_remote_original_with_other_bytes_is_not_taken(self) -> None:
        """Downloaded bytes have to match the hash."""
        await self.serve()
        self.service_harness.files[f"{HOME.strip('/')}/original"] = other_picture()
        assert (await self.get(f"{HOME}/original")).status == 502
        assert (await self.get(f"{HOME}/x300.jpg")).status == 502
        assert not self.store.has(IMAGE, ORIGINAL)


class TestPixels(ServiceTestCase):
    """Pictures with too many pixels."""

    settings = "render: {maximum_pixels: 1536}"  # those of the picture

    async def test_too_many_pixels_are_413(self) -> None:
        """The post is refused before anything is kept; outputs have the same limit."""
        await self.serve()
        answer = await self.post(body=make_png(49, 32))
        assert answer.status == 413
        assert "49x32" in answer.error
        assert (await self.post()).status == 200
        assert (await self.get(f"{HOME}/x400.png")).status == 413

    async def test_an_original_that_was_allowed_once_costs_one_refusal(self) -> None:
        """The limit may have been higher when the original was posted."""
        await self.serve()
        body = make_png(60, 60)
        image = ImageId("p", ImageHash(hashlib.md5(body).hexdigest()))
        self.store.path(image, ORIGINAL).parent.mkdir(parents=True)
        self.store.path(image, ORIGINAL).write_bytes(body)
        assert (await self.get(f"/p/{image.hash}/x10.jpg")).status == 413


class TestBusy(ServiceTestCase):
    """More work than the queue takes."""

    settings = "render: {concurrency: 1, queue: 2}"

    async def test_a_full_queue_is_503_at_once(self) -> None:
        """Waiting requests get their picture, one more gets Retry-After; a render in flight accepts any client."""
        await self.serve()
        await self.post()
        self.service_harness.processor.hold()
        connections = [await self.begin("GET", f"{HOME}/x{side}.png") for side in (10, 11, 12)]
        await until(lambda: self.service.generations.pipeline.engine.admission.waiting == 2)
        refused = await self.get(f"{HOME}/x13.png")
        assert refused.status == 503
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert "busy" in refused.error
        connections.append(await self.begin("GET", f"{HOME}/x12.png"))
        self.service_harness.processor.release()
        answers = await gatherResults([Deferred.fromCoroutine(connection.answer()) for connection in connections])
        assert [answer.status for answer in answers] == [200] * 4
        await self.until_stored()
        assert (await self.get(f"{HOME}/x13.png")).status == 200

    async def test_a_full_queue_is_503_before_the_outputs_are_counted(self) -> None:
        """A flood of requests costs no look into a folder of a thousand outputs."""
        await self.serve(images={"maximum_outputs": 1})
        await self.post()
        await self.get(f"{HOME}/x30.png")
        admission = self.service.generations.pipeline.engine.admission
        with ExitStack() as waiting:
            for _ in range(1 + 2):
                waiting.enter_context(admission.count_as_waiting())
            assert (await self.get(f"{HOME}/x31.png")).status == 503
            assert (await self.ask("POST", f"{HOME}/process?outputs=x31.png")).status == 503
        assert (await self.get(f"{HOME}/x31.png")).status == 406
        assert (await self.ask("POST", f"{HOME}/process?outputs=x31.png")).status == 406

    async def test_a_post_that_cannot_be_checked_is_503_before_its_body(self) -> None:
        """As many others wait for the workers that read headers as may."""
        await self.serve()
        headers = self.service.generations.pipeline.engine.headers
        with ExitStack() as waiting:
            for _ in range(headers.size + MOST_HEADERS):
                waiting.enter_context(headers.count_as_waiting())
            connection = await self.begin("POST", "/p", Expect="100-continue", Content_Length=str(len(PICTURE)))
            refused = await connection.answer()
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) >= 1  # more where headers take long to read
        assert (await self.post()).status == 200

    async def test_a_full_queue_serves_stored_files(self) -> None:
        """A full queue does not affect stored files."""
        await self.serve()
        await self.post()
        await self.get(f"{HOME}/x30.png")
        await self.until_stored()
        self.service_harness.processor.hold()
        for side in (10, 11, 12):
            await self.begin("GET", f"{HOME}/x{side}.png")
        await until(lambda: self.service.generations.pipeline.engine.admission.waiting == 2)
        assert (await self.get(f"{HOME}/x30.png")).status == 200
        assert (await self.get(f"{HOME}/original")).body == PICTURE


class TestPlugins(ServiceTestCase):
    """A processor that breaks its contract."""

    @pytest.fixture(autouse=True)
    def _secret(self) -> None:
        self.secret = "/home/operator/.secret"

    async def test_an_error_of_a_plugin_is_500_without_detail(self) -> None:
        """The answer has no details, and the daemon serves on."""
        await self.serve()
        await self.post()
        self.service_harness.processor.failure = ValueError(self.secret)
        answer = await self.get(f"{HOME}/x30.jpg")
        assert answer.status == 500
        assert self.secret not in answer.error
        assert self.flushLoggedErrors(ValueError), "the log has what the client does not get"
        self.service_harness.processor.failure = None
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200
