"""`w500.auto`: each client gets the format that it names, and no cache mixes the answers up."""

from __future__ import annotations

from itertools import chain
from typing import cast

from auto_processor import AutoProcessor
from raw_client import Answer
from service_case import HASH, HOME, IMAGE, ServiceTestCase, until

from imaged.core.errors import NotAPictureError, OutOfTimeError
from imaged.core.formats import FORMATS, FURTHER, Formats
from imaged.daemon.service import Service
from imaged.testing.pictures import make_gif, make_png

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI_14 = "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"
CURL = "*/*"
AUTO = f"{HOME}/w24.auto"
LASTING, MINUTES = "public, max-age=31536000, immutable", "public, max-age=300"
KNOWN = Formats((*FORMATS.reads, *FURTHER), ())


class AutoTestCase(ServiceTestCase):
    """A daemon whose processor writes AVIF, with one picture."""

    settings = "{images: {extensions: [jpg, png, gif, webp, avif]}}"

    async def begin_service(self, **changes: object) -> Service:
        """Start the daemon, and post the picture."""
        self.service_harness.make_processor = AutoProcessor
        service = await self.serve(**changes)
        await self.post()
        return service

    @property
    def processor(self) -> AutoProcessor:
        """The processor of the newest generation."""
        return cast("AutoProcessor", self.service_harness.processor)

    async def auto(self, accept: str | None, target: str = AUTO, **headers: str) -> Answer:
        """Request an `auto` output with an Accept header."""
        return await self.get(target, **headers, **({} if accept is None else {"Accept": accept}))

    def format_of(self, answer: Answer, caching: str = LASTING) -> str:
        """Return the extension of the format of an answer, by its bytes, when its headers say the same."""
        format = KNOWN.sniff(answer.body)
        assert format is not None
        assert (answer.status, answer.headers["content-type"]) == (200, format.content_type)
        assert answer.headers["vary"] == "Accept"
        assert answer.headers["etag"].endswith(f'-{format.extension}"')
        assert answer.headers["cache-control"] == caching
        return format.extension

    def stored(self) -> list[str]:
        """Return the names of the outputs that the store has."""
        return [str(output) for output in self.store.variants.outputs(IMAGE)]


