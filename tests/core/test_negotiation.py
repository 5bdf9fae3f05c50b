"""Each client gets the best format that it names, and any other client one that all can show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.accept import NOTHING_NAMED, Accept, parse_accept
from imaged.core.details import ImageDetails
from imaged.core.errors import PolicyError
from imaged.core.formats import AVIF, CORE, GIF, JPEG, PNG, WEBP, Format
from imaged.core.gravities import FocalPoint
from imaged.core.hashes import ImageHash
from imaged.core.negotiation import Candidates, Traits, candidates, in_format, traits
from imaged.core.outputs import parse
from imaged.core.pictures import ImageInfo

MOVING = replace(AVIF, animation=True)
WRITTEN = (JPEG, PNG, GIF, WEBP, AVIF)
PREFERRED = ("avif", "webp")
EVERY = tuple(format.extension for format in WRITTEN)
PHOTO, LOGO, FILM = Traits(False, False), Traits(False, True), Traits(True, True)

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
CLIENTS = {
    CHROME: "avif",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7": "avif",  # Chrome, in a tab of its own
    "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5": "avif",  # Firefox 128
    "image/avif,image/webp,*/*": "avif",  # Firefox 92
    "image/webp,*/*": "webp",  # Firefox 65
    "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5": "jpg",  # Safari 13
    "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5": "webp",  # Safari 14
    "image/webp,image/avif,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5": "avif",  # Safari 16
    "*/*": "jpg",  # curl, and Googlebot-Image
    "text/html,application/xhtml+xml,application/signed-exchange;v=b3,application/xml;q=0.9,"
    "*/*;q=0.8": "jpg",  # Googlebot
    "image/png, image/svg+xml, image/*; q=0.8, */*; q=0.5": "jpg",  # Edge 16
    "image/webp, image/png, image/svg+xml, image/*; q=0.8, */*; q=0.5": "webp",  # Edge 18
    "*/*;q=0.1": "jpg",  # a proxy
    "image/*": "jpg",
    "": "jpg",
    "image/webp;q=0.9,image/avif;q=0.5": "webp",
    "image/webp;q=0.9,image/avif;q=0.9": "avif",
    "image/avif;q=0,image/webp": "webp",
    "image/avif;q=0,image/webp;q=0": "jpg",
    "image/webp;q=0.5,image/jpeg": "jpg",
    "image/webp;q=0.5,image/*": "jpg",
    "image/webp,text/html;q=": "jpg",
    "image/webp,image/jpeg;q=0": "webp",
    "image/jpeg;q=0": "jpg",
}  # fmt: skip
"""What each client gets of a photograph, by its header."""


def of(picture: Traits, allowed: tuple[str, ...] = EVERY, written: tuple[Format, ...] = WRITTEN) -> Candidates:
    """Return the candidates of a picture."""
    return candidates(PREFERRED, allowed, written, picture)


@pytest.mark.parametrize(("header", "extension"), CLIENTS.items())
def test_each_client_gets_what_it_can_show(header: str, extension: str) -> None:
    """A client gets the format that it prefers of those that it names, in the order of the settings among equals."""
    assert of(PHOTO).choose(parse_accept(header)).extension == extension


@pytest.mark.parametrize(
    ("picture", "written", "chrome", "curl"),
    [
        (PHOTO, WRITTEN, AVIF, JPEG),
        (LOGO, WRITTEN, AVIF, PNG),
        (FILM, WRITTEN, WEBP, GIF),
        (FILM, (*CORE, MOVING), MOVING, GIF),
        (FILM, (JPEG, PNG, GIF), GIF, GIF),
        (FILM, (JPEG, PNG, AVIF), PNG, PNG),
        (Traits(True, False), (JPEG, PNG), JPEG, JPEG),
        (LOGO, (JPEG,), JPEG, JPEG),
        (PHOTO, (PNG, GIF), PNG, PNG),
        (PHOTO, (GIF,), GIF, GIF),
        (PHOTO, (WEBP, AVIF), AVIF, WEBP),
        (PHOTO, (AVIF,), AVIF, AVIF),
    ],
)
def test_motion_and_transparency_are_kept(
    picture: Traits, written: tuple[Format, ...], chrome: Format, curl: Format
) -> None:
    """A picture that moves keeps moving and a transparent one stays so, where a format that is written can do that."""
    assert of(picture, written=written).choose(parse_accept(CHROME)) == chrome
    assert of(picture, written=written).choose(NOTHING_NAMED) == curl


@given(
    st.dictionaries(st.sampled_from([format.content_type for format in WRITTEN]), st.integers(0, 1000)),
    st.dictionaries(st.sampled_from(["image/*", "*/*"]), st.integers(0, 1000)),
    st.builds(Traits, st.booleans(), st.booleans()),
    st.sets(st.sampled_from(EVERY), min_size=1),
)
def test_no_client_gets_what_it_likes_less(
    named: dict[str, int], ranges: dict[str, int], picture: Traits, allowed: set[str]
) -> None:
    """The choice is one of the candidates; a better format is named, and liked at least as well as all others."""
    accept, found = Accept(named, ranges), of(picture, tuple(allowed))
    chosen, fallback = found.choose(accept), accept.quality(found.fallback.content_type)
    assert chosen in found.all
    assert {format.extension for format in found.all} <= allowed
    best = max((named.get(each.content_type, 0) for each in found.better), default=0)
    if chosen == found.fallback:
        assert best <= fallback
    else:
        assert named[chosen.content_type] == best >= max(fallback, 1)


def test_only_allowed_formats_are_chosen() -> None:
    """The settings say which formats a namespace gives; without any, there is nothing to choose."""
    assert of(PHOTO, ("jpg", "webp")).choose(parse_accept(CHROME)) == WEBP
    assert of(PHOTO, ("heic", "png")).choose(parse_accept(CHROME)) == PNG
    with pytest.raises(PolicyError, match="no processor writes"):
        of(PHOTO, ("heic",))


def test_each_candidate_is_listed_once() -> None:
    """The fallback is no better format, too."""
    assert of(PHOTO).all == (AVIF, WEBP, JPEG)
    assert of(PHOTO, ("webp",)).all == (WEBP,)
    assert of(PHOTO).without(AVIF).all == (WEBP, JPEG)
    assert of(PHOTO).without(JPEG) == of(PHOTO)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("image/jpeg", PHOTO),
        ("image/png", LOGO),
        ("image/gif", FILM),
        ("image/webp", FILM),
        ("image/avif", LOGO),
    ],
)
def test_a_picture_without_details_may_have_all_that_its_format_holds(content_type: str, expected: Traits) -> None:
    """So nothing gets lost before the picture has been looked at; then its details count."""
    info = ImageInfo(ImageHash("0" * 32), 10, 10, content_type, 100, "0" * 64)
    details = ImageDetails(3, False, 1, None, "", "#000000", "#000000", "0" * 16, FocalPoint(50, 50))
    assert traits(info) == expected
    assert traits(replace(info, details=details)) == Traits(moves=True, transparent=False)


def test_a_format_changes_nothing_but_the_extension() -> None:
    """The file of a chosen format is that of the name in this format."""
    assert str(in_format(parse("300x400-gn-q50.auto"), WEBP)) == "300x400-gn-q50.webp"
