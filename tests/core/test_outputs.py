"""Every output has one name, and every name means one output or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.errors import NotFoundError
from imaged.core.gravities import Compass, FocalPoint, Smart
from imaged.core.outputs import (
    EXTENSION,
    NAME_CHARACTERS,
    PRESET,
    Fill,
    Fit,
    FullSize,
    Output,
    Pad,
    Preset,
    parse,
    parse_stored,
)

sides = st.integers(1, 10**18 - 1)
percents = st.integers(0, 100)
gravities = st.none() | st.sampled_from(Compass) | st.builds(FocalPoint, percents, percents) | st.builds(Smart)
sizings = (
    st.builds(Fit, sides, st.none() | sides)
    | st.builds(Fit, st.none(), sides)
    | st.builds(Pad, sides, sides)
    | st.builds(Fill, sides, sides, gravities)
    | st.builds(FullSize)
    | st.builds(Preset, st.from_regex(PRESET, fullmatch=True))
)
outputs = st.builds(Output, sizings, st.from_regex(EXTENSION, fullmatch=True), st.none() | st.integers(1, 100))
name_like = st.text("wx0123456789-q._fulsizejpgn", max_size=24).map(lambda name: f"{name}.jpg")

MEANINGS = {
    "w500.jpg": Output(Fit(500), "jpg"),
    "x600.jpg": Output(Fill(600, 600), "jpg"),
    "300x400.png": Output(Fill(300, 400), "png"),
    "full_size.webp": Output(FullSize(), "webp"),
    "w500-q50.jpg": Output(Fit(500), "jpg", 50),
    "x1-q1.gif": Output(Fill(1, 1), "gif", 1),
    "full_size-q100.jpg": Output(FullSize(), "jpg", 100),
    "h500.jpg": Output(Fit(None, 500), "jpg"),
    "f300x400.jpg": Output(Fit(300, 400), "jpg"),
    "f300x300-q9.jpg": Output(Fit(300, 300), "jpg", 9),
    "p300x400.png": Output(Pad(300, 400), "png"),
    "x600-gn.jpg": Output(Fill(600, 600, Compass.NORTH), "jpg"),
    "300x400-gc.jpg": Output(Fill(300, 400, Compass.CENTRE), "jpg"),
    "300x400-gsw-q50.webp": Output(Fill(300, 400, Compass.SOUTH_WEST), "webp", 50),
    "300x400-g25x70.jpg": Output(Fill(300, 400, FocalPoint(25, 70)), "jpg"),
    "x9-g0x100.jpg": Output(Fill(9, 9, FocalPoint(0, 100)), "jpg"),
    "300x400-gsm-q50.webp": Output(Fill(300, 400, Smart()), "webp", 50),
    "w500.auto": Output(Fit(500), "auto"),
    "hero.jpg": Output(Preset("hero"), "jpg"),
    "hero-q50.webp": Output(Preset("hero"), "webp", 50),
}
MALFORMED = [
    "", ".jpg", "w.jpg", "x.jpg", "500.jpg", "w500", "w500.", "w500.jpg.png", "W500.jpg", "w500.JPG", "w-5.jpg",
    "w5.5.jpg", "w500 .jpg", " w500.jpg", "w500.jpg\n", "w500\x00.jpg", "w５００.jpg", "٣x٤.jpg", "x300x300.jpg",
    "300x.jpg", "w500-q.jpg", "w500-q0.jpg", "w500-q101.jpg", "w500-q050.jpg", "w500-q50-q50.jpg", "w500-Q50.jpg",
    "full_size_q5.jp_g", "full-size.jpg", "Hero.jpg", "h.jpg", "hero-gn.jpg", "hero-.jpg",
    "h500x400.jpg", "f300.jpg", "p300.jpg", "300x400-g.jpg", "300x400-gcc.jpg", "300x400-g25.jpg", "300x400-g101x0.jpg",
    "300x400-g025x70.jpg", "300x400-g2.5x70.jpg", "300x400-gsmart.jpg", "300x400-q50-gn.jpg", "srcset.jpg", "info.jpg",
    "0_hero.jpg", "a1.jpg", "original", "info.json", "../w500.jpg", "w500.jpg/..",
    "w500/.jpg", "w0.jpg", "x0.jpg", "0x4.jpg", "4x0.jpg", "w0500.jpg", "x0600.jpg", "0300x400.jpg", "300x0400.jpg",
    "w+5.jpg", "w500.jpegjpeg2", "w500.j-g",
]  # fmt: skip


@pytest.mark.parametrize("name", MEANINGS)
def test_a_name_means_its_output(name: str) -> None:
    """Each form of the grammar is read as documented."""
    assert parse(name) == MEANINGS[name]


@given(outputs)
def test_parse_and_format_round_trip(output: Output) -> None:
    """A written name is read as the same output."""
    assert parse(str(output)) == output


@given(outputs, outputs)
def test_names_are_unique(one: Output, other: Output) -> None:
    """Different outputs have different names, and so different URLs and files."""
    assert (str(one) == str(other)) == (one == other)


@given(outputs)
def test_names_are_safe_on_disk(output: Output) -> None:
    """A name is a short file name without special characters."""
    name = str(output)
    assert name.isascii()
    assert len(name) <= NAME_CHARACTERS
    assert not set(name) & set("/\\\0 %?#")
    assert not name.startswith(".")


@given(name_like | st.text(max_size=40))
def test_whatever_is_accepted_is_written_the_same(name: str) -> None:
    """A text is exactly the name of its output, or it is refused."""
    try:
        output = parse(name)
    except NotFoundError:
        return
    assert str(output) == name


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_names_are_not_found(name: str) -> None:
    """The message of another text lists the forms of names."""
    with pytest.raises(NotFoundError, match=r"is not an output: use w500\.jpg, h500\.jpg"):
        parse(name)


def test_a_square_has_one_name_only() -> None:
    """Width and height that are equal are written once, and the refusal says how."""
    with pytest.raises(NotFoundError, match=r"that one is called x300\.jpg"):
        parse("300x300.jpg")
    with pytest.raises(NotFoundError, match=r"that one is called x300-q50\.webp"):
        parse("300x300-q50.webp")


@pytest.mark.parametrize("form", ["w500{}.jpg", "h500{}.jpg", "f300x400{}.jpg", "p300x400{}.jpg"])
def test_a_gravity_needs_a_crop(form: str) -> None:
    """Where nothing is cropped, a name with a gravity is refused, and the refusal says the name without it."""
    for gravity in ("-gn", "-g25x70", "-gsm"):
        with pytest.raises(NotFoundError, match=rf"that one is called {form.format('')}"):
            parse(form.format(gravity))


def test_a_version_is_in_the_names_of_files_alone() -> None:
    """The file of a preset says which version it has; a client asks for the preset."""
    output = Output(Preset("hero", "0123abcd"), "webp", 50)
    assert str(output) == "hero~0123abcd-q50.webp"
    assert parse_stored(str(output)) == output
    with pytest.raises(NotFoundError, match="by its name alone"):
        parse(str(output))
    with pytest.raises(NotFoundError, match="lacks the version"):
        parse_stored("hero-q50.webp")


@given(st.integers(10**18, 10**80), st.sampled_from(["w{}.jpg", "x{}.jpg", "{}x4.jpg", "4x{}.jpg"]))
def test_numbers_beyond_any_picture_are_not_found(number: int, form: str) -> None:
    """Numbers beyond the size of any picture are refused before they are converted."""
    with pytest.raises(NotFoundError):
        parse(form.format(number))


@pytest.mark.parametrize("name", ["w" + "9" * 10_000 + ".jpg", "a" * 10_000, "full_size." + "x" * 10_000])
def test_long_names_are_not_found_nor_echoed(name: str) -> None:
    """Ten thousand characters are refused quickly and with a short message."""
    with pytest.raises(NotFoundError) as caught:
        parse(name)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("extension", ["bmp", "jpeg", "svg", "php", "webp2", "x"])
def test_the_grammar_takes_any_extension(extension: str) -> None:
    """Which formats a server writes does not matter to the grammar."""
    assert parse(f"w500.{extension}") == Output(Fit(500), extension)