class TestAuto(AutoTestCase):
    """Answers, for each kind of client."""

    async def test_each_client_gets_its_format_again_and_again(self) -> None:
        """The first answers are rendered, later ones come from the store, and clients in turn get the right ones."""
        await self.begin_service()
        for _ in range(4):
            for accept, extension in ((CHROME, "avif"), (SAFARI_14, "webp"), (CURL, "jpg"), (None, "jpg")):
                assert self.format_of(await self.auto(accept)) == extension
            await self.until_stored()
        assert self.stored() == ["w24.avif", "w24.jpg", "w24.webp"]
        assert sorted(chain(*self.processor.asked)) == ["avif", "jpg", "webp"]

    async def test_it_is_the_file_of_the_plain_name(self) -> None:
        """A file that was made by its own name serves `auto`, and the other way round; only the ETag differs."""
        await self.begin_service()
        plain = await self.get(f"{HOME}/w24.webp")
        auto = await self.auto(SAFARI_14)
        assert (auto.body, auto.headers["last-modified"]) == (plain.body, plain.headers["last-modified"])
        assert auto.headers["etag"] == f'{plain.headers["etag"][:-1]}-webp"'
        assert len(self.processor.jobs) == 1

    async def test_several_accept_headers_are_one_list(self) -> None:
        """RFC 9110, 5.3: their order counts for nothing here."""
        await self.begin_service()
        connection = await self.begin("GET", AUTO, Accept="image/webp\r\nAccept: image/avif;q=0.9")
        assert self.format_of(await connection.answer()) == "webp"

    async def test_every_answer_varies(self) -> None:
        """A cache gets Vary with parts, with 304, with errors and refusals, and in one header with that of CORS."""
        await self.begin_service(images={"allow_origins": ["https://www.example.com"]})
        whole = await self.auto(CHROME)
        for _ in range(2):
            await self.until_stored()
            etag = whole.headers["etag"]
            answers = [
                (200, await self.ask("HEAD", AUTO, Accept=CHROME)),
                (206, await self.auto(CHROME, Range="bytes=0-9")),
                (206, await self.auto(CHROME, Range="bytes=0-9", If_Range=etag)),
                (304, await self.auto(CHROME, If_None_Match=etag)),
                (412, await self.auto(CHROME, If_Match='"0"')),
                (416, await self.auto(CHROME, Range="bytes=99999-")),
                (200, await self.auto(SAFARI_14, If_None_Match=etag)),
                (404, await self.auto(CHROME, f"/p/{'0' * 32}/w24.auto")),
                (404, await self.auto(CHROME, f"{HOME}/nonsense.auto")),
                (406, await self.auto(CHROME, f"{HOME}/w5000.auto")),
                (405, await self.ask("POST", AUTO)),
                (405, await self.ask("POST", AUTO, bytes(9))),
                (200, await self.auto(CHROME, AUTO.replace(".auto", "%2eaut%6f"))),
                (200, await self.auto(CHROME, f"/p/{HASH}/w24.auto")),
            ]
            for status, answer in answers:
                assert (answer.status, answer.headers["vary"]) == (status, "Accept, Origin"), answer
        assert (await self.get(f"{HOME}/w24.jpg", Accept=CHROME)).headers["vary"] == "Origin"

    async def test_parts_and_conditions_are_those_of_the_chosen_file(self) -> None:
        """A part is one of the file that this client gets; the ETag of another format is another one."""
        await self.begin_service()
        webp, jpeg = await self.auto(SAFARI_14), await self.auto(CURL)
        await self.until_stored()
        for _ in range(2):
            part = await self.auto(SAFARI_14, Range="bytes=4-11", If_Range=webp.headers["etag"])
            assert (part.status, part.body) == (206, webp.body[4:12])
            other = await self.auto(SAFARI_14, Range="bytes=4-11", If_Range=jpeg.headers["etag"])
            assert (other.status, other.body) == (200, webp.body)

    async def test_transparent_and_moving_pictures(self) -> None:
        """A transparent one is PNG for a client that names nothing, and one that moves is GIF, or WebP by name."""
        await self.begin_service()
        for body, plain, better in ((make_png(), "png", "avif"), (make_gif(), "gif", "webp")):
            home = (await self.post(body=body)).json()["partitionedHash"]
            assert self.format_of(await self.auto(CURL, f"/p/{home}/w24.auto")) == plain
            assert self.format_of(await self.auto(CHROME, f"/p/{home}/w24.auto")) == better

    async def test_the_settings_say_which_formats_there_are(self) -> None:
        """Only formats that the namespace allows and prefers are chosen; after a reload, it is by the new ones."""
        await self.begin_service(images={"extensions": ["jpg", "webp"]}, namespaces={"n": {"auto_formats": []}})
        await self.post("/n")
        for _ in range(3):
            assert self.format_of(await self.auto(CHROME)) == "webp"
            assert self.format_of(await self.auto(CHROME, AUTO.replace("/p/", "/n/"))) == "jpg"
            await self.until_stored()
        self.configure(images={"extensions": ["jpg"]})
        assert (await self.service.reload()).ok
        assert self.format_of(await self.auto(CHROME)) == "jpg"

    async def test_a_preset_is_negotiated_and_listed_like_any_name(self) -> None:
        """`hero.auto` has the size of the preset in each format, and the list opens it alone, for minutes in caches."""
        await self.begin_service(images={"presets": {"hero": {"size": "x20"}}, "allowed_outputs": ["hero.auto"]})
        for _ in range(2):
            for accept, extension in ((CHROME, "avif"), (SAFARI_14, "webp"), (CURL, "jpg")):
                answer = await self.auto(accept, f"{HOME}/hero.auto")
                assert self.format_of(answer, MINUTES) == extension
                assert (await self.get(f"{HOME}/hero.{extension}")).status == 403
            await self.until_stored()
        assert [name.partition("~")[0] for name in self.stored()] == ["hero"] * 3

    async def test_counts_and_the_log_have_the_chosen_format(self) -> None:
        """The log has the name that was asked for, and metrics the extension of what was sent."""
        await self.begin_service()
        for _ in range(3):
            await self.auto(SAFARI_14)
            await self.until_stored()
        await until(lambda: self.log.getvalue().count('"output": "w24.auto"') == 3)
        assert self.log.getvalue().count('"outcome": "hit"') == 2
        events = self.service_harness.sink.events  # a thread of its own records them
        await until(lambda: sum(getattr(each, "route", "") == "output" for each in events) == 3)
        assert {each.extension for each in events if getattr(each, "route", "") == "output"} == {"webp"}


