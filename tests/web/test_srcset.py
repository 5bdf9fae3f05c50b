"""The `<img>` of a picture: the widths that it has, its size, its placeholder, and no way to write HTML into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_case import HASH, HOME, ServiceTestCase

from imaged.config.images import ImagePolicy
from imaged.core.details import ImageDetails
from imaged.core.errors import ForbiddenError, MalformedRequestError
from imaged.core.gravities import FocalPoint
from imaged.core.hashes import ImageHash
from imaged.core.pictures import ImageInfo
from imaged.web.srcset import MAXIMUM_WIDTHS, WIDTHS, SrcsetRequest, describe_img, format_img, read_srcset

INFO = ImageInfo(ImageHash("0" * 32), 1000, 700, "image/jpeg", 100, "0" * 64)
DETAILS = ImageDetails(
    1, False, 1, None, "1QcSHQRnh493V4dIh4eXh1h4kJUI", "#aabbcc", "#000000", "0" * 16, FocalPoint(50, 50)
)
EXTENSIONS = ("jpg", "webp")


class Reader(HTMLParser):
    """Reads HTML; `tags` has its elements with their attributes, and `text` what is outside of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data


def img(
    info: ImageInfo = INFO, maximum_px: int = 4096, allowed: Sequence[str] = (), **parameters: str
) -> dict[str, str | int]:
    """Return the attributes for parameters, under a policy."""
    policy = ImagePolicy.model_validate({"maximum_width": maximum_px, "allowed_outputs": list(allowed)})
    return describe_img(read_srcset(parameters, EXTENSIONS), info, policy, lambda output: f"/p/0/{output}")


def widths(attributes: dict[str, str | int]) -> list[str]:
    """Return the widths of a srcset."""
    return [each.split(" ")[1] for each in str(attributes["srcset"]).split(", ")]


def test_an_img_has_all_that_a_browser_needs() -> None:
    """Its size is that of the picture, so that the page does not move when it comes."""
    assert img(widths="640,320", sizes="50vw", format="webp") == {
        "src": "/p/0/w640.webp",
        "srcset": "/p/0/w320.webp 320w, /p/0/w640.webp 640w",
        "sizes": "50vw",
        "width": 1000,
        "height": 700,
        "loading": "lazy",
        "decoding": "async",
        "alt": "",
    }


@pytest.mark.parametrize(
    ("asked", "maximum_px", "expected"),
    [
        ("320,640", 4096, ["320w", "640w"]),
        ("640,320,640,320", 4096, ["320w", "640w"]),
        ("320,1000,1001,5000", 4096, ["320w", "1000w"]),
        ("320,5000", 600, ["320w", "600w"]),
        ("999999", 4096, ["1000w"]),
        (" 1 , 2", 4096, ["1w", "2w"]),
        (",".join(map(str, WIDTHS)), 4096, ["320w", "640w", "960w", "1000w"]),
    ],
)
def test_widths_are_those_that_the_picture_has(asked: str, maximum_px: int, expected: list[str]) -> None:
    """A width beyond the picture or the policy becomes the largest one, and each comes once, in order."""
    assert widths(img(maximum_px=maximum_px, widths=asked)) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, "w300.auto 300w, w600.auto 600w, w1200.auto 1000w"),
        ("300,640", "w300.auto 300w"),
        ("600,2400,300", "w300.auto 300w, w600.auto 600w, w2400.auto 1000w"),
        ("1200,2400", "w1200.auto 1000w"),
    ],
)
def test_a_list_says_which_outputs_there_are(asked: str | None, expected: str) -> None:
    """Only listed outputs are named, without widths all of them; one beyond the picture has the picture's width."""
    allowed = ["w{300,600,1200,2400}.auto", "w{400,640}.jpg", "w500-q50.auto", "h640.auto", "x640.auto"]
    found = img(INFO, 4096, allowed, **({} if asked is None else {"widths": asked}))
    assert str(found["srcset"]).replace("/p/0/", "") == expected


def test_a_listed_output_wider_than_the_policy_is_left_out() -> None:
    """A namespace may inherit a list, and allow less width."""
    assert widths(img(maximum_px=700, allowed=["w{300,600,1200}.auto"])) == ["300w", "600w"]


def test_a_long_list_gives_its_largest_widths() -> None:
    """An `<img>` has as many as a request may name."""
    allowed = [f"w{{{','.join(map(str, range(100, 900, 20)))}}}.auto"]
    assert widths(img(allowed=allowed)) == [f"{each}w" for each in range(500, 900, 20)]


