"""A tombstone keeps a picture erased, whatever writes at the same moment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import ENOSPC
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.errors import GoneError
from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse, parse_stored
from imaged.core.pictures import ImageInfo
from imaged.store.disk import FileBody, NewVariant, variant_time_ns
from imaged.store.local import LocalStore
from imaged.store.size import StoreSize
from imaged.store.tombstones import ERASED, Tombstone, parse_key

BODY = b"the bytes of a picture"
HASH = ImageHash("f840ee339d264d4bab1b169a653b1a91")
IMAGE = ImageId("p", HASH)
INFO = ImageInfo(HASH, 1, 1, "image/png", len(BODY), sha256(BODY).hexdigest())
OUTPUT = parse("w10.jpg")


def keep(store: LocalStore) -> None:
    """Keep the original."""
    path = store.new_temporary()
    path.write_bytes(BODY)
    store.originals.keep(IMAGE, path, sha256(BODY).hexdigest())


def save(store: LocalStore) -> None:
    """Save an output."""
    store.variants.save(IMAGE, OUTPUT, BODY)


def save_apart(store: LocalStore) -> None:
    """Save an output whose name is taken, in a store that is superseded."""
    store.variants.save(IMAGE, OUTPUT, BODY)
    store.variants.supersede()
    store.variants.save(IMAGE, OUTPUT, BODY)


WRITES: list[Callable[[LocalStore], None]] = [
    keep,
    save,
    save_apart,
    lambda store: store.originals.save_info(IMAGE, INFO),
    lambda store: store.originals.mend_info(IMAGE, INFO),
]


def files_in(root: Path) -> list[str]:
    """Return the files of a store that have bytes of the picture, wherever they are."""
    return [str(path) for path in root.rglob("*") if path.is_file() and path.parent.name not in {ERASED, ".owners"}]


class ErasingSize(StoreSize):
    """Erases the picture at the moment at which a write has named its last file and looks for no tombstone yet."""

    def __init__(self, store: Callable[[], LocalStore], at: int) -> None:
        super().__init__()
        self._store = store
        self._at = at

    @contextmanager
    def changing(self, paths: Sequence[Path], root: Path) -> Iterator[None]:
        """Erase at the end."""
        with super().changing(paths, root):
            yield
        self._at -= 1
        if not self._at:
            self._store().tombstones.add(Tombstone(IMAGE, 1))


@pytest.mark.parametrize("partitions", [(3, 3), (3, 3, 3), (2,)])
def test_all_files_of_a_picture_go(tmp_path: Path, partitions: tuple[int, ...]) -> None:
    """Those of older layouts and of unknown names too, and those of no other picture or namespace."""
    store, other = LocalStore(tmp_path, partitions), ImageId("q", HASH)
    for each in ((3, 3), (3, 3, 3), partitions):
        for file in (ORIGINAL, RECORD, OUTPUT, parse_stored("hero~0123abcd.jpg")):
            path = LocalStore(tmp_path, each).path(IMAGE, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(BODY)
    store.path(IMAGE, ORIGINAL).with_name("notes.txt").write_bytes(BODY)
    store.variants.save(other, OUTPUT, BODY)
    assert len(store.tombstones.add(Tombstone(IMAGE, 1))) == 4 * len({(3, 3), (3, 3, 3), partitions}) + 1
    assert files_in(tmp_path) == [str(store.path(other, OUTPUT))]
    assert list((tmp_path / "p").iterdir()) == []  # the names of the folders were digits of the hash


def test_a_file_that_another_program_removes_meanwhile_is_no_obstacle(tmp_path: Path) -> None:
    """The store may forget an output while it is erased with the rest of its picture."""

    class Forgetting(StoreSize):
        @contextmanager
        def changing(self, paths: Sequence[Path], root: Path) -> Iterator[None]:  # noqa: ARG002  # as in StoreSize
            if is_erasing and paths[0].is_file():
                paths[0].unlink()
            yield

    is_erasing = False
    store = LocalStore(tmp_path, (3, 3), size=Forgetting())
    for write in (keep, save, lambda store: store.originals.save_info(IMAGE, INFO)):
        write(store)
    is_erasing = True
    store.tombstones.add(Tombstone(IMAGE, 1))
    assert files_in(tmp_path) == []


def test_an_erasure_makes_no_folder_and_no_lock(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start has made them: a full disk has no room for them, and an erasure is what makes room."""
    keep(store)
    store.tombstones.prepare()
    open_file = os.open

    def open_existing(path: Path, flags: int, *mode: int) -> int:
        check(path, is_new=bool(flags & os.O_CREAT) and path.name == "lock")
        return open_file(path, flags, *mode)

    def check(path: Path, *, is_new: bool = True, **_: object) -> None:
        if is_new and not path.exists():
            raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", check)
    monkeypatch.setattr(os, "open", open_existing)
    assert store.tombstones.add(Tombstone(IMAGE, 1)) == ["original"]


