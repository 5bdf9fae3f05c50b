"""The record of each ended request: a line, its id, its times, and its error."""

from __future__ import annotations

import json
import re
from typing import Any

from raw_client import begin
from service_case import HASH, HOME, IMAGE, PICTURE, ServiceTestCase, until

from imaged.core.errors import StoreError
from imaged.core.events import RequestAnswered, RequestFailed
from imaged.core.files import ORIGINAL
from imaged.logs.request_lines import LOGGER


class RequestLogTestCase(ServiceTestCase):
    """A daemon whose log lines the test sees."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of requests."""
        written = self.log.getvalue().splitlines()
        return [line for line in map(json.loads, written) if line["logger"] == LOGGER]

    async def line(self, **fields: Any) -> dict[str, Any]:
        """Return the line of a request that has these fields, as soon as there is one."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines if all(line.get(key) == value for key, value in fields.items())]

        await until(found)
        (line,) = found()
        return line


class TestLines(RequestLogTestCase):
    """Lines for operators."""

    async def test_a_render_and_a_hit(self) -> None:
        """Lines have the image, the outcome and the times."""
        await self.serve()
        await self.post()
        sizes = [len((await self.get(f"{HOME}/x30.jpg")).body) for _ in range(2)]
        rendered, hit = await self.line(outcome="rendered"), await self.line(outcome="hit")
        for line, size in zip((rendered, hit), sizes, strict=True):
            assert (line["method"], line["path"], line["status"]) == ("GET", f"{HOME}/x30.jpg", 200)
            assert (line["namespace"], line["output"], line["bytes"]) == ("p", "x30.jpg", size)
            assert line["client"] == "127.0.0.1"
            assert 0 < line["elapsed_ms"] < 30_000
        assert [key for key in rendered if key.endswith("_ms")] == ["elapsed_ms", "wait_ms"]
        assert [key for key in hit if key.endswith("_ms")] == ["elapsed_ms"]

    async def test_a_coalesced_request_waits_for_the_render(self) -> None:
        """A coalesced request has the time of its wait only."""
        await self.serve()
        await self.post()
        connections = [await self.begin_held_render(f"{HOME}/x30.jpg"), await self.begin("GET", f"{HOME}/x30.jpg")]
        await until(lambda: self.service.environment.counters.requests.current == 2)
        self.service_harness.processor.release()
        assert [(await connection.answer()).status for connection in connections] == [200, 200]
        coalesced = await self.line(outcome="coalesced")
        assert [key for key in coalesced if key.endswith("_ms")] == ["elapsed_ms", "wait_ms"]
        requests = (await self.status())["requests"]
        assert (requests["total"], requests["rendered"], requests["joined"]) == (3, 1, 1)

    async def test_an_original_that_comes_back_is_downloaded(self) -> None:
        """The line has the time of the download from the remote store."""
        await self.serve()
        await self.post()
        self.store.path(IMAGE, ORIGINAL).unlink()
        await self.get(f"{HOME}/x30.jpg")
        assert "download_ms" in await self.line(outcome="rendered")

    async def test_a_client_that_leaves(self) -> None:
        """A disconnect counts once, and is no error."""
        await self.serve()
        await self.post()
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        connection.leave()
        assert (await self.line(status=499))["path"] == f"{HOME}/x30.jpg"
        self.service_harness.processor.release()
        status = await self.status()
        assert (status["requests"]["left"], status["requests"]["current"], status["errors"]) == (1, 0, [])
        await until(lambda: [e.status for e in self.service_harness.sink.of(RequestAnswered)] == [200, 499])

    async def test_a_body_that_is_refused(self) -> None:
        """A refusal before the body has a line as any other."""
        await self.serve(sources={"maximum_bytes": 10})
        answer = await self.post("/p?source=http://h/?sig=s3cr3t")
        line = await self.line(status=413)
        assert (line["method"], line["path"]) == ("POST", "/p?source=http://h/?...")
        assert (line["namespace"], line["bytes"], line["error"]) == ("p", len(answer.body), answer.error)
        await until(lambda: self.service_harness.sink.of(RequestFailed))
        assert self.service_harness.sink.of(RequestFailed) == [RequestFailed("p", None, 413, "post")]
        await until(
            lambda: [(e.route, e.status) for e in self.service_harness.sink.of(RequestAnswered)] == [("post", 413)]
        )

    async def test_an_upload_that_breaks_off(self) -> None:
        """A broken-off post counts as a disconnect."""
        await self.serve()
        connection = await self.begin("POST", "/p", b"abc", Content_Length="1000")
        await until(lambda: self.service.environment.counters.requests.current == 1)
        connection.leave()
        assert (await self.line(status=499))["path"] == "/p"
        requests = (await self.status())["requests"]
        assert (requests["total"], requests["left"], requests["current"]) == (1, 1, 0)

    async def test_health_checks_have_no_line(self) -> None:
        """Health checks have no line; reloads and unknown paths have one."""
        await self.serve()
        await self.status()
        assert (await (await begin(self.status_url, "GET", "/nothing")).answer()).status == 404
        await self.line(path="/nothing", status=404)
        assert (await (await begin(self.status_url, "POST", "/reload")).answer()).status == 200
        await self.line(path="/reload", status=200)
        assert [line["path"] for line in self.lines] == ["/nothing", "/reload"]
        assert (await self.status())["requests"]["total"] == 0


class TestIds(RequestLogTestCase):
    """Each request has an id."""

    async def test_a_sane_id_is_kept(self) -> None:
        """The client's id is in the answer and the line."""
        await self.serve()
        for number, sane in enumerate(("abc", "0af7651916cd43dd8448eb211c80319c", "a.B_c:1/2+3=4@5-6", "x" * 128)):
            answer = await self.get(f"{HOME}/x{number + 10}.jpg", x_request_id=sane)
            assert answer.headers["x-request-id"] == sane
            await self.line(request_id=sane)

    async def test_any_other_id_is_replaced(self) -> None:
        """An id with other characters, or a long one, is replaced."""
        await self.serve()
        for mad in ("", "two words", 'quo"te', "x" * 129, "é", "{brace}", "a,b"):
            answer = await self.get(f"{HOME}/x30.jpg", x_request_id=mad)
            assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])

    async def test_each_request_has_its_own_id(self) -> None:
        """Early refusals and requests to the status port have an id, too."""
        await self.serve(sources={"maximum_bytes": 10})
        answers = [await self.get("/NO"), await self.post(body=PICTURE), await self.post(body=PICTURE)]
        answers.append(await (await begin(self.status_url, "GET", "/status.json")).answer())
        ids = [answer.headers["x-request-id"] for answer in answers]
        assert len(set(ids)) == 4
        assert [answer.status for answer in answers] == [404, 413, 413, 200]

    async def test_a_defect_is_logged_with_it(self) -> None:
        """Tracebacks have the id, from any thread."""
        await self.serve()
        await self.post()
        self.service_harness.processor.failure = ZeroDivisionError("a defect")
        assert (await self.get(f"{HOME}/x30.jpg", x_request_id="mine")).status == 500
        self.service_harness.processor.failure = None
        assert self.flushLoggedErrors(ZeroDivisionError)