@pytest.mark.parametrize("parameters", [{"widths": "301"}, {"widths": "300", "format": "webp"}, {"format": "webp"}])
def test_outputs_that_no_list_has_are_refused(parameters: dict[str, str]) -> None:
    """A list without any of the outputs that are asked for is 403."""
    with pytest.raises(ForbiddenError, match="the list of this namespace has none of these widths"):
        img(INFO, 4096, ["w300.auto", "w300.jpg"], **parameters)
    with pytest.raises(ForbiddenError):
        img(INFO, 4096, ["none"], **parameters)


def test_without_parameters_there_are_usual_ones() -> None:
    """The format is `auto`; old browsers, which ignore srcset, get a picture of a medium width."""
    large = img(replace(INFO, width_px=8000, height_px=6000))
    assert widths(large) == [f"{width_px}w" for width_px in WIDTHS]
    assert (large["src"], large["sizes"]) == ("/p/0/w1280.auto", "100vw")
    assert img(widths="1600", info=replace(INFO, width_px=8000))["src"] == "/p/0/w1600.auto"


def test_the_placeholder_is_that_of_the_record() -> None:
    """A transparent picture has no colour behind it, and an older record has no placeholder."""
    assert img(replace(INFO, details=DETAILS))["style"] == "background-color:#aabbcc"
    transparent = img(replace(INFO, details=replace(DETAILS, transparency=True)))
    assert ("style" in transparent, transparent["data-thumbhash"]) == (False, DETAILS.thumbhash)
    assert not {"style", "data-thumbhash"} & img().keys()


@pytest.mark.parametrize(
    "parameters",
    [
        {"widths": ""},
        {"widths": "0"},
        {"widths": "w320"},
        {"widths": "320,"},
        {"widths": "-1"},
        {"widths": "1000000"},
        {"widths": "1" * 5000},
        {"widths": ",".join(map(str, range(1, MAXIMUM_WIDTHS + 2)))},
        {"format": "gif"},
        {"format": ""},
        {"format": "webp onerror=alert(1)"},
        {"sizes": ""},
        {"sizes": "a" * 1001},
        {"sizes": "50vw\n"},
        {"sizes": "50\xa0vw"},
        {"as": "xml"},
    ],
)
def test_other_parameters_are_refused(parameters: dict[str, str]) -> None:
    """What does not make a sound `<img>` is 400."""
    with pytest.raises(MalformedRequestError):
        read_srcset(parameters, EXTENSIONS)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200))
def test_no_text_of_a_client_leaves_its_attribute(sizes: str) -> None:
    """A parser finds one `<img>`, whose attribute has the text that was given."""
    attributes = img(replace(INFO, details=replace(DETAILS, thumbhash='"><script>')), sizes=sizes)
    found = Reader(format_img(attributes))
    assert [tag for tag, _ in found.tags] == ["img"]
    assert found.tags[0][1] == {name: str(value) for name, value in attributes.items()}
    assert found.text == "\n"


def test_a_request_is_a_value() -> None:
    """Its widths are numbers, without double spellings."""
    assert read_srcset({"widths": "20,10"}, EXTENSIONS) == SrcsetRequest([20, 10], "auto", "100vw", "html")


class TestSrcset(ServiceTestCase):
    """The path of a picture's `<img>`."""

    async def test_its_urls_are_those_of_outputs(self) -> None:
        """Each URL of the answer has a picture of its width."""
        await self.serve()
        await self.post()
        sizes = '(a) <b> "c"'
        answer = await self.get(f"/p/{HASH}/srcset?widths=20,30,9999&format=webp&sizes={quote(sizes)}")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.headers["cache-control"] == "public, max-age=300"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        ((_, attributes),) = Reader(answer.body.decode()).tags
        assert attributes["sizes"] == sizes
        assert attributes["srcset"] == f"{HOME}/w20.webp 20w, {HOME}/w30.webp 30w, {HOME}/w48.webp 48w"
        assert (attributes["width"], attributes["height"]) == ("48", "32")
        assert (await self.get(str(attributes["src"]))).status == 200
        same = await self.get(f"{HOME}/srcset?widths=20,30,9999&format=webp&as=json")
        assert same.json()["srcset"] == attributes["srcset"]
        head = await self.ask("HEAD", f"{HOME}/srcset")
        assert (head.status, head.body) == (200, b"")

    async def test_what_it_refuses(self) -> None:
        """Other parameters and formats are 400, another method is 405, and an unknown picture is 404."""
        await self.serve(images={"extensions": ["jpg"]})
        await self.post()
        for query in ("width=20", "widths=20&widths=30", "format=webp", "format=avif", "widths=x", "outputs=w20.jpg"):
            assert (await self.get(f"{HOME}/srcset?{query}")).status == 400
        assert (await self.ask("POST", f"{HOME}/srcset")).status == 405
        missing = await self.get(f"/p/{'0' * 32}/srcset")
        assert (missing.status, missing.headers["cache-control"]) == (404, "no-store")
