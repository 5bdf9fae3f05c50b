"""Reduce a picture to the sizes of several outputs: the largest first, so that smaller ones can be made from it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack

from imaged.api import RESIZE, Plan, Size, Variant, span

from .filters import Filter
from .picture import Picture, translated
from .resizing import crop_and_resize


def reduced_stills(
    picture: Picture, variants: Sequence[Variant], original: Size, filter: Filter
) -> Generator[tuple[Variant, Picture], None, None]:
    """Yield each variant with its picture, cropped and resized, which the caller may change.

    `picture` is upright, and `original` is its full size. Variants of the same size, in different formats, share one
    resize. Once the rest can be made from a reduced picture, it replaces `picture` as their source.
    """
    plans = {variant: variant.plan(original) for variant in variants}
    ordered = sorted(variants, key=lambda variant: plans[variant].scaled.pixels, reverse=True)
    deadline, source = picture.deadline, picture
    with ExitStack() as sources, ExitStack() as last:
        made: Picture | None = None
        for number, variant in enumerate(ordered, 1):
            wanted, after = plans[variant], [plans[other] for other in ordered[number:]]
            if made is None:
                with span(RESIZE), translated(deadline, f"resizing to {variant.output}"):
                    made = last.enter_context(Picture(deadline, image=source))
                    crop_and_resize(made, wanted, filter)
            is_source = suffices(wanted, [other for other in after if other != wanted], filter)
            if wanted in after or is_source:
                with Picture(deadline, image=made) as still:
                    yield variant, still
            else:
                yield variant, made
            if after and after[0] != wanted:
                if is_source:
                    sources.close()
                    sources.push(last.pop_all())
                    source = made
                last.close()
                made = None


def suffices(made: Plan, rest: Sequence[Plan], filter: Filter) -> bool:
    """Return whether there are other plans, and a picture that one plan made is a good source for all of them."""
    if made.crops or not rest:
        return False
    return all(
        filter.reused * other.scaled.width_px <= made.scaled.width_px
        and filter.reused * other.scaled.height_px <= made.scaled.height_px
        for other in rest
    )
