"""The pipeline of one generation: give an output, make several, run queued jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from imaged.config.model import Settings
from imaged.core.clients import NO_CHARGE, Charge
from imaged.core.errors import (
    DiskFullError,
    GoneError,
    ImagedError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from imaged.core.files import ImageFile, Original
from imaged.core.formats import Formats
from imaged.core.hashes import ImageId
from imaged.core.outputs import AUTO, Output
from imaged.core.pictures import ImageInfo
from imaged.core.tracing import HIT
from imaged.hooks.metrics import Metrics
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.pipeline.auto_formats import AutoFormats
from imaged.pipeline.erase import Eraser
from imaged.pipeline.ingest import Ingest
from imaged.pipeline.originals import Originals
from imaged.pipeline.origins import Origins
from imaged.pipeline.other_nodes import OtherNodes
from imaged.pipeline.purges import Purges
from imaged.pipeline.remote import Remote
from imaged.pipeline.renders import Renders
from imaged.store.disk import FileBody, OpenFile
from imaged.store.local import LocalStore
from imaged.workers.engine import Engine
from imaged.workers.tasks import Tasks

ORIGINS = "origins"
"""The client of renders that new pictures of origins order: they share what one client may enqueue."""


@dataclass(frozen=True, repr=False, kw_only=True)
class Pipeline:
    """The parts of a generation, and the operations that take several of them. Reactor thread only."""

    settings: Settings
    store: LocalStore
    originals: Originals
    ingest: Ingest
    origins: Origins
    renders: Renders
    remote: Remote
    eraser: Eraser
    other_nodes: OtherNodes
    purges: Purges
    engine: Engine
    jobs: AsyncJobQueue
    metrics: Metrics
    tasks: Tasks
    formats: Formats
    auto: AutoFormats

    def outputs(self, namespace: str, named: Iterable[Output]) -> list[Output]:
        """Return the outputs that the namespace makes of every image and the `named` ones, each once.

        Raises PolicyError for an output that the namespace does not allow.
        """
        policy = self.settings.policy(namespace)
        outputs = list(dict.fromkeys([*policy.outputs, *named]))
        for output in outputs:
            policy.check(output)
            if output.extension == AUTO:
                self.auto.check(namespace)
        return list(map(policy.current, outputs))

    async def output(
        self, image: ImageId, output: Output, charge: Charge = NO_CHARGE
    ) -> tuple[OpenFile | FileBody, str]:
        """Return an output, rendered now if the store misses it, with HIT, RENDERED or COALESCED.

        It is a file of the store, or a body that is not stored yet. `charge` counts the render that the request begins.

        Raises PolicyError when the namespace does not allow it, otherwise as `Renders.one`.
        """
        self.settings.policy(image.namespace).check(output)
        if (stored := self.stored(image, output)) is not None:
            return stored, HIT
        self.renders.check_room(image, [output])  # a refusal looks into no folder
        self._check_count(image, [output])
        body, outcome = await self.renders.one(image, output, charge)
        made = body or self.store.variants.open(image, output)
        if made is None:
            raise StoreError(f"{output} was copied from the remote store but is not in the local one: ask again")
        return made, outcome

    def stored(self, image: ImageId, output: Output) -> OpenFile | FileBody | None:
        """Return an output that the store has, or that is not stored yet, or None."""
        unsaved = self.renders.unsaved(image, output)
        return self.store.variants.open(image, output) if unsaved is None else unsaved

    def check_store(self, namespace: str) -> None:
        """Raise DiskFullError or ReadOnlyError while the store takes no files of a namespace."""
        self.renders.shared.counters.saves.check(namespace)

    def has(self, image: ImageId, output: Output) -> bool:
        """Return whether `stored` would return an output."""
        return self.renders.unsaved(image, output) is not None or self.store.has(image, output)

    async def several_outputs(
        self, image: ImageId, missing: Sequence[Output], charge: Charge = NO_CHARGE
    ) -> tuple[dict[Output, FileBody | ImagedError | None], str]:
        """Make outputs that the store misses, as `Renders.together`. Raises PolicyError when they would be too many."""
        self.renders.check_room(image, missing)
        self._check_count(image, missing)
        return await self.renders.together(image, missing, charge)

    async def process(
        self, image: ImageId, outputs: Sequence[Output], charge: Charge = NO_CHARGE
    ) -> tuple[ImageInfo, dict[Output, ImagedError | None]]:
        """Make the outputs that no store has, for a client that waits; return the error of each that failed.

        The results have each of the `outputs`, or what it stands for.

        Raises BusyError when the queue is full, PolicyError when the image would have more outputs than its namespace
        allows, DiskFullError when the store has no room for all of them, ReadOnlyError when it cannot be written to.
        """
        info = await self.originals.described(image, charge)
        wanted = self.auto.expand(image, info, outputs)
        missing = await self.missing(image, wanted)
        if missing:
            self.check_store(image.namespace)
        self.renders.check_room(image, missing)
        self._check_count(image, missing)
        errors = await self.renders.several(image, missing, client_waits=True, charge=charge)
        for error in errors.values():
            if isinstance(error, DiskFullError):
                raise error.with_traceback(None)  # several requests may raise this one error
        return info, dict.fromkeys(wanted) | errors

    async def enqueue_renders(
        self,
        image: ImageId,
        outputs: Sequence[Output],
        client: str,
        charge: Charge = NO_CHARGE,
        uncharged: Collection[Output] = (),
    ) -> None:
        """Enqueue renders of the outputs that the store misses, for a client, which is charged for all but some.

        Raises BusyError when the client or the namespace has used up its share of the queue, PolicyError when the image
        would have more outputs than its namespace allows.
        """
        missing = [output for output in outputs if not self._is_here(image, output)]
        if missing:
            queued = await self.jobs.states(image)
            self._check_count(image, missing, queued)
            if new := sum(output not in uncharged and output not in queued for output in missing):
                charge.outputs(new)
        await self.jobs.enqueue("render", image, missing, client)

    async def prepare(self, image: ImageId, info: ImageInfo) -> None:
        """Enqueue the outputs that the namespace makes of every image. Raises as `enqueue_renders`."""
        outputs = self.auto.expand(image, info, self.outputs(image.namespace, ()))
        await self.enqueue_renders(image, outputs, ORIGINS)

    def _check_count(self, image: ImageId, missing: Sequence[Output], queued: Collection[Output] = ()) -> None:
        """Raise PolicyError when the image would have too many outputs.

        A missing output that is being saved or queued is none more: it was counted before.
        """
        policy, known = self.settings.policy(image.namespace), {*queued, *self.renders.unsaved_outputs(image)}
        if not known.issuperset(missing):
            names = known.union(missing)
            policy.check_count(self.store.variants.count(image, names, policy.maximum_outputs + 1))

    async def states(self, image: ImageId, outputs: Sequence[Output] = ()) -> dict[Output, str]:
        """Return `ready`, `pending` or `failed` for each output of an image that is stored, queued, or in `outputs`."""
        queued = await self.jobs.states(image)
        outputs_here = sorted({*self.store.variants.outputs(image), *self.renders.unsaved_outputs(image)}, key=str)
        ready = {each: "ready" for each in outputs_here if self.formats.writes_extension(each.extension)}
        states = {**dict.fromkeys(outputs, "pending"), **queued, **ready}
        return {output: state for output, state in states.items() if self.is_current(image, output)}

    def is_current(self, image: ImageId, output: Output) -> bool:
        """Return whether an output is no preset, or one of the version that these settings have."""
        try:
            return self.settings.policy(image.namespace).current(output) == output
        except NotFoundError:
            return False

    async def run_renders(self, image: ImageId, files: Sequence[ImageFile]) -> Mapping[ImageFile, ImagedError | None]:
        """Render the outputs of queued jobs. Raises as `check_store` when the store would not keep them."""
        self.check_store(image.namespace)
        policy, current = self.settings.policy(image.namespace), dict[Output, Output]()
        results: dict[ImageFile, ImagedError | None] = {}
        for file in files:
            if isinstance(file, Output):
                try:
                    current[file] = policy.current(file)  # its preset may have changed since
                except NotFoundError as error:
                    results[file] = error
        outputs = list(dict.fromkeys(current.values()))
        if self.remote.exists:  # a process may have died between a render and its upload job
            there = [(image, [output for output in outputs if self._is_here(image, output)])]
            for _, unknown in await self.jobs.not_stored(self.remote.identity, there):
                await self.jobs.enqueue("upload", image, unknown)
        made = await self.renders.several(image, outputs)
        return _without_gone(results | {file: made[output] for file, output in current.items()})

    async def run_uploads(self, image: ImageId, files: Sequence[ImageFile]) -> Mapping[ImageFile, ImagedError | None]:
        """Upload the files of queued jobs."""
        if not self.remote.exists:  # the settings have changed since
            return dict.fromkeys(files, StoreUnavailableError("no uploader is set"))
        results: dict[ImageFile, ImagedError | None] = {}
        for file in files:
            try:
                self.store.tombstones.check(image)
                await self.remote.upload(image, file, await self._content_type(image, file))
                results[file] = None
            except ImagedError as error:
                results[file] = error
        kept = [file for file, error in results.items() if error is None]
        await self.jobs.mark_stored(self.remote.identity, image, kept)
        return _without_gone(results)

    async def missing(self, image: ImageId, outputs: Sequence[Output]) -> list[Output]:
        """Return the outputs that no store has; enqueue the upload of those that the local store alone has.

        Raises StoreError when an output is not here and the remote store does not answer.
        """
        here = {output for output in outputs if self._is_here(image, output)}
        try:
            there = await self.remote.files(image)
        except StoreUnavailableError:
            if len(here) < len(outputs):
                raise
            return []  # the comparison at the next start finds what the remote store misses
        if self.remote.exists:
            await self.jobs.enqueue("upload", image, [output for output in here if output not in there])
        return [output for output in outputs if output not in here and output not in there]

    def _is_here(self, image: ImageId, output: Output) -> bool:
        """Return whether the local store has an output for good: while it is saved, a power cut may take its name."""
        return self.renders.unsaved(image, output) is None and self.store.has(image, output)

    async def _content_type(self, image: ImageId, file: ImageFile) -> str:
        if isinstance(file, Original):
            return (await self.originals.info(image)).content_type
        return self.formats.content_type(file)


def _without_gone(results: Mapping[ImageFile, ImagedError | None]) -> Mapping[ImageFile, ImagedError | None]:
    """Return the results of jobs, where those of an erased picture are done: there is nothing left to do."""
    return {file: None if isinstance(error, GoneError) else error for file, error in results.items()}
