"""`imaged erase`: which pictures it takes, what it removes and queues, and its exit status."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest
from click.testing import CliRunner, Result

from imaged.cli import main
from imaged.commands import configuration
from imaged.commands.picture_names import read_picture
from imaged.core.errors import MalformedRequestError
from imaged.core.files import ORIGINAL, parse_file
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.jobs.queue import JobQueue
from imaged.store.local import LocalStore

DIGITS = "f840ee339d264d4bab1b169a653b1a91"
HOME = "f84/0ee/339d264d4bab1b169a653b1a91"
CAT, DOG = ImageId("p", ImageHash(DIGITS)), ImageId("p", ImageHash("0" * 32))
OTHER_USER = 12345
FILES = ("original", "info.json", "w5.jpg", "x9.webp")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMAGED_CONFIG", raising=False)
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(configuration, "SYSTEM", tmp_path / "system.yaml")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    """Return the queue of a daemon that has uploaded one more output than it has."""
    queue = JobQueue(tmp_path / "state", time.time)
    queue.uploaded.add("bucket", CAT, [ORIGINAL, parse_file("w6.jpg")])
    queue.add("render", CAT, [parse("w7.jpg")])
    yield queue
    queue.close()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Return a store with the files of two pictures, one of them in two namespaces."""
    store = LocalStore(tmp_path / "public", (3, 3))
    for image in (CAT, DOG, ImageId("q", CAT.hash)):
        for name in FILES:
            path = store.path(image, parse_file(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"secret")
    return store


def invoke(*arguments: str, lines: str = "", settings: str = "{uploader: noop}") -> Result:
    """Run `imaged erase …` on that store and queue."""
    Path("imaged.yaml").write_text(settings)
    sets = ["--set", "state_dir=state", "--set", "store.path=public"]
    return CliRunner().invoke(main, ["erase", "-c", "imaged.yaml", *sets, *arguments], input=lines)


def queued(queue: JobQueue) -> list[tuple[str, str, str]]:
    """Return the kind, the image and the file of each job."""
    return queue._db.execute("SELECT kind, namespace || '/' || hash, output FROM jobs ORDER BY id").fetchall()


@pytest.mark.parametrize(
    "text",
    [
        f"p/{DIGITS}",
        f"/p/{HOME}",
        f"p/{HOME}/w500.jpg",
        f"/p/{HOME}/w500.jpg?s=abc&e=1#top",
        f"https://img.example/p/{HOME}/original",
        f"https://bucket.example/public/images/p/{HOME}/w5%2Ejpg",
        f"/var/lib/imaged/public/p/{HOME}/info.json",
        f"p/{DIGITS.upper()}",
        f"p-{DIGITS}",
        f"  p/{DIGITS}\n",
    ],
)
def test_a_picture_has_many_names(text: str) -> None:
    """A path, a URL, a key and a tag give the namespace and the hash."""
    assert read_picture(text) == ("p", CAT.hash)


@pytest.mark.parametrize("text", [DIGITS, HOME, f"/{HOME}", f"f/{DIGITS[1:]}", f"NOT/{DIGITS}"])
def test_a_bare_hash_has_no_namespace(text: str) -> None:
    """However it is cut; a part that cannot be a namespace is none."""
    assert read_picture(text)[0] is None


@pytest.mark.parametrize("text", ["", "p", DIGITS[1:], f"{DIGITS}0", "p/w500.jpg", "https://[", "p/" + "g" * 32])
def test_other_texts_are_no_pictures(text: str) -> None:
    """Nothing is erased by a name that is cut off or misspelt."""
    with pytest.raises(MalformedRequestError):
        read_picture(text)


def test_an_erasure_removes_the_files_and_queues_the_rest(queue: JobQueue, store: LocalStore) -> None:
    """The local files and queued renders are gone, the tombstone has the user, and one job erases the remote files."""
    result = invoke("p", DIGITS)
    assert (result.exit_code, result.stdout) == (0, f"p/{DIGITS}: erased 4 local files\n")
    assert store.files(CAT) == []
    assert len(store.files(DOG)) == len(store.files(ImageId("q", CAT.hash))) == len(FILES)
    tombstone = store.tombstones.find(CAT)
    assert tombstone is not None
    assert tombstone.by.startswith("imaged erase (")
    assert queued(queue) == [("erase", f"p/{DIGITS}", "original")]
    assert queue.uploaded_files(CAT) == []


@pytest.mark.usefixtures("store")
def test_caches_are_purged_of_all_that_is_known(queue: JobQueue) -> None:
    """The purge of local and of uploaded files is queued, for a minute later."""
    result = invoke("p", DIGITS, settings="{purgers: [purge], plugins: {purge: {urls: [http://127.0.0.1]}}}")
    assert result.stdout == f"p/{DIGITS}: erased 4 local files; queued for the daemon: purge of caches\n"
    purged = {name for kind, _, name in queued(queue) if kind == "purge"}
    assert purged == {*FILES, "w6.jpg"}
    assert queue.claim("purge") == []
    assert 50 < (queue.next_due_s("purge") or 0) <= 60


def test_outputs_alone_are_forgotten(queue: JobQueue, store: LocalStore) -> None:
    """The original stays, and the daemon forgets the remote outputs."""
    result = invoke("p", DIGITS, "--outputs")
    assert (result.exit_code, result.stdout) == (0, f"p/{DIGITS}: forgot 2 local outputs\n")
    assert [str(file) for file in store.files(CAT)] == ["original", "info.json"]
    assert store.tombstones.find(CAT) is None
    assert ("erase", f"p/{DIGITS}", "info.json") in queued(queue)


def test_a_dry_run_changes_nothing(queue: JobQueue, store: LocalStore) -> None:
    """It prints the files that are known here and there."""
    before = queued(queue)
    result = invoke("p", DIGITS, "--dry-run")
    assert result.stdout == (
        f"p/{DIGITS}: 4 local files (original info.json w5.jpg x9.webp), 2 remote files (original w6.jpg)\n"
    )
    assert len(store.files(CAT)) == len(FILES)
    assert queued(queue) == before
    assert store.tombstones.find(CAT) is None


@pytest.mark.usefixtures("queue")
def test_a_list_comes_on_the_standard_input(store: LocalStore) -> None:
    """Each line is a picture, in any spelling; one that is there twice is erased once."""
    result = invoke("p", "-", lines=f"{DIGITS}\n\n  p/{DOG.hash}/w5.jpg  \nhttps://img.example/p/{HOME}/original\n")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert store.files(CAT) == store.files(DOG) == []


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    "words",
    [
        ["p"],
        ["P", DIGITS],
        ["p", DIGITS, "nonsense"],
        ["p", DIGITS, f"q/{DIGITS}"],
        [DIGITS],
        [],
        [HOME],
        [f"p/{DIGITS}", DIGITS],
        [DIGITS, DIGITS],
        ["p", "https://img.example/p/@shop/red.jpg/w5.jpg"],
    ],
)
def test_a_wrong_name_erases_nothing(store: LocalStore, words: list[str]) -> None:
    """All names are read first: exit status 2 says that nothing was erased."""
    result = invoke(*words)
    assert result.exit_code == 2
    assert len(store.files(CAT)) == len(FILES)


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("words", [[f"p/{DIGITS}", f"/q/{HOME}"], [f"https://img.example/p/{HOME}/w5.jpg", "-"]])
def test_paths_and_urls_need_no_namespace(store: LocalStore, words: list[str]) -> None:
    """Each names its own, also on the standard input."""
    result = invoke(*words, lines=f"https://img.example/q/{HOME}/original\n")
    assert result.exit_code == 0
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [f"p/{DIGITS}", f"q/{DIGITS}"]
    assert store.files(CAT) == store.files(ImageId("q", CAT.hash)) == []
    assert len(store.files(DOG)) == len(FILES)


