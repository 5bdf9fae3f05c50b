"""A variant reaches a worker process as it was."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from imaged.core.effects import NO_EFFECTS, Effects, Watermark
from imaged.core.formats import FORMATS
from imaged.core.gravities import Compass, FocalPoint
from imaged.core.outputs import Fill, Fit, FullSize, Output, Pad, Preset
from imaged.core.variants import Variant
from imaged.workers.wire_variants import decode_variant, encode_variant

_sides = st.integers(1, 10_000)
_percents = st.integers(0, 100)
_gravities = st.none() | st.sampled_from(Compass) | st.builds(FocalPoint, _percents, _percents)
_sizings = (
    st.builds(Fit, _sides, st.none() | _sides)
    | st.builds(Pad, _sides, _sides)
    | st.builds(Fill, _sides, _sides, _gravities)
    | st.builds(FullSize)
)
_shares = st.floats(0, 1)
_marks = st.builds(Watermark, st.binary(max_size=99), st.sampled_from(Compass), _shares, _shares, _shares)
_effects = st.builds(Effects, _shares, _shares, st.booleans(), st.none() | _marks)
_colours = st.from_regex("#[0-9a-f]{6}", fullmatch=True)


@st.composite
def _variants(draw: st.DrawFn) -> Variant:
    sizing, format = draw(_sizings), draw(st.sampled_from(FORMATS.writes))
    name = draw(st.just(sizing) | st.just(Preset("hero", "0123abcd")))
    return draw(
        st.builds(
            Variant,
            output=st.just(Output(name, format.extension, draw(st.none() | st.integers(1, 100)))),
            sizing=st.just(sizing),
            format=st.just(format),
            quality=st.integers(1, 100),
            background=_colours,
            progressive=st.sampled_from(["auto", True, False]),
            padding=st.none() | _colours,
            enlarge=st.booleans(),
            effort=st.none() | st.integers(0, 10),
            animation=st.sampled_from(["cut", "refuse"]),
            effects=st.just(NO_EFFECTS) | _effects,
        )
    )


@given(_variants())
def test_a_variant_survives_the_wire(variant: Variant) -> None:
    """What is decoded from JSON equals what was encoded."""
    assert decode_variant(json.loads(json.dumps(encode_variant(variant))), FORMATS) == variant
