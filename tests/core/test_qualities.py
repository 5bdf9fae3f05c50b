"""Qualities on the scales of encoders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.config.images import ImagePolicy
from imaged.core.formats import AVIF, CORE, FURTHER, JXL, PNG, WEBP, Format, Formats
from imaged.core.outputs import parse
from imaged.core.qualities import AVIF_QUALITY, encoder_quality

FORMATS = Formats((*CORE, *FURTHER), (*CORE, *FURTHER))

qualities = st.integers(1, 100)


@given(format=st.sampled_from([*CORE, JXL]), quality=qualities, usual=qualities)
def test_most_encoders_have_the_scale_of_jpeg(format: Format, quality: int, usual: int) -> None:
    """JPEG, WebP and JPEG XL get the quality itself, so that stored files keep their meaning."""
    assert encoder_quality(format, quality, usual) == quality


@given(quality=st.integers(1, 99), usual=qualities)
def test_a_better_quality_is_never_worse(quality: int, usual: int) -> None:
    """Values rise with the quality, and stay within the scale."""
    assert 1 <= encoder_quality(AVIF, quality, usual) <= encoder_quality(AVIF, quality + 1, usual) <= 100


@given(usual=qualities)
def test_the_setting_says_what_75_means(usual: int) -> None:
    """`usual` is what quality 75 becomes, and 100 stays the best."""
    assert encoder_quality(AVIF, 75, usual) == usual
    assert encoder_quality(AVIF, 100, usual) == 100


@pytest.mark.parametrize(("quality", "wanted"), [(30, 38), (50, 46), (75, AVIF_QUALITY), (90, 79)])
def test_the_table_is_the_measured_one(quality: int, wanted: int) -> None:
    """The values of the decision page are those of the code."""
    assert encoder_quality(AVIF, quality, AVIF_QUALITY) == wanted


def test_a_policy_resolves_quality_and_effort() -> None:
    """Processors get both on the scale of their encoder, by the settings of the namespace."""
    policy = ImagePolicy(avif_quality=60, avif_speed=9, webp_effort=2)
    names = ("w5.avif", "w5-q100.avif", "w5.webp", "w5-q30.webp", "w5.jpg", "w5.png")
    found = [policy.resolve(parse(name), FORMATS) for name in names]
    assert [(each.quality, each.effort) for each in found] == [
        (60, 9),
        (100, 9),
        (75, 2),
        (30, 2),
        (75, None),
        (75, None),
    ]
    assert [each.format for each in found][1::4] == [AVIF, PNG]
    assert found[2].format == WEBP
