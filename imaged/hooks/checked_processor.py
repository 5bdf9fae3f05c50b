"""A processor, held to its contract: nothing that it returns or raises goes further without being looked at."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from imaged.core.errors import ImagedError, StoreError
from imaged.core.formats import FORMATS, SNIFF_BYTES, Format, sniff
from imaged.core.geometry import Size, plan
from imaged.core.headers import read_size
from imaged.core.outputs import Output
from imaged.core.pictures import ImageFacts
from imaged.hooks.boundary import kind_of, plugin_boundary, refuse
from imaged.hooks.contracts import Processor, Rendered, RenderJob, VerifyingProcessor

QUICK_S = 5.0
"""How long `accepts` and the end of a render may take before the operator is told."""

IDENTIFY_S = 30.0
"""The same for `identify`: a header may lie at the end of a large file on a slow disk."""

GRACE_S = 5.0
"""How long after the end of its time a render may still give up by itself, before the operator is told and those who
wait are sent away."""

_END = object()


class CheckedProcessor:
    """Calls `processor`, whose name in the YAML file is `name`. Worker threads only.

    Each method raises PluginFailedError for what breaks the contract, with the plugin's name.
    """

    def __init__(self, name: str, processor: Processor) -> None:
        self.name = name
        self._processor: Any = processor  # whatever its types say

    def identify(self, source: Path) -> ImageFacts:
        """Return what the processor says of a picture."""
        called = self._called("identify")
        with plugin_boundary(called, IDENTIFY_S):
            facts = self._processor.identify(source)
            wrong = _find_wrong_facts(facts)
        if wrong:
            raise refuse(called, wrong)
        if _sniff_file(source) != facts.format:  # the original is going to be served as that
            raise refuse(called, f"it calls a file {facts.format.content_type} that does not begin like one")
        known: ImageFacts = facts
        return known

    def accepts(self, job: RenderJob) -> bool:
        """Return whether the processor renders such jobs."""
        called = self._called("accepts")
        with plugin_boundary(called, QUICK_S):
            accepts = self._processor.accepts(job)
        if not isinstance(accepts, bool):
            raise refuse(called, f"it returned {kind_of(accepts)}, not True or False")
        return accepts

    @property
    def verifies(self) -> bool:
        """Whether the processor looks at the pixels of originals before they are kept."""
        return isinstance(self._processor, VerifyingProcessor)

    def verify(self, job: RenderJob) -> None:
        """Raise what the processor has against an original."""
        called = self._called("verify")
        with plugin_boundary(called, job.timeout_s + GRACE_S):
            returned = self._processor.verify(job)
        if returned is not None:  # whoever says False has something against it, and a coroutine has not looked yet
            raise refuse(called, f"it returned {kind_of(returned)}, not None: say what is wrong by an error")

    def render(self, job: RenderJob) -> Generator[Rendered, None, None]:
        """Yield what the processor makes of a job: each output once, and all of them, in their own formats and sizes.

        The processor's generator is ended on this thread, where it may hold what no other thread may touch.
        """
        called = self._called(f"render of {_listed(job)}")
        within_s = job.timeout_s + GRACE_S
        with plugin_boundary(called, within_s):
            returned = self._processor.render(job)
            iterates = hasattr(returned, "__iter__")
            outputs = iter(returned) if iterates else iter(())
        if not iterates:
            raise refuse(called, f"it returned {kind_of(returned)}, not an iterator of Rendered")
        missing = {variant.output: None for variant in job.variants}
        try:
            while True:
                with plugin_boundary(called, within_s):
                    rendered = next(outputs, _END)
                if rendered is _END:
                    break
                with plugin_boundary(called, QUICK_S):  # to look at junk may run code of the plugin
                    wrong = _find_wrong(rendered, missing, job.facts.size)
                if wrong:
                    raise refuse(called, wrong)
                assert isinstance(rendered, Rendered)  # noqa: S101  # as has been seen
                del missing[rendered.output]
                yield rendered
        finally:
            self._end(outputs)
        if missing:
            raise refuse(called, f"it ended without {', '.join(map(str, missing))}")

    def _end(self, outputs: Iterator[object]) -> None:
        if isinstance(outputs, Generator):
            try:
                with plugin_boundary(self._called("the end of a render"), QUICK_S):
                    outputs.close()
            except ImagedError:
                return  # the log has been told, and what was rendered is good

    def _called(self, method: str) -> str:
        return f"processor {self.name}: {method}"


def _find_wrong_facts(facts: object) -> str | None:
    """Return what is wrong with what `identify` has returned, or None."""
    if not isinstance(facts, ImageFacts):
        return f"it returned {kind_of(facts)}, not ImageFacts"
    format: Any = facts.format
    if not isinstance(format, Format) or format not in FORMATS.values():
        return "the format of its facts is none that imaged knows"
    size: Any = facts.size
    if not isinstance(size, Size) or not all(map(_is_count, (size.width_px, size.height_px, facts.frames))):
        return "width, height and frames of its facts are not all whole numbers from 1"
    return None


def _sniff_file(source: Path) -> Format | None:
    try:
        with source.open("rb") as file:
            return sniff(file.read(SNIFF_BYTES))
    except OSError as error:
        raise StoreError(f"the picture cannot be read: {error.strerror}") from error


def _find_wrong(rendered: object, missing: dict[Output, None], original: Size) -> str | None:
    """Return what is wrong with one thing that a render has yielded, or None."""
    if not isinstance(rendered, Rendered):
        return f"it yielded {kind_of(rendered)}, not Rendered"
    output: Any = rendered.output
    if not isinstance(output, Output):
        return f"it yielded a Rendered of {kind_of(output)}, not of an Output"
    if output not in missing:
        return f"it yielded {output}, which was not asked for or has been there already"
    return _find_wrong_bytes(output, rendered.body, plan(original, output.sizing).size)


def _find_wrong_bytes(output: Output, body: object, planned: Size) -> str | None:
    if not isinstance(body, bytes):
        return f"{output} is {kind_of(body)}, not bytes"
    if not body:
        return f"{output} is empty"
    if (found := sniff(body[:SNIFF_BYTES])) != output.format:
        return f"{output} is {found.content_type if found else 'no picture that imaged knows'}"
    size = read_size(output.format, body)
    if size != planned:
        has = f"{_written(size)} pixels" if size else "no header that tells a size"
        return f"{output} has {has}, not the {_written(planned)} of its plan"
    return None


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def _listed(job: RenderJob) -> str:
    names = [str(variant.output) for variant in job.variants]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more" if names else "nothing"


def _written(size: Size) -> str:
    return f"{size.width_px}x{size.height_px}"
