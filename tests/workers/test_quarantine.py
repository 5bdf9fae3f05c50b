"""A picture that has killed a worker is refused for a while, and then no more."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from imaged.core.errors import ImagedError, NotAPictureError, OutOfTimeError, TooLargeError
from imaged.core.hashes import ImageHash
from imaged.workers.quarantine import MOST_PICTURES, REFUSED_FOR_S, Quarantine


def picture(number: int) -> ImageHash:
    """Return a hash."""
    return ImageHash(f"{number:032x}")


@pytest.mark.parametrize("error", [NotAPictureError("crashed"), TooLargeError("large"), OutOfTimeError("late")])
def test_a_picture_is_refused_with_its_error_for_a_while(error: ImagedError) -> None:
    """Each refusal is an error of its own: one object, raised often, would collect tracebacks."""
    clock = Clock()
    quarantine = Quarantine(clock.seconds)
    quarantine.put(picture(1), error)
    clock.advance(REFUSED_FOR_S - 1)
    refusals = [quarantine.refusal(picture(1)) for _ in range(2)]
    assert [(type(each), str(each)) for each in refusals] == 2 * [(type(error), str(error))]
    assert refusals[0] is not refusals[1]
    assert quarantine.refusal(picture(2)) is None
    clock.advance(1)
    assert quarantine.refusal(picture(1)) is None
    assert len(quarantine) == 0


def test_a_client_gets_the_time_to_come_again() -> None:
    """Retry-After is what is left of the while, a minute at most."""
    clock = Clock()
    quarantine = Quarantine(clock.seconds)
    quarantine.put(picture(1), OutOfTimeError("late"))
    seen = []
    for wait_s in (0, REFUSED_FOR_S - 30, 29):
        clock.advance(wait_s)
        refusal = quarantine.refusal(picture(1))
        assert isinstance(refusal, OutOfTimeError)
        seen.append(refusal.retry_after_s)
    assert seen == [60, 30, 1]


def test_refusals_that_are_over_are_not_counted() -> None:
    """The status shows how many pictures are refused now, though no client asks for the others again."""
    clock = Clock()
    quarantine = Quarantine(clock.seconds)
    quarantine.put(picture(1), NotAPictureError("crashed"))
    clock.advance(REFUSED_FOR_S / 2)
    quarantine.put(picture(2), NotAPictureError("crashed"))
    clock.advance(REFUSED_FOR_S / 2)
    assert len(quarantine) == 1


def test_the_memory_is_bounded() -> None:
    """The oldest picture is forgotten first; one that has killed a worker again is young."""
    quarantine = Quarantine(Clock().seconds)
    for number in range(MOST_PICTURES):
        quarantine.put(picture(number), NotAPictureError("crashed"))
    quarantine.put(picture(0), NotAPictureError("crashed"))
    quarantine.put(picture(MOST_PICTURES), NotAPictureError("crashed"))
    assert len(quarantine) == MOST_PICTURES
    assert quarantine.refusal(picture(0)) is not None
    assert quarantine.refusal(picture(1)) is None