class TestTiming(RequestLogTestCase):
    """The Server-Timing header."""

    async def test_a_file_has_server_timing(self) -> None:
        """A reload turns the header on."""
        await self.serve()
        await self.post()
        assert "server-timing" not in (await self.get(f"{HOME}/x30.jpg")).headers
        self.configure(status={"timing_header": True})
        assert (await self.service.reload()).ok
        rendered = (await self.get(f"{HOME}/x31.jpg")).headers["server-timing"]
        assert re.fullmatch(r"wait;dur=[\d.e-]+, total;dur=[\d.]+", rendered)
        assert re.fullmatch(r"total;dur=[\d.]+", (await self.get(f"{HOME}/x31.jpg")).headers["server-timing"])
        assert "server-timing" in (await self.get(f"{HOME}/nothing")).headers

    async def test_a_post_has_server_timing(self) -> None:
        """The header of a post has the wait for a worker that reads its header, and the time of the remote store."""
        await self.serve(status={"timing_header": True})
        spans = re.findall(r"(\w+);dur=", (await self.post()).headers["server-timing"])
        assert spans == ["wait", "save", "upload", "total"]


class TestErrors(RequestLogTestCase):
    """Recent errors."""

    async def test_errors_are_on_the_status_page(self) -> None:
        """The newest errors come first, with their requests."""
        await self.serve()
        await self.get(f"{HOME}/x30.jpg", x_request_id="first")
        await self.post()
        self.service_harness.processor.failure = ZeroDivisionError("a defect")
        await self.get(f"{HOME}/x30.jpg", x_request_id="second")
        self.flushLoggedErrors(ZeroDivisionError)
        second, first = (await self.status())["errors"]
        assert (first["status"], first["request"], first["request_id"]) == (404, f"GET {HOME}/x30.jpg", "first")
        assert first["error"].startswith("no image p/")
        assert (second["status"], second["request_id"]) == (500, "second")
        assert first["at"] < second["at"]

    async def test_failed_jobs_are_on_the_status_page(self) -> None:
        """Failed jobs have no request."""
        await self.serve()
        self.service_harness.processor.failure = StoreError("the disk is full")
        await self.post("/p?outputs=x30.jpg")
        status: Any = {"errors": []}
        while not status["errors"]:
            status = await self.status()
        error = status["errors"][0]
        assert (error["request"], error["request_id"]) == (f"render p/{HASH} x30.jpg", None)
        assert (error["status"], error["error"]) == (503, "the disk is full")
