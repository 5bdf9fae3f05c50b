"""A policy may list a format only where a processor brings it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from settings_world import World

from imaged.config.extensions import extension_faults, find_missing
from imaged.core.formats import AVIF, CORE, FORMATS, HEIC, PNG, Formats

BMP = replace(PNG, extension="bmp", content_type="image/bmp")


def faults(text: str, formats: Formats = FORMATS, world: World | None = None) -> list[str]:
    """Return the messages of the faults of `text` on a server with these formats."""
    loaded = (world or World()).load(text)
    assert loaded.faults == ()
    return [str(fault) for fault in extension_faults(loaded, formats)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("images:\n  extensions: [jpg, bmp]", '2: images.extensions.1: expected one of jpg, png, gif, webp, got "bmp"'),
        (
            "images: {extensions: [jpeg]}",
            '1: images.extensions.0: expected one of jpg, png, gif, webp, got "jpeg"; did you mean "jpg"?',
        ),
        (
            "namespaces:\n  p: {extensions: [bmp]}",
            '2: namespaces.p.extensions.0: expected one of jpg, png, gif, webp, got "bmp"',
        ),
    ],
)
def test_an_unknown_extension_is_a_fault(text: str, fault: str) -> None:
    """The message names file, line and key, and suggests a similar extension."""
    assert faults(text) == [f"etc/imaged.yaml:{fault}"]


def test_auto_formats_may_be_those_of_a_library_that_is_missing() -> None:
    """They count where they are written, so the defaults are right everywhere; a name that no format has is a fault."""
    assert faults("images: {extensions: [png], auto_formats: [avif, jxl, webp]}", Formats((PNG,), (PNG,))) == []
    assert faults("namespaces:\n  p: {auto_formats: [webp, avfi]}") == [
        'etc/imaged.yaml:2: namespaces.p.auto_formats.1: no format is called "avfi"; did you mean "avif"?'
    ]


def test_an_extension_from_a_reference_is_not_shown() -> None:
    """It may be a secret."""
    assert faults("images: {extensions: [{env: IT}]}", world=World({"IT": "jpgs"})) == [
        "etc/imaged.yaml:1: images.extensions.0: expected one of jpg, png, gif, webp, got text from {env: IT}"
    ]


def test_a_further_format_that_is_only_read_is_no_extension() -> None:
    """Clients cannot request HEIC, which no processor writes; AVIF may come with a library."""
    formats = Formats((*CORE, HEIC), CORE)
    (found,) = faults("images: {extensions: [jpg, heic, avif]}", formats)
    assert found.startswith('etc/imaged.yaml:1: images.extensions.1: expected one of jpg, png, gif, webp, got "heic"')


def test_a_brought_format_may_be_listed() -> None:
    """The settings are right on a server whose processors read or write the format."""
    text = "{images: {extensions: [bmp, jpg], outputs: [x3.jpg]}, namespaces: {p: {extensions: [bmp], outputs: []}}}"
    assert faults(text, Formats((*CORE, BMP), CORE)) == []
    assert faults(text, Formats(CORE, (*CORE, BMP))) == []


def test_an_output_needs_a_format_that_is_written() -> None:
    """A format that is only read cannot be listed in `outputs`."""
    text = "{images: {extensions: [bmp, jpg]}, namespaces: {p: {outputs: [x3.jpg, x3.bmp]}}}"
    assert faults(text, Formats((*CORE, BMP), CORE)) == [
        "etc/imaged.yaml:1: namespaces.p.outputs.1: no processor writes bmp"
    ]


def test_a_further_format_that_no_processor_reads_is_a_fault() -> None:
    """TIFF is not among the formats that the default settings list."""
    assert faults("images: {read_formats: [jpg, tiff]}", Formats((*CORE, BMP), CORE)) == [
        'etc/imaged.yaml:1: images.read_formats.1: expected one of jpg, png, gif, webp, bmp, got "tiff"'
    ]


@pytest.mark.parametrize(
    ("formats", "missing"),
    [
        (FORMATS, "no processor reads avif, heic or writes avif on this machine"),
        (Formats((*CORE, AVIF), (*CORE, AVIF)), "no processor reads heic on this machine"),
        (Formats((*CORE, AVIF, HEIC), (*CORE, AVIF)), None),
    ],
)
def test_a_format_of_the_default_settings_may_be_missing(formats: Formats, missing: str | None) -> None:
    """A machine without its library starts, and one line says what is missing, also where a file lists the defaults."""
    text = "images: {read_formats: [jpg, png, gif, webp, avif, heic], extensions: [jpg, png, gif, webp, avif]}"
    for each in ("", text):
        assert faults(each, formats) == []
        assert find_missing(World().load(each).settings, formats) == missing


def test_an_output_of_every_image_needs_its_format() -> None:
    """Also if the format is one of the default settings."""
    assert faults("images: {outputs: [w20.avif]}") == ["etc/imaged.yaml:1: images.outputs.0: no processor writes avif"]
