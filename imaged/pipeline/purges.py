"""Purges caches before imaged, such as a CDN, of the answers of a picture: at once, and again by a queued job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.config.images import ImagePolicy
from imaged.core.errors import ImagedError
from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.hashes import ImageId
from imaged.core.outputs import AUTO, Output, Preset
from imaged.hooks.checked_purger import CheckedPurger
from imaged.pipeline.shared import Shared

AGAIN_S = 60.0
"""When the queued job runs. An answer that was on its way during the first purge is in the cache by then."""

SRCSET = "srcset"


class Purges:
    """Calls the purgers of the settings. Reactor thread only."""

    _log = Logger()

    def __init__(self, shared: Shared, purgers: Sequence[CheckedPurger]) -> None:
        self._shared = shared
        self._purgers = purgers

    def __bool__(self) -> bool:
        """Whether there is a cache to purge."""
        return bool(self._purgers)

    async def known_files(self, image: ImageId) -> list[ImageFile]:
        """Return the files of an image that a store has, as far as this node knows. Raises StoreError."""
        here = await self._shared.run(self._shared.store.variants.outputs, image)
        return list(dict.fromkeys([ORIGINAL, RECORD, *here, *await self._shared.jobs.uploaded_files(image)]))

    async def enqueue(self, image: ImageId, files: Sequence[ImageFile], delay_s: float = 0) -> None:
        """Queue the purge of these files, durably. Raises StoreError."""
        if self._purgers:
            await self._shared.jobs.enqueue("purge", image, files, delay_s=delay_s)

    async def enqueue_late(self, image: ImageId, output: Output) -> None:
        """Queue the purge of an output that clients got from memory, and whose picture was erased before it was saved.

        Raises nothing.
        """
        try:
            await self.enqueue(image, [output], AGAIN_S)
        except ImagedError as error:
            self._log.error(
                "{image} {output} is not purged: {error}", image=str(image), output=str(output), error=error
            )

    async def purge_now(self, image: ImageId, files: Sequence[ImageFile]) -> bool:
        """Purge the caches of files whose purge is queued, for a client that waits; return whether each cache did it.

        Raises nothing: the queued job tries it again.
        """
        purging = Deferred.fromCoroutine(self._purge(image, files))
        try:
            await purging.addTimeout(self._shared.settings.upload.timeout_s, self._shared.reactor)
        except defer.TimeoutError:
            return False
        except ImagedError as error:
            self._log.warn("{image} is not purged yet: {error}; again in a minute", image=str(image), error=str(error))
            return False
        return True

    async def run_jobs(self, image: ImageId, files: Sequence[ImageFile]) -> Mapping[ImageFile, ImagedError | None]:
        """Purge the files of queued jobs."""
        try:
            await self._purge(image, files)
        except ImagedError as error:
            return dict.fromkeys(files, error)
        return dict.fromkeys(files)

    async def _purge(self, image: ImageId, files: Sequence[ImageFile]) -> None:
        """Call each purger, also after one has failed. Raises the first error."""
        if not self._purgers:
            return
        paths = list(self._paths(image, files))
        errors: list[ImagedError] = []
        for purger in self._purgers:
            try:
                await purger.purge(image.cache_tag, paths)
            except ImagedError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        names = ", ".join(purger.name for purger in self._purgers)
        self._log.info("purged {image} by {purgers}", image=str(image), purgers=names)

    def _paths(self, image: ImageId, files: Sequence[ImageFile]) -> Iterable[str]:
        policy = self._shared.settings.policy(image.namespace)
        names = dict.fromkeys([*map(str, _public(files, policy)), SRCSET])
        for home in dict.fromkeys([self._shared.store.layout.prefix(image), f"{image}/"]):
            for name in names:
                yield f"/{home}{name}"


def _public(files: Sequence[ImageFile], policy: ImagePolicy) -> Iterable[ImageFile]:
    """Yield what clients may have asked for: these files, what the settings list, and the `auto` name of each."""
    presets = product(policy.presets, (*policy.extensions, AUTO))
    listed = [*policy.outputs, *policy.allowed_outputs.outputs]
    for file in (*files, *listed, *[Output(Preset(name), extension) for name, extension in presets]):
        if isinstance(file, Output):
            yield file.public
            yield replace(file.public, extension=AUTO)
        else:
            yield file
