"""What a path of an origin is answered with, after any history, as a simple model says it."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_harness import PICTURE, PipelineHarness

from imaged.core.errors import ImagedError, NotFoundError, OriginFailedError, SourceFailedError
from imaged.pipeline.origins import NOT_THERE_S, RETRY_S
from imaged.store.local import LocalStore
from imaged.testing.pictures import make_png
from imaged.testing.waiting import wait

TTL_S = 100.0
YAML = "origins: {shop: {url: 'http://shop.example/media', namespace: p, ttl_s: 100}}"
PICTURES = {"a": PICTURE, "b": make_png(comment="b")}
NAMES = {hashlib.md5(body).hexdigest(): name for name, body in PICTURES.items()}


@dataclass
class Model:
    """What should be known of one path. `there` is what the origin has: a, b, nothing or an error."""

    there: str = "a"
    known: str | None = None
    checked_s: float = 0.0
    refusal: str = ""
    refused_until_s: float = 0.0
    asked: int = 0

    def ask(self, now_s: float) -> str:
        """Return the answer to a request, and note what it leads to."""
        refused = now_s < self.refused_until_s
        if self.known is None:
            return self.refusal if refused else self._fetch(now_s)
        answer = self.known
        if now_s - self.checked_s >= TTL_S and not refused:
            self._fetch(now_s)
        return answer

    def _fetch(self, now_s: float) -> str:
        self.asked += 1
        if self.there in PICTURES:
            self.known, self.checked_s = self.there, now_s
            return self.there
        lasts_s = NOT_THERE_S if self.there == "nothing" else RETRY_S
        self.refusal, self.refused_until_s = self.there, now_s + lasts_s
        if self.there == "nothing":
            self.known = None
        return self.there


class Daemon:
    """The pipeline, restarted on the same store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts = 0
        self.now_s = 0.0
        self.asked = 0
        self._harness: PipelineHarness | None = None
        self.restart()

    def restart(self) -> None:
        """Start again; only the store remains."""
        self.close()
        self._starts += 1
        home = self._folder / str(self._starts)
        home.mkdir()
        store = LocalStore(self._folder / "public", (3, 3))
        self._harness = PipelineHarness(home, YAML, remote=False, store=store)
        self._harness.reactor.advance(self.now_s)

    def close(self) -> None:
        """End the process."""
        if self._harness is not None:
            self.asked += len(self._harness.sources.urls)
            self._harness.queue.close()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        assert self._harness is not None
        self.now_s += seconds
        self._harness.reactor.advance(seconds)

    def ask(self, there: str) -> str:
        """Ask for the path while the origin has this; return the answer."""
        assert self._harness is not None
        sources = self._harness.sources
        sources.body = PICTURES.get(there, b"")
        sources.error = {"nothing": NotFoundError("404"), "error": SourceFailedError("away")}.get(there)
        try:
            found = wait(self._harness.pipeline.origins.find("p", "shop", "red.jpg"))
        except OriginFailedError:
            return "error"
        except NotFoundError:
            return "nothing"
        except ImagedError as error:
            return repr(error)
        return NAMES[str(found.image.hash)]


CHANGES = st.sampled_from(["", "", "", "a", "b", "nothing", "error", "restart"])
WAITS_S = st.sampled_from([0.0, 1.0, RETRY_S - 1, RETRY_S, NOT_THERE_S - 1, NOT_THERE_S, TTL_S - 1, TTL_S, 1e6])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CHANGES, WAITS_S), min_size=5, max_size=20))
def test_any_history_is_answered_as_the_model_says(steps: list[tuple[str, float]]) -> None:
    """Requests, restarts, time, and an origin that changes, loses its picture or fails; each costs what it should."""
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder))
        try:
            for change, wait_s in steps:
                if change == "restart":
                    daemon.restart()
                    model.refused_until_s = 0.0
                elif change:
                    model.there = change
                daemon.advance(wait_s)
                assert daemon.ask(model.there) == model.ask(daemon.now_s)
        finally:
            daemon.close()
        assert daemon.asked == model.asked
