"""The formats of plugins are checked, and become one registry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imaged.core.formats import BMP as BUILT_IN_BMP
from imaged.core.formats import CORE, FORMATS, JPEG, PNG, TIFF, WEBP, Format, Formats
from imaged.hooks.plugin_formats import combine, find_wrong

BMP = replace(PNG, extension="bmp", content_type="image/bmp", signatures=(((0, b"BM"),),))
PPM = replace(PNG, extension="ppm", content_type="image/x-portable-pixmap", signatures=(((0, b"P6"),),))


def changed(**fields: Any) -> tuple[Format]:
    """Return a format with these fields, which may be nonsense."""
    return (replace(BMP, **fields),)


@pytest.mark.parametrize(
    ("formats", "wrong"),
    [
        (None, "is not a tuple of Format"),
        ([BMP], "is not a tuple of Format"),
        ((BMP, "ppm"), "is not a tuple of Format"),
        (changed(extension="BMP"), "has a format, whose extension is wrong"),
        (changed(extension="auto"), "whose extension is wrong"),
        (changed(extension=None), "has a format, whose extension is wrong"),
        (changed(content_type="text/html"), "has the format bmp, whose content_type is wrong"),
        (changed(content_type="image/bmp\r\nX: y"), "has the format bmp, whose content_type is wrong"),
        (changed(alpha=1), "alpha is wrong"),
        (changed(animation=None), "animation is wrong"),
        (changed(maximum_side_px=0), "maximum_side_px is wrong"),
        (changed(maximum_side_px=True), "maximum_side_px is wrong"),
        (changed(signatures=()), "signatures is wrong"),
        (changed(signatures=((),)), "signatures is wrong"),
        (changed(signatures=(((0, b""),),)), "signatures is wrong"),
        (changed(signatures=(((-1, b"BM"),),)), "signatures is wrong"),
        (changed(signatures=(((31, b"BM"),),)), "signatures is wrong"),
        (changed(signatures=(((0, "BM"),),)), "signatures is wrong"),
        (changed(signatures=b"BM"), "signatures is wrong"),
        (changed(read_header=None), "read_header is wrong"),
    ],
)
def test_a_wrong_field_is_found(formats: object, wrong: str) -> None:
    """The message names the field."""
    assert wrong in str(find_wrong(formats))


@pytest.mark.parametrize("formats", [(), CORE, (BMP, JPEG), changed(signatures=(((14, b"BM"),),))])
def test_sound_formats_have_nothing_wrong(formats: object) -> None:
    """An empty tuple is sound: a processor may only read."""
    assert find_wrong(formats) is None


def test_core_formats_come_first() -> None:
    """A plugin's signature that matches their files takes no file from them."""
    greedy = replace(BMP, signatures=(((0, b"\xff"),),))
    formats, conflicts = combine([Formats((greedy,), ()), FORMATS])
    assert (formats.reads, formats.writes, conflicts) == ((*CORE, greedy), CORE, [])
    assert formats.sniff(b"\xff\xd8\xff\xe0") is JPEG
    assert formats.sniff(b"\xff") is greedy


def test_only_what_processors_bring_is_there() -> None:
    """One processor may read a format that another writes."""
    formats, _ = combine([Formats((BMP,), (JPEG,)), Formats((JPEG, PPM), (BMP,))])
    assert formats == Formats((JPEG, BMP, PPM), (JPEG, BMP))


def test_the_same_format_may_come_twice() -> None:
    """Two plugins may import it from the same library."""
    formats, conflicts = combine([Formats((BMP,), (BMP,)), Formats((replace(BMP),), ())])
    assert (formats, conflicts) == (Formats((BMP,), (BMP,)), [])


@pytest.mark.parametrize(
    "rival",
    [replace(BMP, maximum_side_px=9), replace(BMP, extension="dib"), replace(WEBP, alpha=False)],
    ids=["the same name", "the same content type", "a core format"],
)
def test_formats_of_the_same_name_conflict(rival: Format) -> None:
    """The plugin that comes second is at fault, and its format is left out."""
    formats, conflicts = combine([Formats((BMP,), CORE), Formats((rival,), ())])
    assert formats.reads == (BMP,)
    assert conflicts == [(1, f"brings another format called {rival.extension} or {rival.content_type}")]


@pytest.mark.parametrize("order", [1, -1])
def test_a_further_format_gives_way_to_that_of_a_plugin(order: int) -> None:
    """In either order of the processors, so a plugin still works when imaged has a format of the same name."""
    formats, conflicts = combine([Formats((*CORE, BUILT_IN_BMP, TIFF), CORE), Formats((BMP,), ())][::order])
    assert set(formats.reads) == {*CORE, TIFF, BMP}
    assert conflicts == []
