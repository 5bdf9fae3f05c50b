"""The pipeline of one generation, as whoever asks for pictures sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imaged.config.model import Settings
from imaged.core.errors import ImagedError
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output, parse
from imaged.jobs.promises import Promises
from imaged.metrics import Metrics
from imaged.pipeline.acquire import Acquire
from imaged.pipeline.originals import Originals
from imaged.pipeline.produce import Produce
from imaged.pipeline.remote import Remote
from imaged.pipeline.render_pool import RenderPool
from imaged.store.local import LocalStore


@dataclass(frozen=True, repr=False)
class Pipeline:
    """Its parts, and what takes several of them. Reactor thread only."""

    settings: Settings
    store: LocalStore
    originals: Originals
    acquire: Acquire
    produce: Produce
    remote: Remote
    pool: RenderPool
    promises: Promises
    metrics: Metrics

    def outputs(self, namespace: str, names: Sequence[str]) -> list[Output]:
        """Read the outputs asked for, each once, with those that the namespace has made for every image.

        Raises NotFoundError for what is no output, NotAllowedError for what the namespace does not allow.
        """
        policy = self.settings.policy(namespace)
        outputs = list(dict.fromkeys([*policy.outputs, *map(parse, names)]))
        for output in outputs:
            policy.check(output)
        return outputs

    async def promise(self, image: ImageId, outputs: Sequence[Output]) -> None:
        """Put the outputs that the store misses into the durable queue."""
        missing = [str(output) for output in outputs if not self.store.has(image, str(output))]
        await self.promises.owe("render", image, missing)

    async def states(self, image: ImageId, outputs: Sequence[Output] = ()) -> dict[str, str]:
        """Return `ready`, `pending` or `failed` for each output of an image that is there, owed, or asked about."""
        owed = await self.promises.states(image)
        ready = dict.fromkeys(map(str, self.store.outputs(image)), "ready")
        return {**dict.fromkeys(map(str, outputs), "pending"), **owed, **ready}

    async def perform_renders(self, image: ImageId, names: Sequence[str]) -> dict[str, ImagedError | None]:
        """Make outputs that the queue owes."""
        results = await self.produce.several(image, [parse(name) for name in names])
        return {str(output): error for output, error in results.items()}

    async def perform_uploads(self, image: ImageId, names: Sequence[str]) -> dict[str, ImagedError | None]:
        """Upload outputs that the queue owes."""
        results: dict[str, ImagedError | None] = {}
        for name in names:
            try:
                await self.remote.upload(image, name, parse(name).format.content_type)
                results[name] = None
            except ImagedError as error:
                results[name] = error
        return results
