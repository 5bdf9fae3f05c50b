"""Outputs of the store, asked for again and again."""

from __future__ import annotations

import os
from typing import cast
from weakref import ref

from raw_client import Answer
from service_case import HASH, HOME, IMAGE, ServiceTestCase, until
from twisted.web.http import Request
from twisted.web.http_headers import Headers

from imaged.core.formats import AVIF, FORMATS, JPEG, WEBP
from imaged.core.negotiation import Candidates
from imaged.core.outputs import parse
from imaged.core.tracing import HIT, Trace
from imaged.pipeline.auto_outputs import AutoAnswer
from imaged.pipeline.pipeline import Pipeline
from imaged.store.disk import SMALL_BYTES, FileBody
from imaged.web.hits import KEPT, Hits

OUTPUT = parse("x30.jpg")
PATH = f"{HOME}/x30.jpg"


class TestHits(ServiceTestCase):
    """Requests for an output that the store has."""

    async def stored(self) -> Answer:
        """Start, render the output, ask for it twice more, and return the last answer."""
        await self.serve()
        await self.post()
        answers = [await self.get(PATH)]
        await self.until_stored()
        answers += [await self.get(PATH) for _ in range(2)]
        assert [each.status for each in answers] == [200] * 3
        return answers[-1]

    def write(self, body: bytes, modified_ns: int) -> None:
        """Put a file in place of the output, as another process would."""
        path = self.store.path(IMAGE, OUTPUT)
        temporary = path.with_name("temporary")
        temporary.write_bytes(body)
        os.utime(temporary, ns=(modified_ns, modified_ns))
        temporary.replace(path)

    async def test_a_replaced_file_is_served_at_once(self) -> None:
        """An answer never has bytes, a length or a tag of an earlier file, however large the files are."""
        await self.stored()
        for number, size_bytes in enumerate((10, SMALL_BYTES + 1, 10, 0, 300_000), 1):
            body = bytes([number]) * size_bytes
            self.write(body, number)
            for _ in range(2):
                answer = await self.get(PATH)
                assert (answer.status, answer.body) == (200, body)
                assert answer.headers["content-length"] == str(size_bytes)
                assert answer.headers["etag"] == f'"{number:x}-{size_bytes:x}"'

    async def test_a_removed_file_is_rendered_again(self) -> None:
        """An output that an operator removed from the store is rendered for the next request."""
        await self.stored()
        self.store.path(IMAGE, OUTPUT).unlink()
        assert (await self.get(PATH)).status == 200
        assert len(self.service_harness.processor.jobs) == 2

    async def test_every_hit_is_counted_and_logged(self) -> None:
        """Counts, log lines and headers are the same for the first hit and for later ones."""
        await self.stored()
        requests = (await self.status())["requests"]
        assert (requests["hits"], requests["rendered"], requests["total"]) == (2, 1, 4)
        await until(lambda: self.log.getvalue().count('"outcome": "hit"') == 2)
        first, second = [await self.get(PATH, x_request_id=each) for each in ("a", "b")]
        assert (first.headers["x-request-id"], second.headers["x-request-id"]) == ("a", "b")
        assert list(first.headers) == list(second.headers)

    async def test_a_stricter_policy_refuses_what_was_served(self) -> None:
        """After a reload that forbids it, a stored output that was served before is refused."""
        await self.stored()
        self.configure(images={"maximum_width": 29})
        assert (await self.service.reload()).ok
        assert (await self.get(PATH)).status == 406

    async def test_only_get_and_head_reach_a_file(self) -> None:
        """Another method gets 405, also at the path of a file that was served before."""
        await self.stored()
        assert (await self.ask("HEAD", PATH)).status == 200
        assert (await self.ask("POST", PATH)).status == 405

    async def test_other_spellings_of_a_path_are_served_too(self) -> None:
        """However the hash is cut, the answer is the same file."""
        canonical = await self.stored()
        for path in (f"/p/{HASH}/x30.jpg", f"{HOME}/x30%2Ejpg", f"{PATH}?a=b"):
            for _ in range(3):
                answer = await self.get(path)
                assert (answer.body, answer.headers["etag"]) == (canonical.body, canonical.headers["etag"])


class Generation:
    """Stands for the pipeline of a generation."""

    formats = FORMATS


class Asked:
    """The path and the Accept header of a request."""

    def __init__(self, path: bytes, accept: str) -> None:
        self.path = path
        self.requestHeaders = Headers({"Accept": [accept]})


def asked(path: bytes, accept: str = "*/*") -> Request:
    """Return a request by its path and its Accept header."""
    return cast("Request", Asked(path, accept))


def test_the_memory_for_paths_is_bounded() -> None:
    """The path that was kept first is forgotten first."""
    kept, generation, trace = Hits(), cast("Pipeline", Generation()), Trace("id", lambda: 0.0)
    for number in range(KEPT + 1):
        kept.keep(generation, b"/%d" % number, f"/store/{number}", trace, parse("x1.jpg"), is_public=True)
    assert kept.find(generation, asked(b"/0")) is None
    first, last = kept.find(generation, asked(b"/1")), kept.find(generation, asked(b"/%d" % KEPT))
    assert (first and first.file, last and last.file) == ("/store/1", f"/store/{KEPT}")


def test_an_auto_output_has_a_hit_for_each_format_that_was_chosen() -> None:
    """A client whose format was not sent yet has none; the file and its type are those of what was sent."""
    kept, generation, trace = Hits(), cast("Pipeline", Generation()), Trace("id", lambda: 0.0)
    found, file = Candidates((AVIF, WEBP), JPEG), FileBody(b"", 0)
    webp, jpeg = (
        AutoAnswer(found, *each, file, HIT, stands_in=False, is_final=True)
        for each in ((AVIF, parse("w5.webp")), (JPEG, parse("w5.jpg")))
    )
    kept.keep_auto(generation, b"/", "/w5.webp", trace, webp, is_public=True)
    assert kept.find(generation, asked(b"/")) is kept.find(generation, asked(b"/", "image/webp")) is None
    kept.keep_auto(generation, b"/", "/w5.jpg", trace, jpeg, is_public=True)
    hits = [kept.find(generation, asked(b"/", accept)) for accept in ("image/avif", "*/*")]
    assert [(hit.file, hit.content_type, hit.tag) for hit in hits if hit] == [
        ("/w5.webp", "image/webp", "webp"),
        ("/w5.jpg", "image/jpeg", "jpg"),
    ]


def test_another_generation_has_no_hits() -> None:
    """Hits are those of one generation, which they do not keep alive."""
    kept, generation, trace = Hits(), cast("Pipeline", Generation()), Trace("id", lambda: 0.0)
    kept.keep(generation, b"/", "/store/1", trace, parse("x1.jpg"), is_public=True)
    gone = ref(generation)
    assert kept.find(cast("Pipeline", Generation()), asked(b"/")) is None
    assert kept.find(generation, asked(b"/")) is None
    del generation
    assert gone() is None
