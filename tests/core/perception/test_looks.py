"""Colours, the perceptual hash, the point of attention and the name of a profile, on pictures whose answer is known."""

from __future__ import annotations

import pytest
from PIL import Image, ImageCms, ImageDraw, ImageEnhance
from sample_pictures import sample_of, scene

from imaged.core.perception.attention import find_attention
from imaged.core.perception.colours import average_and_dominant
from imaged.core.perception.dhash import dhash
from imaged.core.perception.profile_names import profile_name


def distance(one: str, other: str) -> int:
    """Return how many bits differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_the_colours_of_a_plain_picture_are_its_own() -> None:
    """Average and dominant colour are the only one that there is."""
    assert average_and_dominant(sample_of(Image.new("RGB", (50, 20), (12, 200, 99)))) == ("#0cc863", "#0cc863")


def test_the_dominant_colour_is_that_of_most_pixels() -> None:
    """The average of two colours is neither; the dominant one is the larger area's."""
    image = Image.new("RGB", (32, 32), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 32, 10))
    average, dominant = average_and_dominant(sample_of(image))
    assert dominant == "#ff0000"
    assert average not in {"#ff0000", "#0000ff"}


def test_transparent_pixels_have_no_colour() -> None:
    """Only opaque pixels count; a picture without any is black."""
    image = Image.new("RGBA", (32, 32), (0, 255, 0, 0))
    assert average_and_dominant(sample_of(image)) == ("#000000", "#000000")
    image.paste((9, 9, 200, 255), (16, 0, 32, 32))
    assert average_and_dominant(sample_of(image))[1] == "#0909c8"


def test_the_perceptual_hash_is_in_a_known_order() -> None:
    """A picture that grows brighter to the right has ones only; one row of it has them in its own byte."""
    ramp = Image.linear_gradient("L").rotate(90)
    assert dhash(sample_of(ramp.transpose(Image.Transpose.FLIP_LEFT_RIGHT))) in {"0" * 16, "f" * 16}
    assert {dhash(sample_of(ramp)), dhash(sample_of(ramp.rotate(180)))} == {"0" * 16, "f" * 16}
    image = Image.new("L", (32, 32), 255)
    image.paste(0, (0, 0, 16, 4))
    assert int(dhash(sample_of(image)), 16) >> 56 != 0
    assert int(dhash(sample_of(image)), 16) & (1 << 48) - 1 == 0


def test_the_hash_of_a_changed_copy_is_nearly_the_same() -> None:
    """Another size, brightness or quality changes at most 6 bits; another picture changes many."""
    image = scene()
    known = dhash(sample_of(image))
    copies = [image.resize((120, 80)), ImageEnhance.Brightness(image).enhance(1.1), image.convert("L")]
    assert max(distance(known, dhash(sample_of(copy))) for copy in copies) <= 6
    assert distance(known, dhash(sample_of(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))) > 10


@pytest.mark.parametrize("place", [(20, 20), (80, 25), (25, 80), (75, 75)])
def test_attention_is_where_something_is(place: tuple[int, int]) -> None:
    """A red disc on grey draws the attention, wherever it is."""
    image, (x, y) = Image.new("RGB", (400, 400), (128, 128, 128)), place
    ImageDraw.Draw(image).ellipse((4 * x - 40, 4 * y - 40, 4 * x + 40, 4 * y + 40), fill=(220, 40, 30))
    point = find_attention(sample_of(image))
    assert abs(point.x_percent - x) <= 12
    assert abs(point.y_percent - y) <= 12


@pytest.mark.parametrize("size", [(1, 1), (1, 32), (32, 1), (1000, 3)])
def test_attention_needs_no_second_dimension(size: tuple[int, int]) -> None:
    """The thinnest picture has a point, and a plain one its centre, or a little above."""
    point = find_attention(sample_of(Image.new("RGB", size, (200, 10, 10))))
    assert point.x_percent == pytest.approx(50, abs=3)
    assert 38 <= point.y_percent <= 53


def test_profiles_have_names() -> None:
    """The description is read from profiles of version 2 and 4; a broken profile is unnamed."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    assert "sRGB" in (profile_name(srgb.tobytes()) or "")
    assert profile_name(b"") is None
    assert profile_name(bytes(200)) == "unnamed"
    assert profile_name(b"\xff" * 200) == "unnamed"
    assert profile_name(srgb.tobytes()[:140]) == "unnamed"