class TestAvif(AutoTestCase):
    """AVIF costs time: it is bounded, and stands back where it is late or large."""

    async def test_both_are_made_in_one_job_and_the_smaller_one_is_sent(self) -> None:
        """A client that prefers AVIF gets WebP where that is smaller; both are kept, and the AVIF has its own name."""
        await self.begin_service()
        self.processor.sizes_bytes["avif"] = 3001
        for _ in range(3):
            assert self.format_of(await self.auto(CHROME)) == "webp"
            await self.until_stored()
        assert self.processor.asked == [["webp", "avif"]]
        assert self.stored() == ["w24.avif", "w24.webp"]
        assert (await self.get(f"{HOME}/w24.avif")).headers["content-type"] == "image/avif"

    async def test_the_other_one_is_what_the_client_likes_next(self) -> None:
        """A client that names AVIF alone gets it, or JPEG."""
        await self.begin_service()
        self.processor.sizes_bytes["avif"] = 4001
        assert self.format_of(await self.auto("image/avif,*/*;q=0.5")) == "jpg"
        assert self.processor.asked == [["jpg", "avif"]]

    async def test_only_what_is_missing_is_made(self) -> None:
        """Files that were made by their own names are compared, not made again."""
        await self.begin_service()
        await self.get(f"{HOME}/w24.avif")
        assert self.format_of(await self.auto(CHROME)) == "avif"
        assert self.processor.asked == [["avif"], ["webp"]]

    async def test_a_late_avif_costs_no_client_its_picture(self) -> None:
        """All who wait get WebP, and later ones get it at once: the AVIF is not tried again."""
        await self.begin_service()
        self.processor.failures["avif"] = OutOfTimeError("too slow")
        self.processor.hold()
        waiting = [await self.begin("GET", AUTO, Accept=CHROME) for _ in range(10)]
        waiting.append(await self.begin("GET", AUTO, Accept=SAFARI_14))
        await until(lambda: self.processor.jobs)
        self.processor.release()
        *want_avif, wants_webp = [await each.answer() for each in waiting]
        assert {self.format_of(each, MINUTES) for each in want_avif} | {self.format_of(wants_webp)} == {"webp"}
        tries = len(self.processor.jobs)
        for _ in range(3):
            await self.until_stored()
            assert self.format_of(await self.auto(CHROME), MINUTES) == "webp"
        assert len(self.processor.jobs) == tries
        late = await self.get(f"{HOME}/w24.avif")
        assert (late.status, self.stored()) == (503, ["w24.webp"])

    async def test_an_avif_that_fails_is_not_tried_again(self) -> None:
        """Whatever goes wrong with the AVIF, the client gets the other one, or the error of that."""
        await self.begin_service()
        self.processor.failures["avif"] = NotAPictureError("the encoder refuses it")
        for _ in range(3):
            assert self.format_of(await self.auto(CHROME), MINUTES) == "webp"
            await self.until_stored()
        assert sum("avif" in each for each in self.processor.asked) == 2  # together, then alone
        self.processor.failures["webp"] = NotAPictureError("so does the other one")
        both = await self.auto(CHROME, AUTO.replace("w24", "w25"))
        assert (both.status, both.error) == (415, "so does the other one")

    async def test_an_avif_serves_where_the_other_one_fails(self) -> None:
        """The other one is only made to compare."""
        await self.begin_service()
        self.processor.failures["webp"] = NotAPictureError("the encoder refuses it")
        assert self.format_of(await self.auto(CHROME)) == "avif"

    async def test_a_full_queue_serves_the_other_one_from_the_store(self) -> None:
        """A client whose AVIF has no room gets the WebP that is there, and the AVIF when there is room again.

        Caches keep the WebP for minutes, so that their clients get the AVIF soon.
        """
        await self.begin_service(render={"queue": 1, "concurrency": 1})
        await self.get(f"{HOME}/w24.webp")
        await self.until_stored()
        self.processor.hold()
        waiting = [await self.begin("GET", f"{HOME}/x{side}.jpg") for side in (30, 31)]
        busy = self.service.generations.pipeline.engine.admission
        await until(lambda: busy.busy + busy.waiting == 2)
        assert (await self.get(f"{HOME}/w24.avif")).status == 503
        assert self.format_of(await self.auto(CHROME), MINUTES) == "webp"
        self.processor.release()
        for each in waiting:
            await each.answer()
        assert self.format_of(await self.auto(CHROME)) == "avif"

    async def test_an_image_with_room_for_one_output_gets_the_other_one(self) -> None:
        """`maximum_outputs` refuses the AVIF, and the client gets the WebP."""
        await self.begin_service(images={"maximum_outputs": 1})
        assert self.format_of(await self.auto(CHROME), MINUTES) == "webp"

    async def test_a_large_avif_is_not_chosen_and_not_made(self) -> None:
        """Above the budget `auto` has WebP, and the AVIF by its own name gets 413 before it is rendered."""
        await self.begin_service(images={"avif_maximum_pixels": 24 * 16})
        assert self.format_of(await self.auto(CHROME)) == "avif"
        for name in ("w25", "full_size", "x20"):
            assert self.format_of(await self.auto(CHROME, f"{HOME}/{name}.auto")) == "webp"
            refused = await self.get(f"{HOME}/{name}.avif")
            assert (refused.status, "ask for a smaller one, or for .auto" in refused.error) == (413, True)
        posted = await self.post("/p?outputs=w30.auto")
        assert [each["name"] for each in posted.json()["outputs"]][:2] == ["w30.webp", "w30.jpg"]
        assert sum("avif" in each for each in self.processor.asked) == 1


