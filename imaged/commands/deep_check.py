"""Try everything that the settings name: the stores, the folder of the queue, a processor, and the log files."""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.config.faults import KeyPath, dotted
from imaged.config.images import ImagePolicy
from imaged.config.load import Loaded
from imaged.config.model import Settings
from imaged.config.presets import PresetSettings
from imaged.core.activity import Activity
from imaged.core.effects import Effects, Watermark
from imaged.core.errors import ImagedError, NotFoundError, StoreError
from imaged.core.files import ORIGINAL
from imaged.core.formats import FORMATS
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.core.snapshot import Isolation
from imaged.daemon.faults import build_checked
from imaged.daemon.health import PIXEL, render_pixel
from imaged.fetch.exchange import Validators
from imaged.fetch.origin_sources import OriginSource
from imaged.fetch.resolver import Resolver
from imaged.hooks.checked_uploader import CheckedUploader
from imaged.hooks.host import PluginState
from imaged.hooks.registry import Plugins
from imaged.jobs.queue import JobQueue
from imaged.logs import paths as log_paths
from imaged.pipeline.build import EVERY_NETWORK, bind_sources, build_origins
from imaged.pipeline.counters import Counters
from imaged.store.local import LocalStore
from imaged.workers.building import build_engine
from imaged.workers.engine import Engine
from imaged.workers.tasks import Tasks
from imaged.workers.templates import Templates
from imaged.workers.threads import Threads, unfinished

STEP_S = 30.0
"""How long a step on this machine may take."""

Work = Coroutine[Any, Any, None]


@dataclass(frozen=True)
class DeepCheck:
    """Tries one configuration, and reports each step by `say`. Reactor thread only.

    A step with the remote store may take `upload.timeout_s`, as for a client.
    """

    loaded: Loaded
    reactor: Any
    threads: Threads
    say: Callable[[str], None]
    _log = Logger()

    async def run(self) -> bool:
        """Try everything, close the plugins, and return whether every step succeeded."""
        plugins, faults = build_checked(self.loaded, self.reactor, self.threads, PluginState())
        try:
            for fault in faults:
                self.say(str(fault))
            return not faults and await self._all(plugins)
        finally:
            if not unfinished():  # closing a plugin that a thread still runs may crash the process
                plugins.close()

    async def _all(self, plugins: Plugins) -> bool:
        engine = build_engine(
            self.loaded.settings,
            plugins,
            Templates(),
            reactor=self.reactor,
            threads=self.threads,
            run=self.threads.run,
            tasks=Tasks(),
            activity=Activity(self.reactor.seconds),
            report_death=lambda _: None,
        )
        try:
            return await self._steps(plugins, engine)
        finally:
            engine.workers.let_go()

    async def _steps(self, plugins: Plugins, engine: Engine) -> bool:
        settings = self.loaded.settings
        store, state = LocalStore(Path(settings.store.path), settings.store.partitions), Path(settings.state_dir)
        fine = [
            await self._step(f"store.path {store.root} takes a file", self._on_thread(_try_store, store)),
            await self._step(f"state_dir {state} keeps a queue", self._on_thread(_try_state, state)),
            await self._step("a processor renders a pixel", _try_processor(engine)),
        ]
        if any(processor.checks_itself for processor in plugins.processors):
            fine.append(await self._step("the processors refuse what they must", engine.workers.self_check()))
        for key, mark in _marks(settings).items():
            fine.append(await self._step(f"the watermark {dotted(key)} can be drawn", _try_watermark(engine, mark)))
        for line in _describe(engine.workers.isolation):
            self.say(line)
        for key, path in log_paths.paths(settings.log).items():
            fine.append(await self._step(f"{dotted(key)} {path} takes lines", self._on_thread(log_paths.try_out, path)))
        if (uploader := plugins.uploader) is None:
            self.say("no remote store is set")
        else:
            with tempfile.TemporaryDirectory(prefix="imaged-check-") as folder:
                fine.append(await self._remote(uploader, Path(folder)))
        fine += [await self._step(f"origin {name} answers", work) for name, work in self._origins(plugins)]
        image = ImageId("imaged_check", ImageHash(secrets.token_hex(16)))
        for purger in plugins.purgers:
            purge = purger.purge(image.cache_tag, [f"/{image}/{ORIGINAL}"])
            fine.append(await self._step(f"purger {purger.name} purges a picture that no cache has", purge))
        return all(fine)

    def _origins(self, plugins: Plugins) -> Iterator[tuple[str, Work]]:
        """Yield the name of each origin, and what asks it for an original that it does not have."""
        settings, reactor = self.loaded.settings, self.reactor
        counters = Counters(reactor.seconds)
        sources = bind_sources(settings, reactor, counters, plugins.formats)
        sites = sources(
            resolver=Resolver(reactor),
            maximum_redirects=settings.sources.maximum_redirects,
            allow_networks=EVERY_NETWORK,
        )
        threads = self.threads
        for name, origin in build_origins(
            settings, plugins.origins, sites, threads.run, reactor, counters, lambda *_: threads
        ).items():
            yield name, _try_origin(origin.source)

    async def _remote(self, uploader: CheckedUploader, folder: Path) -> bool:
        base_path = self.loaded.settings.remote.base_path.strip("/")
        prefix = "/".join(filter(None, [base_path, f".imaged-check-{secrets.token_hex(8)}/"]))
        key, source, back = f"{prefix}pixel.png", folder / "pixel.png", folder / "back.png"
        source.write_bytes(PIXEL)

        async def download() -> None:
            if not await uploader.download(key, back):
                raise StoreError("it does not have the file that was uploaded")
            if back.read_bytes() != PIXEL:
                raise StoreError("it returned other bytes than were uploaded")

        async def check_list() -> None:
            if list(keys := await uploader.list(prefix)) != [key]:
                raise StoreError(f"below {prefix} it lists {', '.join(keys) or 'nothing'}, not {key}")

        async def remove() -> None:
            await uploader.delete([key])
            if await uploader.list(prefix):
                raise StoreError(f"{key} is still there")

        fine = False
        try:
            fine = await self._remote_step("takes a file", uploader.upload(key, source, "image/png"))
            fine = fine and await self._remote_step("gives it back", download())
            fine = fine and await self._remote_step("lists it", check_list())
        finally:  # a failed upload may have written a part
            removed = await self._remote_step(f"removes {key}", remove())
        return fine and removed

    async def _remote_step(self, what: str, work: Work) -> bool:
        return await self._step(f"the remote store {what}", work, self.loaded.settings.upload.timeout_s)

    async def _on_thread(self, function: Callable[..., None], *args: Any) -> None:
        await self.threads.run(function, *args)

    async def _step(self, what: str, work: Work, within_s: float = STEP_S) -> bool:
        try:
            await self._in_time(work, within_s)
        except CancelledError:
            raise
        except ImagedError as error:
            self.say(f"{what}: failed: {error}")
        except Exception as error:  # a plugin may raise anything
            self._log.failure("{what} failed, a bug of the plugin; report it to its author", what=what)
            self.say(f"{what}: failed with {type(error).__name__}")
        else:
            self.say(f"{what}: ok")
            return True
        return False

    def _in_time(self, work: Work, within_s: float) -> Deferred[None]:
        """Wait for `work` until the timeout, then cancel it; do not wait for what it does then."""

        def end(result: Failure | None) -> None:
            if not waiter.called:
                waiter.callback(result)  # a Failure makes it an errback

        def too_late(_: object, timeout_s: float) -> None:
            raise StoreError(f"it took longer than {timeout_s:g} s")

        running = Deferred.fromCoroutine(work)
        waiter: Deferred[None] = Deferred(lambda _: running.cancel())
        running.addBoth(end)
        return waiter.addTimeout(within_s, self.reactor, onTimeoutCancel=too_late)


