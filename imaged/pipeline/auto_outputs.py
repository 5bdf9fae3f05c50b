"""What a client gets that requests an output with the extension `auto`."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.accept import Accept
from imaged.core.clients import NO_CHARGE, Charge
from imaged.core.errors import BusyError, ImagedError, OutOfTimeError, PolicyError
from imaged.core.formats import AVIF, Format
from imaged.core.hashes import ImageId
from imaged.core.negotiation import Candidates, in_format
from imaged.core.outputs import Output
from imaged.core.pictures import ImageInfo
from imaged.core.tracing import HIT
from imaged.pipeline.pipeline import Pipeline
from imaged.store.disk import FileBody, OpenFile
from imaged.workers.render_jobs import ImageOutput


@dataclass(frozen=True)
class AutoAnswer:
    """What a client gets: a file of the format that its `Accept` header chose, or one that stands in for it.

    `stands_in` says that the file of the chosen format may be made later, and be better. `is_final` says whether later
    requests to this generation that choose the same format get the same output.
    """

    candidates: Candidates
    chosen: Format
    output: Output
    file: OpenFile | FileBody
    outcome: str
    stands_in: bool
    is_final: bool


async def auto_output(
    pipeline: Pipeline, image: ImageId, output: Output, accept: Accept, charge: Charge = NO_CHARGE
) -> AutoAnswer:
    """Return an output in the format that a client prefers, as `Pipeline.output` does.

    Where that is AVIF, the next best format is rendered in the same job: the client gets the smaller file of the two,
    or the other one when the AVIF is too slow or fails.
    """
    pipeline.settings.policy(image.namespace).check(output)
    found = pipeline.auto.candidates(image, output, await _info(pipeline, image, charge))
    chosen, second = found.choose(accept), found.without(AVIF).choose(accept)
    given_up, avif = pipeline.auto.given_up, ImageOutput(image, in_format(output, chosen))
    if chosen == second or avif in given_up:
        made, made_now = in_format(output, second), None
    else:
        made, made_now = await _smaller(pipeline, avif, in_format(output, second), charge)
    file, outcome = made_now or await pipeline.output(image, made, charge)
    stands_in = chosen != second and made != avif.output and not pipeline.has(image, avif.output)
    return AutoAnswer(found, chosen, made, file, outcome, stands_in, is_final=not stands_in or avif in given_up)


async def _smaller(
    pipeline: Pipeline, avif: ImageOutput, other: Output, charge: Charge
) -> tuple[Output, tuple[OpenFile | FileBody, str] | None]:
    """Return the smaller of two outputs of an image with its file and outcome.

    Return `other` alone if there is no room for two, or if both are gone. The AVIF is given up when it misses its
    deadline, or fails as it would again. Raises the error of `other` when both have failed.
    """
    image, pair, outcome = avif.image, (other, avif.output), HIT  # the AVIF last: it may be late
    missing = [each for each in pair if not pipeline.has(image, each)]
    made: dict[Output, FileBody | ImagedError | None] = {}
    if missing:
        try:
            made, outcome = await pipeline.several_outputs(image, missing, charge)
        except (BusyError, PolicyError):
            return other, None
    error = made.get(avif.output)
    if isinstance(error, ImagedError) and (isinstance(error, OutOfTimeError) or not error.transient):
        pipeline.auto.given_up.add(avif)
    files: dict[Output, OpenFile | FileBody] = {}
    for each in pair:
        result = made.get(each)
        file = result if isinstance(result, FileBody) else pipeline.stored(image, each)
        if file is not None:
            files[each] = file
    best = min(files, key=lambda each: (files[each].size_bytes, each == other), default=None)
    for each, file in files.items():
        if each != best and isinstance(file, OpenFile):
            file.file.close()
    if best is None and isinstance(error := made.get(other), ImagedError):
        raise error.with_traceback(None)  # several requests may raise this one error
    return (other, None) if best is None else (best, (files[best], outcome))


async def _info(pipeline: Pipeline, image: ImageId, charge: Charge) -> ImageInfo:
    """Return the record of a picture. An older one has to do where its details cannot be found now."""
    known = pipeline.store.originals.info(image)
    if known is not None and known.details is not None:
        return known
    try:
        return await pipeline.originals.described(image, charge)
    except ImagedError:
        if known is None:
            raise
        return known