@pytest.mark.usefixtures("queue")
def test_every_namespace_has_its_own_copy(store: LocalStore) -> None:
    """The same bytes are erased in each namespace that has them; a picture that none has is said."""
    result = invoke("--every-namespace", DIGITS, "1" * 32)
    assert result.exit_code == 0
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [f"p/{DIGITS}", f"q/{DIGITS}"]
    assert "no namespace has it here" in result.stderr
    assert store.files(CAT) == store.files(ImageId("q", CAT.hash)) == []
    assert len(store.files(DOG)) == len(FILES)


@pytest.mark.usefixtures("store")
def test_an_unknown_picture_gets_a_tombstone(queue: JobQueue) -> None:
    """Another node or the remote store may have it."""
    result = invoke("p", "1" * 32)
    assert (result.exit_code, result.stdout) == (0, f"p/{'1' * 32}: erased 0 local files\n")
    assert ("erase", f"p/{'1' * 32}", "original") in queued(queue)


@pytest.mark.usefixtures("queue")
def test_outputs_of_an_erased_picture_are_an_error() -> None:
    """Exit status 1 says that a picture was not done; the others are."""
    invoke("p", DIGITS)
    result = invoke("p", DIGITS, str(DOG.hash), "--outputs")
    assert result.exit_code == 1
    assert f"p/{DIGITS}: p/{DIGITS} was erased" in result.stderr
    assert f"p/{DOG.hash}: forgot" in result.stdout


@pytest.mark.usefixtures("store")
def test_without_a_queue_nothing_is_erased(store: LocalStore) -> None:
    """Without the queue's file the settings are not those of a daemon."""
    result = invoke("p", DIGITS)
    assert result.exit_code == 1
    assert "no job queue in state" in str(result.exception)
    assert len(store.files(CAT)) == len(FILES)


@pytest.mark.usefixtures("queue")
def test_secrets_of_the_daemon_are_not_needed(store: LocalStore) -> None:
    """Tokens and options of plugins may be in an environment that only the daemon has."""
    result = invoke("p", DIGITS, settings="{access: {tokens: [{name: a, token: {env: MISSING_TOKEN}}]}}")
    assert result.exit_code == 0, result.output
    assert store.files(CAT) == []


@pytest.fixture
def foreign() -> Iterator[Path]:
    """Return a folder with a store and a queue of another user, whom root lets reach it."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to give the store to another user")
    folder = Path(mkdtemp())
    (folder / "public").mkdir()
    JobQueue(folder / "state", time.time).close()
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, OTHER_USER, OTHER_USER)
    yield folder
    rmtree(folder)


def test_root_writes_as_the_owner_of_the_store(foreign: Path) -> None:
    """The daemon, which is not root, can remove the tombstone later."""
    sets = ["--set", f"state_dir={foreign}/state", "--set", f"store.path={foreign}/public"]
    command = [sys.executable, "-m", "imaged", "erase", *sets, "p", DIGITS]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    written = [path for path in foreign.rglob("*") if path.is_file()]
    assert any(path.parent.name == ".erased" for path in written)
    assert {path.stat().st_uid for path in written} == {OTHER_USER}


def test_a_user_without_a_name_has_a_number(
    store: LocalStore, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container, the user of the daemon may be in no list of users."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert invoke("p", DIGITS).exit_code == 0
    (tombstone,) = store.tombstones.all()
    assert tombstone.by == "imaged erase (4000000000)"
    assert ("erase", str(CAT), "original") in queued(queue)
