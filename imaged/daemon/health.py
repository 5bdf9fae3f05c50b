"""Whether this daemon should be sent requests: it is not leaving, and some processor works."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.http import Request

from imaged.config.images import ImagePolicy
from imaged.core.errors import BusyError
from imaged.core.outputs import parse
from imaged.hooks.contracts import RenderJob, RenderTarget
from imaged.hooks.host import RunInThread
from imaged.pipeline.rendering import Renderer
from imaged.web.answers import send_text
from imaged.web.errors import send_error

PROBE_EVERY_S = 60.0
"""How often a processor is tried."""

PROBE_TIMEOUT_S = 10.0

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)
"""A grey PNG of one pixel."""


class Health:
    """What `/status_check` answers. `renderer` gives that of the current generation. Reactor thread only."""

    _log = Logger()

    def __init__(self, run: RunInThread, renderer: Callable[[], Renderer]) -> None:
        self._run = run
        self._renderer = renderer
        self._works = True
        self.draining = False
        self.refuses_from_s = math.inf

    @property
    def message(self) -> str:
        """`OK`, or why not."""
        if self.draining:
            return "draining"
        return "OK" if self._works else "no processor works"

    def send(self, request: Request) -> None:
        """Answer 200 `OK`, or 503 and the reason."""
        if self.message == "OK":
            send_text(request, "OK")
        else:
            send_error(request, BusyError(self.message, retry_after_s=30))

    def admit(self, began_s: float) -> None:
        """Raise BusyError for a request that began after `refuses_from_s`: this process leaves, and nobody follows."""
        if began_s >= self.refuses_from_s:
            raise BusyError("this server is leaving: ask again", retry_after_s=5)

    def probe(self) -> Deferred[None]:
        """Try the processors; the Deferred never fails."""
        return Deferred.fromCoroutine(self._probe())

    async def _probe(self) -> None:
        try:
            await self._run(render_pixel, self._renderer())
        except BusyError:
            return  # it works, only not now: one hostile picture must not take the daemon out of its balancer
        except Exception:  # whatever a processor raises on a picture that is good
            if self._works:
                self._log.failure("no processor works: the health check answers 503 until one does")
            self._works = False
        else:
            self._works = True


def render_pixel(renderer: Renderer) -> None:
    """Render one pixel with the processor that would get it. Blocking; raises whatever goes wrong."""
    target = RenderTarget(parse("x1.jpg"), ImagePolicy().default_quality, ImagePolicy().background)
    with tempfile.NamedTemporaryFile(prefix="imaged-probe-") as file:
        file.write(PIXEL)
        file.flush()
        facts = renderer.identify(Path(file.name))
        job = RenderJob(Path(file.name), facts, (target,), PROBE_TIMEOUT_S, renderer.maximum_pixels)
        list(renderer.choose(job).render(job))
