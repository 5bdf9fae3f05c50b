"""Compares the local store with the remote one, and queues the uploads that are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from twisted.logger import Logger

from imaged.core.errors import ImagedError
from imaged.core.files import ImageFile
from imaged.core.formats import Formats
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.hooks.host import RunInThread
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.pipeline.remote import Remote
from imaged.store.local import LocalStore

BATCH = 200
"""How many images are looked up at once; other work runs between batches."""

_log = Logger()


async def reconcile(
    store: LocalStore,
    remote: Remote,
    jobs: AsyncJobQueue,
    formats: Formats,
    run: RunInThread,
    may_continue: Callable[[], bool],
) -> bool:
    """Enqueue the upload of each file of the local store that is not known to be in the remote one.

    Files that the remote store already has, as after a move from image-server 1.x, are marked as stored and not sent
    again. While that store is away, all files are queued. After each batch the queue notes the progress. Returns False
    when `may_continue` ended it early.
    """
    images, queued, looked_at = store.walk(), 0, 0
    while batch := await run(_take, images, formats):
        for image, files in await jobs.not_stored(remote.identity, batch):
            if not may_continue():
                return False
            try:
                there = await remote.files(image)
            except ImagedError:  # the watch over the remote store reports it
                there = set()
            if stored := [file for file in files if file in there]:
                await jobs.mark_stored(remote.identity, image, stored)
            missing = [file for file in files if file not in there]
            await jobs.enqueue("upload", image, missing)
            queued += len(missing)
        looked_at += len(batch)
        await jobs.note_comparison(remote.identity, "running", looked_at, queued)
    await jobs.note_comparison(remote.identity, "ended", looked_at, queued)
    if queued:
        _log.info("{count} local files are missing in the remote store, or unconfirmed: uploads queued", count=queued)
    return True


def _take(images: Iterator[tuple[ImageId, list[ImageFile]]], formats: Formats) -> list[tuple[ImageId, list[ImageFile]]]:
    """Return the next images, without outputs in formats that no processor writes."""
    return [
        (image, [file for file in files if not isinstance(file, Output) or formats.writes_extension(file.extension)])
        for image, files in islice(images, BATCH)
    ]
