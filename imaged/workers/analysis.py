"""Look at an original: what info.json tells of its pixels, computed in a worker from a small sample."""

from __future__ import annotations

from imaged.core.details import ImageDetails
from imaged.core.perception.attention import find_attention
from imaged.core.perception.colours import average_and_dominant
from imaged.core.perception.dhash import dhash
from imaged.core.perception.thumbhash import thumbhash
from imaged.core.pictures import ImageFacts
from imaged.core.samples import Sample

SAMPLE_SIDE_PX = 32
"""The side of the square that a sample fits into. libvips looks at as many pixels, and a ThumbHash holds fewer."""


def describe(facts: ImageFacts, sample: Sample) -> ImageDetails:
    """Return the details of an original. Takes about 5 ms of CPU time."""
    average_color, dominant_color = average_and_dominant(sample)
    return ImageDetails(
        frames=facts.frames,
        transparency=sample.transparency,
        orientation=sample.orientation,
        profile=sample.profile,
        thumbhash=thumbhash(sample),
        average_color=average_color,
        dominant_color=dominant_color,
        dhash=dhash(sample),
        focal_point=find_attention(sample),
    )
