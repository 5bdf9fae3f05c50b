"""`imaged render`: make outputs of one file with the settings, so that an operator sees what the settings do."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imaged.batch.output_maker import read_picture
from imaged.batch.process import NoQueue, discard
from imaged.config.faults import ConfigurationError, in_order
from imaged.config.load import Loaded
from imaged.core.errors import ImagedError, StoreError
from imaged.core.hashes import ImageId
from imaged.core.outputs import AUTO, Output
from imaged.core.pictures import ImageInfo
from imaged.hooks.host import PluginState
from imaged.pipeline.build import Environment, build_pipeline, build_plugins
from imaged.pipeline.counters import Counters
from imaged.pipeline.pipeline import Pipeline
from imaged.store.disk import FileBody
from imaged.store.local import LocalStore
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.templates import Templates
from imaged.workers.threads import Threads

WITHOUT = ("uploader=noop", "purgers=[]", "metrics=[]", "access={}")
"""Overrides of the settings: the command uploads and counts nothing, so it needs neither secrets nor a network."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class RenderCommand:
    """Makes outputs of the file `source`, and writes each as `folder/NAME` over an older file. Reactor thread only.

    `say` prints the line of a file, `complain` that of an error. The settings of `loaded` are read with `WITHOUT`.
    """

    loaded: Loaded
    reactor: Any
    source: Path
    namespace: str
    outputs: Sequence[Output]
    folder: Path
    say: Say
    complain: Say

    async def run(self) -> bool:
        """Return whether all outputs were made. Raises ConfigurationError and the ImagedError of a bad picture."""
        with ExitStack() as opened:
            threads = Threads(self.reactor, "work", 4)
            opened.callback(threads.let_go)
            scratch = opened.enter_context(tempfile.TemporaryDirectory(prefix="imaged-", ignore_cleanup_errors=True))
            pipeline = self._open(opened, threads, Path(scratch))
            await pipeline.engine.workers.start()
            with pipeline.store.temporary() as copy:
                received = await threads.run(read_picture, self.source, copy)
                image, info = await pipeline.originals.keep(self.namespace, received)
            done: dict[Output, bool] = {}
            for output in self.outputs:
                for each in self._expand(pipeline, image, info, output):
                    if each not in done:
                        done[each] = await self._make(pipeline, image, each)
            await pipeline.tasks.drained()
            return all(done.values())

    def _open(self, opened: ExitStack, threads: Threads, scratch: Path) -> Pipeline:
        """Build a pipeline whose store is the folder `scratch`, for as long as `opened` is."""
        jobs: Any = NoQueue()
        counters, state = Counters(self.reactor.seconds), PluginState()
        environment = Environment(self.reactor, threads, jobs, counters, state, KeyedLocks(), Templates())
        plugins, faults = build_plugins(self.loaded, self.reactor, threads, state)
        if faults := [*self.loaded.faults, *faults]:
            plugins.close()
            raise ConfigurationError(in_order(faults))
        settings = self.loaded.settings
        pipeline = build_pipeline(settings, plugins, LocalStore(scratch, settings.store.partitions), environment)
        opened.callback(discard, pipeline, plugins)
        return pipeline

    def _expand(self, pipeline: Pipeline, image: ImageId, info: ImageInfo, named: Output) -> list[Output]:
        """Return an output, a preset with its version, or in place of an `auto` one each that a client may get."""
        policy = pipeline.settings.policy(self.namespace)
        try:
            output = policy.current(named)
            policy.check(output)
            found = pipeline.auto.expand(image, info, [output])
        except ImagedError:
            return [named]  # `_make` complains
        if named.extension == AUTO:
            self.say(f"{named} is {' or '.join(str(each.public) for each in found)}, as the client accepts")
        return found

    async def _make(self, pipeline: Pipeline, image: ImageId, output: Output) -> bool:
        """Make and write an output; return whether that succeeded."""
        try:
            await self._write(pipeline, image, output)
        except (ImagedError, OSError) as error:
            text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            self.complain(text if text.startswith(str(output.public)) else f"{output.public}: {text}")
            return False
        return True

    async def _write(self, pipeline: Pipeline, image: ImageId, output: Output) -> None:
        began_s = self.reactor.seconds()
        made, _ = await pipeline.output(image, output)
        took_ms = 1000 * (self.reactor.seconds() - began_s)
        body = made.body if isinstance(made, FileBody) else _read_all(made.file)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / str(output.public)
        if path.exists() and os.path.samestat(path.stat(), self.source.stat()):
            raise StoreError(f"{path} is the picture itself, which is not overwritten: give another folder with -o")
        path.write_bytes(body)
        size = pipeline.formats.of(output).read_size(body)
        px = f"{size.width_px}x{size.height_px}" if size else "?"
        self.say(f"{path}  {px} px  {len(body)} bytes  {took_ms:.0f} ms")


def _read_all(file: Any) -> bytes:
    with file:
        body: bytes = file.read()
    return body


def chosen(names: Sequence[str], parse: Callable[[str], Output]) -> Iterator[Output]:
    """Yield the outputs of a command line, each once, where a comma may stand between them. Raises as `parse`."""
    yield from dict.fromkeys(parse(name) for each in names for name in each.split(",") if name)
