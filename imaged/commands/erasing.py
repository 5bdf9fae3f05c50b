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
from imaged.core.hashes import ImageHash, ImageId, check_namespace, is_hash
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
    pictures = _pictures(names, stdin, namespace, every_namespace=every_namespace)
    settings = read_queue_settings(config, overrides)
    _become_owner(Path(settings.store.path))
    with open_queue_at(settings) as queue:
        store = LocalStore(Path(settings.store.path), settings.store.partitions)
        try:
            command = Erasing(settings, store, queue, click.echo)
            each = command.show if dry_run else command.forget if outputs_only else command.erase
            return _each(each, _images(pictures, settings, command))
        finally:
            store.close()


def _namespace(words: Sequence[str], *, every_namespace: bool) -> tuple[str | None, Sequence[str]]:
    """Return the namespace, if the first word is one, and the words that name pictures."""
    if every_namespace:
        return None, words
    namespace, *names = words
    if is_hash(namespace):
        raise click.UsageError(
            f"{namespace} is a hash: give its namespace as the first word, or --every-namespace. Nothing was erased."
        )
    try:
        check_namespace(namespace)
    except NotFoundError as error:
        if "/" in namespace or namespace == STDIN:
            return None, words
        raise click.UsageError(str(error)) from error
    if not names:
        raise click.UsageError(f"Name the pictures of {namespace}, or - for a list on the standard input.")
    return namespace, names


def _pictures(
    names: Sequence[str], stdin: Iterable[str], namespace: str | None, *, every_namespace: bool
) -> list[tuple[str | None, ImageHash]]:
    """Return the pictures that the names stand for, each once; without a namespace for all of them.

    A name of another namespace, or of none where each needs one, is a usage error.
    """
    pictures: dict[tuple[str | None, ImageHash], None] = {}
    for text in _lines(names, stdin):
        try:
            named, digits = read_picture(text)
        except ImagedError as error:
            raise click.UsageError(f"{error}. Nothing was erased.") from error
        if every_namespace:
            pictures[None, digits] = None
            continue
        if namespace is not None and named not in {None, namespace}:
            raise click.UsageError(f"{text} is in the namespace {named}, not in {namespace}. Nothing was erased.")
        if (own := namespace or named) is None:
            raise click.UsageError(f"{text} names no namespace: give it as the first word. Nothing was erased.")
        pictures[own, digits] = None
    return list(pictures)


def _lines(names: Sequence[str], stdin: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from (line.strip() for line in stdin if line.strip()) if name == STDIN else (name,)


def _images(
    pictures: Sequence[tuple[str | None, ImageHash]], settings: Settings, command: Erasing
) -> Iterator[ImageId]:
    """Yield the images; of a picture without a namespace those of every namespace that are known here."""
    namespaces = {*settings.namespaces, *_folders(Path(settings.store.path))}
    for namespace, digits in pictures:
        if namespace is not None:
            yield ImageId(namespace, digits)
            continue
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