def test_folders_that_other_pictures_need_stay(store: LocalStore) -> None:
    """A picture whose hash begins with the same digits keeps its files."""
    near = ImageId("p", ImageHash(f"{str(HASH)[:6]}{'0' * 26}"))
    for image in (IMAGE, near):
        store.variants.save(image, OUTPUT, BODY)
    store.tombstones.add(Tombstone(IMAGE, 1))
    assert files_in(store.root) == [str(store.path(near, OUTPUT))]
    assert not store.layout.folder(IMAGE).exists()


def test_empty_folders_of_an_earlier_erasure_go(store: LocalStore) -> None:
    """A start removes them: earlier versions left them, and so does a power cut."""
    store.tombstones.add(Tombstone(IMAGE, 1))
    store.layout.folder(IMAGE).parent.mkdir(parents=True)
    store.tombstones.enforce_all(store.tombstones.all())
    assert list((store.root / "p").iterdir()) == []


@pytest.mark.parametrize("write", WRITES)
def test_nothing_is_kept_of_an_erased_picture(store: LocalStore, write: Callable[[LocalStore], None]) -> None:
    """A write that begins after the erasure raises GoneError, and leaves no file."""
    store.tombstones.add(Tombstone(IMAGE, 1))
    with pytest.raises(GoneError, match="was erased"):
        write(store)
    assert files_in(store.root) == []


def test_an_output_of_an_erased_picture_never_has_its_name(store: LocalStore) -> None:
    """A client that asks while a save ends, after the answer to the erasure, gets no output."""
    store.tombstones.add(Tombstone(IMAGE, 1))
    named: list[Path] = []

    def give(temporary: Path, final: Path) -> None:
        named.append(temporary.replace(final))

    other = ImageId("q", HASH)
    body = FileBody(BODY, variant_time_ns())
    errors = store.replace_all([NewVariant(each, OUTPUT, body) for each in (IMAGE, other)], give)
    assert [type(error) for error in errors] == [GoneError, type(None)]
    assert named == [store.path(other, OUTPUT)]
    assert files_in(store.root / ".incoming") == []


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("at", [1, 2])
def test_a_write_that_has_named_its_file_removes_it(
    tmp_path: Path, write: Callable[[LocalStore], None], at: int
) -> None:
    """An erasure at any moment of a write leaves no file: the write raises GoneError, or had ended before."""
    store = LocalStore(tmp_path, (3, 3), size=ErasingSize(lambda: LocalStore(tmp_path, (3, 3)), at))
    try:
        write(store)
    except GoneError:
        assert store.tombstones.find(IMAGE) is not None
    else:
        assert store.tombstones.find(IMAGE) is None
        return
    assert files_in(tmp_path) == []


