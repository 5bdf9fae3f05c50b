"""What `imaged erase` does: it writes tombstones, removes local files, and queues the rest for the daemon."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

import click

from imaged.commands.picture_names import read_picture
from imaged.commands.queue_opening import open_queue_at, read_queue_settings
from imaged.config.model import Settings
from imaged.core.errors import ImagedError, NotFoundError
from imaged.core.files import ImageFile, read_stored_files
from imaged.core.hashes import ImageHash, ImageId, check_namespace
from imaged.core.outputs import Output
from imaged.jobs.admin import QueueAdmin
from imaged.pipeline.purges import AGAIN_S
from imaged.store.local import LocalStore
from imaged.store.tombstones import Tombstone

STDIN = "-"
NO_UPLOADER = "noop"


def run(
    config: str | None,
    overrides: tuple[str, ...],
    words: Sequence[str],
    stdin: Iterable[str],
    *,
    outputs_only: bool,
    every_namespace: bool,
    dry_run: bool,
) -> int:
    """Erase the pictures that the words name; return the exit status."""
    namespace, names = _namespace(words, every_namespace=every_namespace)
    hashes = _hashes(names, stdin, namespace)
    settings = read_queue_settings(config, overrides)
    _become_owner(Path(settings.store.path))
    with open_queue_at(settings) as queue:
        store = LocalStore(Path(settings.store.path), settings.store.partitions)
        try:
            command = Erasing(settings, store, queue, click.echo)
            each = command.show if dry_run else command.forget if outputs_only else command.erase
            return _each(each, _images(hashes, namespace, settings, command))
        finally:
            store.close()


def _namespace(words: Sequence[str], *, every_namespace: bool) -> tuple[str | None, Sequence[str]]:
    if every_namespace:
        return None, words
    namespace, *names = words
    try:
        check_namespace(namespace)
    except NotFoundError as error:
        raise click.UsageError(str(error)) from error
    if not names:
        raise click.UsageError(f"Name the pictures of {namespace}, or - for a list on the standard input.")
    return namespace, names


def _hashes(names: Sequence[str], stdin: Iterable[str], namespace: str | None) -> list[ImageHash]:
    """Return the hashes that the names stand for, each once. A name of another namespace is a usage error."""
    hashes: dict[ImageHash, None] = {}
    for text in _lines(names, stdin):
        try:
            named, digits = read_picture(text)
        except ImagedError as error:
            raise click.UsageError(f"{error}. Nothing was erased.") from error
        if namespace is not None and named not in {None, namespace}:
            raise click.UsageError(f"{text} is in the namespace {named}, not in {namespace}. Nothing was erased.")
        hashes[digits] = None
    return list(hashes)


def _lines(names: Sequence[str], stdin: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from (line.strip() for line in stdin if line.strip()) if name == STDIN else (name,)


def _images(
    hashes: Sequence[ImageHash], namespace: str | None, settings: Settings, command: Erasing
) -> Iterator[ImageId]:
    """Yield the images of one namespace, or those of every namespace that are known here."""
    if namespace is not None:
        yield from (ImageId(namespace, digits) for digits in hashes)
        return
    namespaces = {*settings.namespaces, *_folders(Path(settings.store.path))}
    for digits in hashes:
        known = [image for each in sorted(namespaces) if command.files(image := ImageId(each, digits))]
        if not known:
            click.echo(f"{digits}: no namespace has it here", err=True)
        yield from known


def _folders(root: Path) -> Iterator[str]:
    with suppress(FileNotFoundError):
        for path in root.iterdir():
            with suppress(NotFoundError):
                yield check_namespace(path.name)


def _each(do: Callable[[ImageId], None], images: Iterable[ImageId]) -> int:
    status = 0
    for image in images:
        try:
            do(image)
        except ImagedError as error:
            click.echo(f"{image}: {error}", err=True)
            status = 1
    return status


def _become_owner(root: Path) -> None:
    """As root, become the owner of the store, so that the daemon can write what is written now."""
    with suppress(FileNotFoundError):
        found = root.stat()
        if os.geteuid() == 0 and found.st_uid != 0:
            os.setgroups([])
            os.setegid(found.st_gid)
            os.seteuid(found.st_uid)


@dataclass(frozen=True)
class Erasing:
    """Erases pictures beside a daemon, or without one. `say` prints a line for each."""

    settings: Settings
    store: LocalStore
    queue: QueueAdmin
    say: Callable[[str], None]

    def files(self, image: ImageId) -> list[ImageFile]:
        """Return the files of an image that a store is known to have."""
        return list(dict.fromkeys([*self.store.files(image), *self.queue.uploaded_files(image)]))

    def erase(self, image: ImageId) -> None:
        """Erase a picture. Raises StoreError when files may be left."""
        self._purge(image, self.files(image))  # first, while the files are known
        try:
            removed = self.store.tombstones.add(Tombstone(image, time_ns(), f"imaged erase ({_user()})"))
        finally:
            if self.store.tombstones.find(image) is not None:  # after an error, the daemon removes what is left
                self.queue.erase(image)
        self._purge(image, read_stored_files(removed))  # the daemon may have made some meanwhile
        self.say(f"{image}: erased {len(removed)} local files{self._rest}")

    def forget(self, image: ImageId) -> None:
        """Forget the outputs of a picture. Raises StoreError."""
        self.store.tombstones.check(image)
        outputs = [file for file in self.files(image) if isinstance(file, Output)]
        here = self.store.variants.outputs(image)
        self._purge(image, outputs)
        self.queue.forget(image, outputs)
        for output in here:
            self.store.variants.forget(image, output)
        self.say(f"{image}: forgot {len(here)} local outputs{self._rest}")

    def show(self, image: ImageId) -> None:
        """Print what is known of a picture."""
        here, uploaded = self.store.files(image), self.queue.uploaded_files(image)
        tombstone = self.store.tombstones.find(image)
        state = "; erased" if tombstone else ""
        self.say(f"{image}: {_listed(here, 'local')}, {_listed(uploaded, 'remote')}{state}")

    def _purge(self, image: ImageId, files: Sequence[ImageFile]) -> None:
        if self.settings.purgers:
            self.queue.purge(image, files, AGAIN_S)

    @property
    def _rest(self) -> str:
        queued = ["remote files"] if self.settings.uploader != NO_UPLOADER else []
        queued += ["purge of caches"] if self.settings.purgers else []
        return f"; queued for the daemon: {', '.join(queued)}" if queued else ""


def _user() -> str:
    """Return the name of the user who erases, or the number of one without a name, as in a container."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # KeyError before Python 3.13
        return str(os.getuid())


def _listed(files: Sequence[ImageFile], where: str) -> str:
    names = f" ({' '.join(map(str, files))})" if files else ""
    return f"{len(files)} {where} files{names}"
