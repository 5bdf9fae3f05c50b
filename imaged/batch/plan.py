"""The plan of a batch, checked completely before its first item."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imaged.batch import inputs
from imaged.batch.journal import Checkpoint, CheckpointError, Journal
from imaged.batch.shards import Shard, ShardError, choose
from imaged.config.model import Settings
from imaged.core.errors import ImagedError
from imaged.core.formats import Formats
from imaged.core.hashes import check_namespace
from imaged.core.outputs import Output, parse


class UsageError(ValueError):
    """A command line that cannot be followed; the message is for its author."""


@dataclass(frozen=True)
class Plan:
    """The inputs, the outputs to make of each, the shard of this process, and the journals."""

    inputs: Sequence[str]
    namespace: str
    outputs: Sequence[Output]
    shard: Shard
    checkpoint: Checkpoint | None
    failures: Journal | None

    def close(self) -> None:
        """Close the journals."""
        for journal in (self.checkpoint, self.failures):
            if journal is not None:
                journal.close()


@dataclass(frozen=True)
class PlanDraft:
    """A command line that was checked as far as that goes without plugins. No file was written."""

    settings: Settings
    inputs: Sequence[str]
    namespace: str
    outputs: Sequence[Output]
    shard: Shard
    resume: str | None
    failed: str | None

    def open(self, formats: Formats) -> Plan:
        """Check the inputs with the formats of the plugins, then open the journals. Raises UsageError."""
        for name in self.inputs:
            if (fault := inputs.find_fault(name, formats)) is not None:
                raise UsageError(fault)
        journals = _journals(self.resume, self.failed, _about(self.settings, self.outputs))
        return Plan(self.inputs, self.namespace, self.outputs, self.shard, *journals)


def draft_plan(
    settings: Settings,
    names: Sequence[str],
    namespace: str,
    outputs: str,
    resume: str | None,
    failed: str | None,
    shard: str | None,
    environ: Mapping[str, str],
) -> PlanDraft:
    """Check a command line. Raises UsageError."""
    try:
        policy = settings.policy(check_namespace(namespace))
        wanted = [parse(name) for name in outputs.split(",") if name]
        for output in wanted:
            policy.check(output)
        part = choose(shard, environ)
    except (ImagedError, ShardError) as error:
        raise UsageError(str(error)) from error
    if not wanted and not any(each.outputs for each in [policy, *map(settings.policy, settings.namespaces)]):
        raise UsageError("there is nothing to make: name outputs with --outputs, or in images.outputs of the settings")
    for name in names:
        if (fault := inputs.find_fault(name)) is not None:
            raise UsageError(fault)
    _keep_apart(names, list(filter(None, [resume, failed])))
    return PlanDraft(settings, names, namespace, wanted, part, resume, failed)


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


def _journals(
    resume: str | None, failed: str | None, about: Mapping[str, object]
) -> tuple[Checkpoint | None, Journal | None]:
    checkpoint = None
    try:
        checkpoint = Checkpoint(Path(resume), about) if resume else None
        return checkpoint, Journal(Path(failed), empty=True) if failed else None
    except (CheckpointError, OSError) as error:
        if checkpoint is not None:
            checkpoint.close()
        if isinstance(error, BlockingIOError):
            raise UsageError(f"{failed} is another running batch's: each needs its own") from error
        reason = f"{failed}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise UsageError(reason) from error
