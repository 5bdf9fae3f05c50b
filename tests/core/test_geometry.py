"""No output is empty, needlessly enlarged, or distorted by more than rounding."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.geometry import Plan, Size, Step, plan, steps
from imaged.core.gravities import Compass, FocalPoint
from imaged.core.outputs import Fill, Fit, FullSize, Pad, Sizing

sides = st.integers(1, 70_000) | st.integers(1, 12) | st.integers(1, 10**18)
sizes = st.builds(Size, sides, sides)
fits = st.builds(Fit, sides)
boxes = st.builds(Fit, sides, sides) | st.builds(Fit, st.none(), sides)
percents = st.integers(0, 100)
fills = st.builds(Fill, sides, sides)

KNOWN: list[tuple[tuple[int, int], Sizing, tuple[int, int], tuple[int, int], tuple[int, int]]] = [
    ((400, 520), Fit(200), (200, 260), (200, 260), (0, 0)),
    ((400, 520), Fit(1000), (400, 520), (400, 520), (0, 0)),
    ((3, 2), Fit(2), (2, 1), (2, 1), (0, 0)),
    ((2, 3), Fit(1), (1, 2), (1, 2), (0, 0)),
    ((10_000, 1), Fit(100), (100, 1), (100, 1), (0, 0)),
    ((400, 520), Fill(300, 300), (300, 390), (300, 300), (0, 45)),
    ((520, 400), Fill(300, 300), (390, 300), (300, 300), (45, 0)),
    ((10, 10), Fill(300, 400), (400, 400), (300, 400), (50, 0)),
    ((401, 300), Fill(300, 300), (401, 300), (300, 300), (50, 0)),
    ((400, 520), FullSize(), (400, 520), (400, 520), (0, 0)),
    ((400, 520), Fit(None, 260), (200, 260), (200, 260), (0, 0)),
    ((400, 520), Fit(None, 600), (400, 520), (400, 520), (0, 0)),
    ((1, 10_000), Fit(None, 100), (1, 100), (1, 100), (0, 0)),
    ((400, 520), Fit(200, 130), (100, 130), (100, 130), (0, 0)),
    ((400, 520), Fit(100, 400), (100, 130), (100, 130), (0, 0)),
    ((400, 520), Fit(800, 800), (400, 520), (400, 520), (0, 0)),
    ((400, 520), Pad(200, 200), (154, 200), (200, 200), (-23, 0)),
    ((40, 20), Pad(101, 60), (40, 20), (101, 60), (-30, -20)),
    ((400, 520), Fill(300, 300, Compass.NORTH), (300, 390), (300, 300), (0, 0)),
    ((400, 520), Fill(300, 300, Compass.SOUTH_EAST), (300, 390), (300, 300), (0, 90)),
    ((401, 300), Fill(300, 300, Compass.CENTRE), (401, 300), (300, 300), (50, 0)),
    ((400, 520), Fill(300, 300, FocalPoint(0, 50)), (300, 390), (300, 300), (0, 45)),
    ((400, 520), Fill(300, 300, FocalPoint(50, 45)), (300, 390), (300, 300), (0, 25)),
    ((400, 520), Fill(300, 300, FocalPoint(0, 100)), (300, 390), (300, 300), (0, 90)),
]


@pytest.mark.parametrize(("original", "sizing", "scaled", "size", "corner"), KNOWN)
def test_known_plans(
    original: tuple[int, int],
    sizing: Sizing,
    scaled: tuple[int, int],
    size: tuple[int, int],
    corner: tuple[int, int],
) -> None:
    """Halves are rounded up, and a crop is even, with the odd pixel cut on the right or below."""
    assert plan(Size(*original), sizing) == Plan(Size(*scaled), Size(*size), *corner)


@given(sizes, fits)
def test_fit_never_enlarges(original: Size, fit: Fit) -> None:
    """Neither side grows, and the width is the requested one if the original is wide enough."""
    made = plan(original, fit)
    assert made.size.width_px == min(fit.width_px or 0, original.width_px)
    assert made.size.height_px <= original.height_px
    assert not made.crops


@given(sizes, fits)
def test_fit_keeps_the_aspect(original: Size, fit: Fit) -> None:
    """The height is less than one pixel off the exact one, and at most half a pixel where that is not below one."""
    made = plan(original, fit)
    exact_px = Fraction(original.height_px * made.size.width_px, original.width_px)
    assert abs(made.size.height_px - exact_px) <= (Fraction(1, 2) if exact_px >= 1 else 1)


@given(sizes, boxes)
def test_a_box_holds_the_picture(original: Size, box: Fit) -> None:
    """Neither side is longer than the box or the original, and one side is as long as it may be."""
    size = plan(original, box).size
    width_px = min(box.width_px or original.width_px, original.width_px)
    height_px = min(box.height_px or original.height_px, original.height_px)
    assert size.width_px <= width_px
    assert size.height_px <= height_px
    assert size.width_px == width_px or size.height_px == height_px


@given(sizes, st.builds(Pad, sides, sides))
def test_padding_is_even(original: Size, pad: Pad) -> None:
    """The output has the size of the box, with the picture that fits in its middle."""
    made = plan(original, pad)
    assert made.size == Size(pad.width_px, pad.height_px)
    assert made.scaled == plan(original, Fit(pad.width_px, pad.height_px)).size
    assert not made.crops
    assert made.pads == (made.size != made.scaled)
    assert 0 <= made.size.width_px - made.scaled.width_px + 2 * made.left_px <= 1
    assert 0 <= made.size.height_px - made.scaled.height_px + 2 * made.top_px <= 1


@given(sizes, sides, sides, st.sampled_from(Compass) | st.builds(FocalPoint, percents, percents))
def test_a_gravity_moves_the_box_within_the_picture(
    original: Size, width_px: int, height_px: int, gravity: Compass | FocalPoint
) -> None:
    """The scale is that of the centre crop. The box is at the sides that a compass names, or around a focal point."""
    made, centred = plan(original, Fill(width_px, height_px, gravity)), plan(original, Fill(width_px, height_px))
    assert (made.scaled, made.size) == (centred.scaled, centred.size)
    right_px = made.scaled.width_px - made.left_px - width_px
    bottom_px = made.scaled.height_px - made.top_px - height_px
    assert min(made.left_px, made.top_px, right_px, bottom_px) >= 0
    if isinstance(gravity, Compass) and gravity is not Compass.CENTRE:
        gaps = {"n": made.top_px, "s": bottom_px, "w": made.left_px, "e": right_px}
        assert all(gaps[side] == 0 for side in gravity)
    if isinstance(gravity, FocalPoint):
        for length_px, at_px, kept_px, percent in (
            (made.scaled.width_px, made.left_px, width_px, gravity.x_percent),
            (made.scaled.height_px, made.top_px, height_px, gravity.y_percent),
        ):
            off_px = Fraction(length_px * percent, 100) - Fraction(2 * at_px + kept_px, 2)
            assert abs(off_px) <= 1 or (at_px == 0 and off_px < 0) or (at_px == length_px - kept_px and off_px > 0)


@given(sizes, sides, sides)
def test_nothing_is_enlarged_where_that_is_forbidden(original: Size, width_px: int, height_px: int) -> None:
    """The box keeps its aspect and shrinks until the original fills it; a smaller box keeps its size."""
    box = Fill(width_px, height_px)
    made = plan(original, box, enlarge=False)
    assert made.scaled.within(original, 1)
    if plan(original, box).scaled.within(original, 1):
        assert made == plan(original, box)
    else:
        assert made.size.width_px == original.width_px or made.size.height_px == original.height_px
        assert made.size == plan(Size(width_px, height_px), Fit(original.width_px, original.height_px)).size


@given(sizes, fills)
def test_fill_is_exact(original: Size, fill: Fill) -> None:
    """The output has the size in its name, whatever the size of the original."""
    assert plan(original, fill).size == Size(fill.width_px, fill.height_px)


@given(sizes, fills)
def test_the_scaled_picture_covers_the_box(original: Size, fill: Fill) -> None:
    """One side matches exactly and no side is too short, so that the box is full."""
    made = plan(original, fill)
    assert made.scaled.width_px >= fill.width_px
    assert made.scaled.height_px >= fill.height_px
    assert made.scaled.width_px == fill.width_px or made.scaled.height_px == fill.height_px


@given(sizes, fills)
def test_the_box_is_in_the_middle_of_the_scaled_picture(original: Size, fill: Fill) -> None:
    """The box lies inside, and the cuts at opposite sides differ by one pixel at most."""
    made = plan(original, fill)
    right_px = made.scaled.width_px - made.left_px - made.size.width_px
    bottom_px = made.scaled.height_px - made.top_px - made.size.height_px
    assert min(made.left_px, made.top_px, right_px, bottom_px) >= 0
    assert 0 <= right_px - made.left_px <= 1
    assert 0 <= bottom_px - made.top_px <= 1


@given(sizes, fills)
def test_fill_keeps_the_aspect(original: Size, fill: Fill) -> None:
    """Before the crop, given one side, the other is at most half a pixel off the exact one."""
    scaled = plan(original, fill).scaled
    off_wide_px = scaled.width_px - Fraction(original.width_px * scaled.height_px, original.height_px)
    off_high_px = scaled.height_px - Fraction(original.height_px * scaled.width_px, original.width_px)
    assert min(abs(off_wide_px), abs(off_high_px)) <= Fraction(1, 2)


seen_sides = st.integers(1, 70_000) | st.integers(1, 12)
"""Sides of real pictures."""


@st.composite
def crops(draw: st.DrawFn) -> tuple[Plan, Size]:
    """Return a plan that keeps any box of the scaled picture, and the size of the decoded picture."""
    original = Size(draw(seen_sides), draw(seen_sides))
    scaled = plan(original, Fill(draw(seen_sides), draw(seen_sides))).scaled
    left_px, top_px = (draw(st.integers(0, side_px - 1)) for side_px in (scaled.width_px, scaled.height_px))
    width_px, height_px = (
        draw(st.integers(1, side_px - at_px))
        for side_px, at_px in ((scaled.width_px, left_px), (scaled.height_px, top_px))
    )
    if not original.within(scaled, 2):  # a decoder may shrink to no less than twice what is needed
        original = Size(
            draw(st.integers(min(2 * scaled.width_px, original.width_px), original.width_px)),
            draw(st.integers(min(2 * scaled.height_px, original.height_px), original.height_px)),
        )
    return Plan(scaled, Size(width_px, height_px), left_px, top_px), original


@given(crops())
def test_each_step_cuts_what_is_there(crop: tuple[Plan, Size]) -> None:
    """Every box lies in the picture of the step before, and the last picture is the box of the plan."""
    wanted, current = crop
    for step in steps(*crop):
        assert min(step.left_px, step.top_px) >= 0
        assert step.left_px + step.cut.width_px <= current.width_px
        assert step.top_px + step.cut.height_px <= current.height_px
        current = step.scaled
    assert current == wanted.size


@given(crops())
def test_no_picture_on_the_way_is_much_larger_than_what_is_kept(crop: tuple[Plan, Size]) -> None:
    """A step keeps the pixels that the filter reads; the whole picture is scaled only if it does not grow."""
    wanted, decoded = crop
    kept = wanted.size
    for step in steps(*crop):
        if step.scaled == wanted.scaled and step.scaled.pixels <= decoded.pixels:
            continue
        assert step.scaled.width_px <= kept.width_px + 300
        assert step.scaled.height_px <= kept.height_px + 300


@given(crops())
def test_what_is_kept_lies_where_it_would_without_the_cuts(crop: tuple[Plan, Size]) -> None:
    """Every pixel shows the same place as in the scaled whole picture, within half a pixel."""
    wanted, decoded = crop
    made = steps(*crop)
    for at_px, kept_px, whole_px, given_px, cuts in (
        (
            wanted.left_px,
            wanted.size.width_px,
            wanted.scaled.width_px,
            decoded.width_px,
            [_across(each) for each in made],
        ),
        (
            wanted.top_px,
            wanted.size.height_px,
            wanted.scaled.height_px,
            decoded.height_px,
            [_down(each) for each in made],
        ),
    ):
        for place_px in (0, kept_px):
            found = Fraction(place_px)
            for start_px, cut_px, scaled_px in reversed(cuts):
                found = start_px + found * cut_px / scaled_px
            off_px = abs(found * whole_px / given_px - at_px - place_px)
            assert off_px <= Fraction(1, 2)


def _across(step: Step) -> tuple[int, int, int]:
    return step.left_px, step.cut.width_px, step.scaled.width_px


def _down(step: Step) -> tuple[int, int, int]:
    return step.top_px, step.cut.height_px, step.scaled.height_px


def test_the_middle_of_a_photograph() -> None:
    """Nine tenths of the picture are cut off before scaling, and the cut is where pixels of both pictures end."""
    made = plan(Size(4000, 3000), Fill(1000, 10_000))
    assert made.scaled == Size(13_333, 10_000)
    assert steps(made, Size(4000, 3000)) == (
        Step(1839, 0, Size(322, 3000), Size(1073, 10_000)),
        Step(36, 0, Size(1000, 10_000), Size(1000, 10_000)),
    )


@given(sizes)
def test_the_own_size_changes_nothing(original: Size) -> None:
    """`full_size`, a fit to the same width and a fill of the same size move no pixel."""
    whole = Plan(original, original)
    for sizing in (FullSize(), Fit(original.width_px), Fill(original.width_px, original.height_px)):
        assert plan(original, sizing) == whole


@given(st.integers(max_value=0), sides)
def test_no_size_is_empty(none_px: int, some_px: int) -> None:
    """A Size without pixels raises ValueError."""
    for sides_px in ((none_px, some_px), (some_px, none_px), (none_px, none_px)):
        with pytest.raises(ValueError, match="has no pixels"):
            Size(*sides_px)


def test_pixels_are_width_times_height() -> None:
    """They are those of one frame."""
    assert Size(400, 520).pixels == 208_000
