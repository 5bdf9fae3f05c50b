"""A variant reaches a worker process as it was."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from imaged.core.effects import NO_EFFECTS, Effects, Watermark
from imaged.core.formats import FORMATS, JPEG
from imaged.core.gravities import Compass, FocalPoint
from imaged.core.outputs import Fill, Fit, FullSize, Output, Pad, Preset
from imaged.core.variants import Variant
from imaged.workers.wire_variants import decode_variants, encode_variants

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
def test_variants_survive_the_wire(variant: Variant) -> None:
    """What is decoded from JSON equals what was encoded, each with its own watermark."""
    marked = replace(variant, effects=Effects(watermark=Watermark(b"another")))
    variants = [marked, variant, marked]
    assert decode_variants(json.loads(json.dumps(encode_variants(variants))), FORMATS) == variants


def test_outputs_with_one_watermark_carry_it_once() -> None:
    """A hundred outputs of a preset cost the file of its watermark once."""
    body = bytes(1 << 20)
    effects = Effects(watermark=Watermark(body))
    variants = [
        Variant(Output(Preset("hero", "0123abcd"), "jpg", each), Fit(9), JPEG, each, "#ffffff", effects=effects)
        for each in range(1, 101)
    ]
    assert len(json.dumps(encode_variants(variants))) < 1.5 * len(body)
