"""The job queue of this process: opened at the start, and shared only with processes that use the same store."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

from twisted.logger import Logger

from imaged.core.errors import StoreError
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.jobs.queue import JobQueue
from imaged.jobs.reserve import Reserve
from imaged.jobs.schema import VERSION
from imaged.process.clock import steady_clock
from imaged.store.local import LocalStore
from imaged.workers.threads import Threads

_log = Logger()


async def open_queue(threads: Threads, folder: Path) -> AsyncJobQueue:
    """Open the queue on `threads`, which is one thread: no other may use the queue. Raises StoreError."""
    try:
        queue = await threads.run(Reserve(folder).lend, partial(JobQueue, folder, steady_clock()))
    except StoreError as error:
        raise StoreError(f"state_dir: {error}") from error
    except Exception as error:  # an OSError or any of sqlite3's errors: the queue cannot be used
        raise StoreError(f"state_dir: no job queue can be kept in {folder}: {error}") from error
    if 0 < queue.migrated_from < VERSION:
        _log.info("the job queue was migrated from version {old} to {new}", old=queue.migrated_from, new=VERSION)
    return AsyncJobQueue(queue, threads.run)


async def note_store(jobs: AsyncJobQueue, store: LocalStore) -> None:
    """Note in the queue which store the jobs of this process are for, so that other processes can compare."""
    name = store.incoming.owner_name() if store.incoming.has_locks else ""
    with suppress(OSError):  # a process with another store is then not detected; this one can still work
        await jobs.run(jobs.queue.owner.works_for, name)


async def share_queue(jobs: AsyncJobQueue, store: LocalStore, *, is_upgrade: bool) -> None:
    """Note the store in the queue.

    Raises StoreError when another process works on the queue with another store, or the queue's folder cannot be read.
    In an upgrade, the old process may have another store: the settings may have changed, and its jobs are ours.
    """
    await note_store(jobs, store)
    if store.incoming.has_locks and not is_upgrade:
        try:
            await jobs.run(jobs.queue.owner.check_store, store.incoming.has_owner)
        except (StoreError, OSError) as error:
            raise StoreError(f"state_dir: {error}") from error
