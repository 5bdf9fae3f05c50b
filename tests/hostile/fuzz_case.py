"""One case of the fuzzer: a mutated picture and what is asked of it, made by a number; and how a processor ends it."""

from __future__ import annotations

import ctypes
import resource
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from installed_processors import ENDINGS, variants
from mutation import mutate

from imaged.core.errors import NotAPictureError
from imaged.core.variants import Variant
from imaged.workers.processors import Ended, Processors, run_identify, run_render, run_verify
from imaged.workers.render_jobs import RenderedVariant

TIMEOUT_S = 5.0
"""The time of a render; one that computes for more than a second longer is a finding."""

MAXIMUM_PIXELS = 1_000_000
MEMORY_BYTES = 2**29
"""More resident memory is a finding: a picture of MAXIMUM_PIXELS takes 8 MB, and three are in memory at once."""

_OUTPUTS = (
    "x300.jpg", "w100.webp", "x50.gif", "full_size.png", "full_size.jpg", "full_size.gif", "full_size.webp", "w7.png",
    "1x9.gif", "30x20.jpg", "x3.webp", "w900-q1.webp", "w40-q100.jpg",
)  # fmt: skip
_PERTURB, _ONE_FILLING, _OTHER_FILLING = -6, 0x55, 0xAA  # mallopt(3)


@dataclass(frozen=True)
class Case:
    """A picture, the outputs that are asked of it, and whether they are rendered twice and compared."""

    body: bytes
    outputs: Sequence[str]
    twice: bool


@dataclass(frozen=True)
class Finding:
    """What went wrong at a step, in a word, and the details."""

    kind: str
    step: str
    details: str


def make_case(seed: int, number: int, pictures: Mapping[str, bytes]) -> Case:
    """Return a case: always the same for a seed, a number and the same pictures."""
    random = Random(f"{seed} {number}")
    bodies = list(pictures.values())
    body = mutate(random, random.choice(bodies), bodies)
    return Case(body, random.sample(_OUTPUTS, random.choice((1, 1, 2, 3))), random.random() < 0.3)


class CaseRunner:
    """Runs cases through the code of a worker. `begin` is called with the name of each step, before it."""

    def __init__(self, processors: Processors, folder: Path, begin: Callable[[str], None]) -> None:
        self._processors = Processors(processors.processors, MAXIMUM_PIXELS, processors.formats)
        self._source = folder / "original"
        self._begin = begin
        self._mallopt = getattr(ctypes.CDLL(None), "mallopt", None)

    def run(self, case: Case) -> Iterator[Finding]:
        """Yield what goes wrong."""
        self._source.write_bytes(case.body)
        error = yield from self._step("identify", lambda: run_identify(self._processors, self._source)[1])
        if error is None:
            error = yield from self._step("verify", self._verify)
        for variant in variants(self._processors, *case.outputs) if error is None else ():
            bodies = []
            for filling in (_ONE_FILLING, _OTHER_FILLING) if case.twice else (0,):
                if self._mallopt:
                    self._mallopt(_PERTURB, filling)
                body: list[bytes] = []
                error = yield from self._step(str(variant.output), lambda v=variant, b=body: self._render(v, b))
                bodies.append(body)
                if isinstance(error, NotAPictureError) and self._processors.verifies:
                    yield Finding("accepted", str(variant.output), f"it was verified before: {error}")
            if len(bodies) > 1 and bodies[0] and bodies[1] and bodies[0] != bodies[1]:
                yield Finding("unequal", str(variant.output), "two renders differ: they show uninitialised memory")

    def _verify(self) -> Ended:
        return run_verify(self._processors, self._source, TIMEOUT_S, None)[1]

    def _render(self, variant: Variant, body: list[bytes]) -> Ended:
        def emit(rendered: RenderedVariant) -> bool:
            body.append(rendered.body)
            return True

        return run_render(self._processors, self._source, [variant], TIMEOUT_S, None, emit)

    def _step(self, step: str, work: Callable[[], Ended]) -> Generator[Finding, None, BaseException | None]:
        """Do one thing; yield what goes wrong, and return the error that it ended with."""
        self._begin(step)
        before_bytes, began_s = _peak_bytes(), time.process_time()
        error: BaseException | None
        try:
            error = work().error
        except Exception as raised:  # a defect, which this looks for
            error = raised
        if error is not None and not isinstance(error, ENDINGS):
            yield Finding("error", step, "".join(traceback.format_exception(error))[-3000:])
        elif error is not None and not str(error):
            yield Finding("silent", step, f"{type(error).__name__} has no message")
        if (used_s := time.process_time() - began_s) > TIMEOUT_S + 1:
            yield Finding("slow", step, f"it computed for {used_s:.1f} s, with a limit of {TIMEOUT_S:g} s")
        if (peak_bytes := _peak_bytes()) > max(MEMORY_BYTES, before_bytes):
            yield Finding("memory", step, f"{peak_bytes >> 20} MiB were resident")
        return error


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
