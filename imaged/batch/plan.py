"""The plan of a batch, checked completely before its first item."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from imaged.batch import inputs
from imaged.batch.errors import UsageError
from imaged.batch.journal import Checkpoint, Journal
from imaged.batch.shards import Shard, choose
from imaged.config.model import Settings
from imaged.core.errors import ImagedError
from imaged.core.formats import Formats
from imaged.core.hashes import check_namespace
from imaged.core.outputs import Output, parse


@dataclass(frozen=True)
class BatchPlan:
    """The inputs, the outputs to make of each, the shard of this process, and the paths of its journals.

    It was checked as far as that goes without plugins, and no file was written.
    """

    settings: Settings
    inputs: Sequence[str]
    namespace: str
    outputs: Sequence[Output]
    shard: Shard
    resume: str | None
    failed: str | None

    @contextmanager
    def journals(self, formats: Formats) -> Iterator[tuple[Checkpoint | None, Journal | None]]:
        """Check the inputs with the formats of the plugins, then open the journals. Raises UsageError."""
        for name in self.inputs:
            inputs.check(name, formats)
        with ExitStack() as opened:
            checkpoint, failures = None, None
            if self.resume:
                about = _about(self.settings, self.outputs)
                checkpoint = opened.enter_context(closing(Checkpoint(Path(self.resume), about)))
            if self.failed:
                failures = opened.enter_context(closing(Journal(Path(self.failed), empty=True)))
            yield checkpoint, failures


def make_plan(
    settings: Settings,
    names: Sequence[str],
    namespace: str,
    outputs: str,
    resume: str | None,
    failed: str | None,
    shard: str | None,
    environ: Mapping[str, str],
) -> BatchPlan:
    """Check a command line. Raises UsageError."""
    try:
        policy = settings.policy(check_namespace(namespace))
        wanted = [parse(name) for name in outputs.split(",") if name]
        for output in wanted:
            policy.check(output)
        part = choose(shard, environ)
    except ImagedError as error:
        raise UsageError(str(error)) from error
    if not wanted and not any(each.outputs for each in [policy, *map(settings.policy, settings.namespaces)]):
        raise UsageError("there is nothing to make: name outputs with --outputs, or in images.outputs of the settings")
    for name in names:
        inputs.check(name)
    _keep_apart(names, list(filter(None, [resume, failed])))
    return BatchPlan(settings, names, namespace, wanted, part, resume, failed)


def _keep_apart(read: Sequence[str], written: Sequence[str]) -> None:
    """Raise UsageError when a file would be both written and read, or written for two purposes."""
    taken = {_file(name) for name in read} | {_file("/dev/stdout")}
    for name in written:
        if (file := _file(name)) in taken:
            raise UsageError(f"{name} would be written for two purposes, or while it is read: give another file")
        taken.add(file)


def _file(name: str) -> object:
    """Return the identity of a file, the same for each of its names; a file that does not exist has only its path."""
    try:
        status = os.fstat(0) if name == inputs.STDIN else Path(name).stat()
    except OSError:
        return Path(name).resolve()
    return (status.st_dev, status.st_ino)


def _about(settings: Settings, wanted: Sequence[Output]) -> dict[str, object]:
    """Return what a checkpoint is for: an item done for these outputs and this store is not done for others."""
    own = {name: settings.policy(name).outputs for name in settings.namespaces} | {"": settings.images.outputs}
    return {
        "outputs": sorted(map(str, wanted)),
        "settings": {name: sorted(map(str, outputs)) for name, outputs in own.items() if outputs},
        "remote": f"{settings.uploader} {settings.remote.base_path}".strip(),
        "where": _where(settings),
    }


def _where(settings: Settings) -> str:
    """Return a digest of the options that identify the store; keys and secrets may change without another store."""
    section = settings.plugins.get(settings.uploader) or {"path": str(Path(settings.store.path).resolve())}
    identifying = {name: value for name, value in section.items() if not re.search("key|secret|pass", name)}
    return hashlib.sha256(json.dumps(identifying, sort_keys=True, default=str).encode()).hexdigest()[:16]
