"""The one writer of outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted.logger import Logger

from imaged.core.errors import ImagedError
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import add_spans
from imaged.pipeline.remote import Remote
from imaged.pipeline.saver import Saver
from imaged.pipeline.saves import Save
from imaged.pipeline.shared import Shared
from imaged.store.disk import FileBody, variant_time_ns
from imaged.store.tombstones import gone
from imaged.workers.render_jobs import FailedVariant, RenderResult


@dataclass(frozen=True)
class OutputWriter:
    """Takes each output, from a render or from the remote store. Reactor thread only.

    `saver` stores those of renders.
    """

    shared: Shared
    remote: Remote
    saver: Saver
    _log = Logger()

    def take(self, image: ImageId, result: RenderResult) -> Save | ImagedError:
        """Take a variant, which clients get from now on, for `saver`; return the error of one that failed.

        An erased picture gets no more outputs: the error is a GoneError.
        """
        add_spans(result.spans_s)
        if self.shared.store.tombstones.find(image) is not None:
            return gone(image)
        if isinstance(result, FailedVariant):
            self.saver.report_failure(image, result.output, result.error)
            return result.error
        saves = self.saver.saves
        if (save := saves.get(image, result.output)) is None:  # a late worker may give an output again
            save = Save(image, result.output, FileBody(result.body, variant_time_ns()), result.elapsed_s)
            saves.add(save)
        return save

    async def reuse(self, image: ImageId, output: Output) -> bool:
        """Copy an output from the remote store; return False when it has none, or none of that format.

        At the bound of the local store, False too: an output that is rendered instead need not be stored.
        """
        if not self.shared.counters.bound.has_room():
            return False
        with self.shared.store.temporary() as temporary:
            if not await self.remote.download(image, output, temporary):
                return False
            kept = await self.shared.run(self._keep, image, output, temporary)
        if kept:
            await self.shared.jobs.mark_stored(self.remote.identity, image, [output])
        return kept

    def _keep(self, image: ImageId, output: Output, temporary: Path) -> bool:
        body = temporary.read_bytes()
        if self.shared.formats.sniff(body) != self.shared.formats.of(output):
            self._log.warn(
                "the remote {output} of {image} is not a picture of its format: rendering it",
                output=str(output),
                image=str(image),
            )
            return False
        self.shared.store.variants.save(image, output, body)
        return True