def test_an_erasure_before_a_name_is_durable_is_no_fault_of_the_disk(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder goes with the file, and cannot be synced any more: the post gets GoneError."""
    link = os.link

    def link_and_erase(source: Path, target: Path) -> None:
        link(source, target)
        LocalStore(store.root, (3, 3)).tombstones.add(Tombstone(IMAGE, 1))  # as another process does

    monkeypatch.setattr(os, "link", link_and_erase)
    with pytest.raises(GoneError):
        keep(store)


def test_an_erasure_before_two_originals_are_compared_is_no_fault_of_the_disk(tmp_path: Path) -> None:
    """A post of the same bytes gets GoneError when the kept original goes meanwhile."""

    class ErasedStore(LocalStore):
        def name_first(self, image: ImageId, file: ImageFile, temporary: Path) -> bool:
            kept = super().name_first(image, file, temporary)
            self.tombstones.add(Tombstone(IMAGE, 1))
            return kept

    keep(LocalStore(tmp_path, (3, 3)))
    with pytest.raises(GoneError):
        keep(ErasedStore(tmp_path, (3, 3)))


def test_one_erased_picture_fails_alone(store: LocalStore) -> None:
    """The others of a batch are stored."""
    other, now_ns = ImageId("p", ImageHash("0" * 32)), variant_time_ns()
    store.tombstones.add(Tombstone(IMAGE, 1))
    batch = [NewVariant(image, OUTPUT, FileBody(BODY, now_ns)) for image in (IMAGE, other)]
    gone, kept = store.variants.save_all(batch)
    assert isinstance(gone, GoneError)
    assert kept is None
    assert files_in(store.root) == [str(store.path(other, OUTPUT))]


def test_outputs_kept_apart_are_dropped(store: LocalStore) -> None:
    """An older generation neither has nor gives the output that it keeps apart."""
    save_apart(store)
    LocalStore(store.root, (3, 3)).tombstones.add(Tombstone(IMAGE, 1))  # as another process does
    assert store.variants.open(IMAGE, OUTPUT) is None
    assert files_in(store.root) == []


def test_a_tombstone_is_lifted_unless_a_newer_one_stands(store: LocalStore) -> None:
    """A post lifts the erasure that it has seen, and no later one."""
    first, second = Tombstone(IMAGE, 1, "shop"), Tombstone(IMAGE, 2)
    store.tombstones.add(first)
    assert store.tombstones.find(IMAGE) == first
    store.tombstones.add(second)
    assert not store.tombstones.lift(first)
    assert store.tombstones.all() == [second]
    store.tombstones.note_stored(first, "s3")  # a job that ends late
    assert store.tombstones.find(IMAGE) == second
    assert store.tombstones.lift(second)
    assert store.tombstones.all() == []
    keep(store)
    assert store.has(IMAGE, ORIGINAL)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"at_ns": 1e999, "by": "", "stored_in": ""}'])
def test_a_damaged_tombstone_stands(store: LocalStore, body: bytes) -> None:
    """Its picture stays erased, from the time of the damage on, and can be posted again."""
    store.tombstones.add(Tombstone(IMAGE, 7))
    path, begin_ns = store.root / ERASED / f"p-{HASH}", variant_time_ns()
    path.write_bytes(body)
    found = store.tombstones.find(IMAGE)
    assert found is not None
    assert found == Tombstone(IMAGE, path.stat().st_mtime_ns)
    assert found.at_ns >= begin_ns
    assert store.tombstones.lift(found)


def test_no_image_is_what_tombstones_are_called(store: LocalStore) -> None:
    """A walk over the store shows no tombstone as an image."""
    keep(store)
    store.tombstones.add(Tombstone(ImageId("q", HASH), 1))
    assert [image for image, _ in store.walk()] == [IMAGE]


def test_the_record_says_when_a_picture_was_posted(store: LocalStore) -> None:
    """A record that is written again for other reasons does not count as a post; nor does a restored original."""
    store.originals.mend_info(IMAGE, INFO)
    assert store.originals.posted_ns(IMAGE) is None
    store.originals.save_info(IMAGE, INFO)
    posted_ns = store.originals.posted_ns(IMAGE)
    assert posted_ns is not None
    store.originals.mend_info(IMAGE, INFO)
    assert store.originals.posted_ns(IMAGE) == posted_ns


@given(st.from_regex("[a-z0-9_]{1,64}", fullmatch=True), st.from_regex("[0-9a-f]{32}", fullmatch=True), st.integers(0))
def test_a_key_tells_its_tombstone(namespace: str, digits: str, at_ns: int) -> None:
    """Nodes learn from the names of the keys alone."""
    tombstone = Tombstone(ImageId(namespace, ImageHash(digits)), at_ns)
    assert parse_key(tombstone.key) == tombstone
    assert parse_key(f"{tombstone.key}x") is None


@pytest.mark.parametrize("key", [".erased/", ".erased/lock", f".erased/p-{HASH}", f"p/{HASH}-1", f".erased/P-{HASH}-1"])
def test_other_keys_are_no_tombstones(key: str) -> None:
    """Whatever else is in the folder."""
    assert parse_key(key) is None