def _try_store(store: LocalStore) -> None:
    with closing(store):
        store.try_out()


def _try_state(folder: Path) -> None:
    """Open a queue in a new folder below `folder`: SQLite and the file locks need more than a writable folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = tempfile.TemporaryDirectory(dir=folder, prefix=".imaged-check-")
        with trial, closing(JobQueue(Path(trial.name), time.time)) as queue:
            queue.try_out()
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"no job queue can be kept there: {getattr(error, 'strerror', None) or error}") from error


def _describe(isolation: Isolation) -> Iterator[str]:
    """Yield what confines a codec here. What is missing is no fault: no setting can add it."""
    if isolation.kind == "thread":
        yield "renders run in the daemon's own process, with all its rights: set render.isolation to process"
    elif isolation.landlock_abi is not None:
        named = {f"Landlock (version {isolation.landlock_abi})": isolation.landlock_abi, "seccomp": isolation.seccomp}
        held = " and ".join(name for name, holds in named.items() if holds)
        yield f"workers are confined by {held or 'limits alone'}"
        yield from (f"not in effect: {each}" for each in isolation.missing)


async def _try_origin(source: OriginSource) -> None:
    with tempfile.TemporaryDirectory(prefix="imaged-check-") as folder, suppress(NotFoundError):
        path = f"imaged-check-{secrets.token_hex(8)}/pixel.png"
        await source.fetch(path, Path(folder) / "original", Validators())


async def _try_processor(engine: Engine) -> None:
    await engine.workers.start()
    with _pixel() as source:
        await render_pixel(engine, source)


async def _try_watermark(engine: Engine, mark: Watermark) -> None:
    variant = ImagePolicy().resolve(parse("x64.jpg"), FORMATS)
    with _pixel() as source:
        await engine.try_out(source, replace(variant, effects=Effects(watermark=mark)))


@contextmanager
def _pixel() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="imaged-check-") as file:
        file.write(PIXEL)
        file.flush()
        yield Path(file.name)


def _marks(settings: Settings) -> dict[KeyPath, Watermark]:
    """Return each watermark of the settings, by the key of its preset."""
    policies: dict[KeyPath, Mapping[str, PresetSettings]] = {("images",): settings.images.presets}
    policies |= {("namespaces", name): own.presets or {} for name, own in settings.namespaces.items()}
    return {
        (*where, "presets", name): mark
        for where, presets in policies.items()
        for name, preset in presets.items()
        if (mark := preset.effects.watermark) is not None
    }
