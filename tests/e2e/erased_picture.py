"""A picture that clients read and post while it is erased, and the places where bytes of it may be left."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daemon import Answer, Daemon, request
from processes import living_in

from imaged.testing.pictures import make_png

QUEUED = "x10.png"
"""The output that each post orders."""

NAMES = ("original", "info.json", QUEUED, *(f"w{width}.png" for width in range(1, 40)), "w20.auto")
"""The files that readers ask for; some are new to the store each time."""

CUT_OFF = ".rclone_temp_put_"
"""How files begin that rclone leaves when it is killed during an upload. It lists none of them, so no client knows."""

EXPECTED = {200, 404, 410, 503}
"""404: no store has the picture, and its tombstone is lifted. 503: the remote store is away, or files just went."""


@dataclass(frozen=True)
class Seen:
    """One answer to a client, and when its request began and ended."""

    began_s: float
    ended_s: float
    status: int
    method: str


class Picture:
    """A picture whose original has a mark that its outputs, which are stripped, do not have."""

    def __init__(self) -> None:
        self.mark = f"erase me {random.random()}".encode()
        self.body = make_png(comment=self.mark.decode())
        self.hash = hashlib.md5(self.body).hexdigest()

    def ask(self, daemon: Daemon, method: str, name: str = "", body: bytes | None = None) -> Answer | None:
        """Send a request for a file of it, or for itself. Return None when the daemon died before it had answered."""
        with suppress(OSError, ValueError):
            return request(daemon.public, method, f"/p/{self.hash}/{name}".rstrip("/"), body)
        return None

    def post(self, daemon: Daemon) -> Answer | None:
        """Post it."""
        with suppress(OSError, ValueError):
            return request(daemon.public, "POST", f"/p?outputs={QUEUED}", self.body)
        return None

    def path(self, root: Path, name: str) -> Path:
        """Return the path of one of its files in a store."""
        return root / "p" / self.hash[:3] / self.hash[3:6] / self.hash[6:] / name

    def left_in(self, folder: Path) -> list[str]:
        """Return the files below a folder that are files of it, or have its mark."""
        return [str(path) for path in folder.rglob("*") if path.is_file() and self._is_in(path)]

    def _is_in(self, path: Path) -> bool:
        if path.parent.name == ".erased" or path.name.startswith(("log-", CUT_OFF)):
            return False
        with suppress(FileNotFoundError):
            return self.hash in "".join(path.parts) or self.mark in path.read_bytes()
        return False

    def left_in_memory(self, daemon: Daemon) -> list[str]:
        """Return the files in memory that have its mark: the copies of originals for workers."""
        found = []
        for pid in living_in(daemon.folder):
            for path in Path(f"/proc/{pid}/fd").glob("*"):
                with suppress(OSError):
                    if str(path.readlink()).startswith("/memfd:original") and self.mark in path.read_bytes():
                        found.append(str(path))
        return found


class Crowd:
    """Clients that read and post a picture until they are stopped: half of them each."""

    def __init__(self, daemon: Daemon, picture: Picture, size: int) -> None:
        self._daemon = daemon
        self._picture = picture
        self._posting = threading.Event()
        self._posting.set()
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._in_flight = 0
        self.seen: list[Seen] = []
        work = [self._read, self._post]
        self._threads = [threading.Thread(target=work[number % 2]) for number in range(size)]
        for thread in self._threads:
            thread.start()

    def stop_posts(self) -> None:
        """Begin no more posts, and return when those in flight have ended."""
        self._posting.clear()
        while self._in_flight:
            time.sleep(0.01)

    def post_again(self) -> None:
        """Continue to post."""
        self._posting.set()

    def stop(self) -> None:
        """Stop after the last answers."""
        self._done.set()
        self._posting.set()
        for thread in self._threads:
            thread.join()

    def statuses(self) -> Counter[tuple[str, int]]:
        """Count the answers by method and status."""
        with self._lock:
            return Counter((each.method, each.status) for each in self.seen)

    def since(self, began_s: float) -> Iterator[Seen]:
        """Yield the answers to requests that began after a moment."""
        with self._lock:
            yield from [each for each in self.seen if each.began_s > began_s]

    def posts_after(self, ended_s: float) -> list[Seen]:
        """Return the posts that were answered with 200 after a moment."""
        with self._lock:
            return [
                each for each in self.seen if (each.method, each.status) == ("POST", 200) and each.ended_s > ended_s
            ]

    def _note(self, method: str, began_s: float, answer: Answer | None) -> None:
        if answer is None:
            self._done.wait(0.05)  # the daemon is dead, or starts
            return
        with self._lock:
            self.seen.append(Seen(began_s, time.monotonic(), answer.status, method))

    def _read(self) -> None:
        while not self._done.is_set():
            began_s = time.monotonic()
            self._note("GET", began_s, self._picture.ask(self._daemon, "GET", random.choice(NAMES)))
            self._done.wait(0.02)

    def _post(self) -> None:
        while not self._done.is_set():
            self._posting.wait()
            with self._lock:
                if not self._posting.is_set():
                    continue
                self._in_flight += 1
            try:
                began_s = time.monotonic()
                self._note("POST", began_s, self._picture.post(self._daemon))
            finally:
                with self._lock:
                    self._in_flight -= 1
            self._done.wait(0.05)
