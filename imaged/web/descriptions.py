"""What clients read about an image: its record, and a row for each of its outputs."""

from __future__ import annotations

from collections.abc import Sequence

from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.pictures import ImageInfo
from imaged.pipeline.pipeline import Pipeline


async def describe_image(
    pipeline: Pipeline, image: ImageId, info: ImageInfo, outputs: Sequence[Output] = ()
) -> dict[str, object]:
    """Return the record of an image, and the outputs that are stored, queued, or in `outputs`."""
    states = await pipeline.states(image, outputs)
    rows = [describe_output(pipeline, image, output, state) for output, state in states.items()]
    return pipeline.store.describe(info) | {"outputs": rows}


def describe_output(pipeline: Pipeline, image: ImageId, output: Output, state: str) -> dict[str, object]:
    """Return the row of an output."""
    return {"name": str(output.public), "url": f"/{pipeline.store.key(image, output.public)}", "state": state}
