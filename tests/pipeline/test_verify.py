"""An original whose pixels a processor finds missing is refused before anything of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kitchen import IMAGE, PICTURE, Kitchen
from twisted.internet.defer import Deferred

from imaged.core.errors import BusyError, NotAPictureError
from imaged.hooks.contracts import RenderJob
from imaged.testing.fakes import StillProcessor
from imaged.testing.waiting import wait


class Verifier(StillProcessor):
    """Remembers the jobs that it verifies, and raises `refusal` when it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.verified: list[RenderJob] = []
        self.refusal: Exception | None = None

    def accepts(self, job: RenderJob) -> bool:
        """Take any job."""
        return bool(job.facts)

    def verify(self, job: RenderJob) -> None:
        """Refuse, or not."""
        self.verified.append(job)
        if self.refusal is not None:
            raise self.refusal


@pytest.fixture
def verifier() -> Verifier:
    """Return a processor that verifies."""
    return Verifier()


@pytest.fixture
def kitchen(make_kitchen: Callable[..., Kitchen], verifier: Verifier) -> Kitchen:
    """Return a pipeline with that processor, whose queue has no places."""
    return make_kitchen("render: {queue: 0}", processor=verifier)


def post(kitchen: Kitchen) -> Any:
    """Post the picture."""
    return wait(kitchen.acquire.from_body("p", [PICTURE]))


def test_an_original_is_verified_once(kitchen: Kitchen, verifier: Verifier) -> None:
    """The job has no targets; what is there already is not decoded again."""
    post(kitchen)
    post(kitchen)
    assert [job.targets for job in verifier.verified] == [()]


def test_what_cannot_be_rendered_is_not_kept(kitchen: Kitchen, verifier: Verifier) -> None:
    """Neither here nor in the remote store is anything left of it."""
    verifier.refusal = NotAPictureError("pixels are missing")
    with pytest.raises(NotAPictureError, match="pixels are missing"):
        post(kitchen)
    assert not kitchen.store.has(IMAGE, "original")
    assert kitchen.uploader.files == {}
    assert kitchen.temporaries == []


def test_verifying_takes_a_render_thread(kitchen: Kitchen, verifier: Verifier) -> None:
    """While all are busy and nobody may wait the original is refused as any render would be."""
    kitchen.threads.held = True
    Deferred.fromCoroutine(kitchen.acquire.from_body("p", [PICTURE]))
    assert (kitchen.pool.busy, kitchen.threads.waiting) == (1, 1)
    with pytest.raises(BusyError):
        wait(kitchen.acquire.from_body("q", [PICTURE]))
    kitchen.threads.step()
    assert kitchen.pool.busy == 0
    assert len(verifier.verified) == 1
    assert kitchen.store.has(IMAGE, "original")


def test_others_need_no_thread(make_kitchen: Callable[..., Kitchen]) -> None:
    """A processor that does not verify is asked for its header alone, while all render threads are busy."""
    kitchen = make_kitchen()
    kitchen.threads.held = True
    post(kitchen)
    assert kitchen.store.has(IMAGE, "original")