class TestOrders(AutoTestCase):
    """`auto` among the outputs that are made ahead."""

    async def test_a_post_makes_every_file_that_clients_may_get(self) -> None:
        """The answer and the store have plain names: the better formats, and the fallback of this picture."""
        await self.begin_service()
        posted = await self.post("/p?outputs=w24.auto,w24.jpg,x30.gif")
        names = ["w24.avif", "w24.webp", "w24.jpg", "x30.gif"]
        assert [each["name"] for each in posted.json()["outputs"]] == names
        await until(lambda: self.stored() == sorted(names))

    async def test_so_do_the_outputs_of_the_settings_and_process(self) -> None:
        """A transparent picture gets PNG for JPEG, and one that moves GIF and WebP."""
        await self.begin_service(images={"outputs": ["w24.auto"]})
        posted = await self.post(body=make_png())
        names = ["w24.avif", "w24.webp", "w24.png"]
        assert [each["name"] for each in posted.json()["outputs"]] == names
        processed = await self.ask("POST", f"/p/{posted.json()['partitionedHash']}/process")
        assert [(each["name"], each["state"]) for each in processed.json()["outputs"]] == [
            (name, "ready") for name in names
        ]
        moving = await self.post(body=make_gif())
        assert [each["name"] for each in moving.json()["outputs"]] == ["w24.webp", "w24.gif"]

    async def test_what_the_policy_refuses_is_refused_at_once(self) -> None:
        """An `auto` output that is too wide gets 406 before the body is read, like any other."""
        await self.begin_service()
        assert (await self.post("/p?outputs=w5000.auto")).status == 406
