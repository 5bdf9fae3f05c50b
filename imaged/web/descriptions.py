"""What clients read about an image: its record, and a row for each of its outputs."""

from __future__ import annotations

from collections.abc import Sequence

from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.pictures import ImageInfo
from imaged.core.signatures import signed_path
from imaged.pipeline.pipeline import Pipeline


async def describe_image(
    pipeline: Pipeline, image: ImageId, info: ImageInfo, outputs: Sequence[Output] = (), *, sign: bool = False
) -> dict[str, object]:
    """Return the record of an image, and the outputs that are stored, queued, or in `outputs`.

    `sign` is that of `describe_output`.
    """
    states = await pipeline.states(image, outputs)
    rows = [describe_output(pipeline, image, output, state, sign=sign) for output, state in states.items()]
    return pipeline.store.describe(info) | {"outputs": rows}


def describe_output(
    pipeline: Pipeline, image: ImageId, output: Output, state: str, *, sign: bool = False
) -> dict[str, object]:
    """Return the row of an output. With `sign`, its URL has a signature where the output is not public."""
    url, settings = f"/{pipeline.store.key(image, output.public)}", pipeline.settings
    keys = settings.access.signing_keys
    if sign and keys and not settings.policy(image.namespace).is_public(output):
        url = signed_path(keys[0], url)
    return {"name": str(output.public), "url": url, "state": state}
