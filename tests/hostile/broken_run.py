"""Send broken files to a real daemon, and ask for outputs of those that it takes.

Each answer has to be 200, 4xx, or 503 with Retry-After for a file that takes too long, and has to come within
`render.timeout_s` and a second. After each file the daemon has to serve a good picture that it has not seen before.
Prints how many answers had which status, and the slowest ones. The exit status is 1 when an answer was wrong.

    make hostile ARGS='--isolation thread --timeout-s 10'
    make hostile ARGS='--processors pillow,magick'
    make hostile ARGS='--folder CORPUS'          send the files of a folder instead
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from corpus import SEED, corpus
from daemon import Daemon, request
from damage import Files
from other_files import CONTENT_TYPES

from imaged.testing.pictures import make_png

OUTPUTS = ("x300.jpg", "w100.webp", "x50.gif", "w60.avif")
CLIENTS = 2
READ_ALL = "images.read_formats=[jpg, png, gif, webp, avif, heic, tiff, bmp]"
GOOD_WITHIN_S = 60.0
"""How long a good picture may get 503 while the threads still work on hostile ones."""


@dataclass(frozen=True)
class Seen:
    """One answer: of which file, to which request, its status, and the start of its body if that is an error."""

    name: str
    what: str
    status: int
    elapsed_s: float
    error: str

    def __str__(self) -> str:
        return f"{self.status} after {self.elapsed_s:.2f} s, {self.what} of {self.name}: {self.error}"


class BrokenRun:
    """Sends files to `daemon`. `seen` has every answer, and `faults` what is wrong with them.

    An answer may take `within_s` seconds.
    """

    def __init__(self, daemon: Daemon, within_s: float) -> None:
        self._daemon = daemon
        self._within_s = within_s
        self.seen: list[Seen] = []
        self.faults: list[str] = []

    def send_all(self, files: Files, clients: int = CLIENTS) -> None:
        """Send each file, from several clients at once."""
        with ThreadPoolExecutor(clients) as pool:
            for number, _ in enumerate(pool.map(self._send, files.items(), cycle(CONTENT_TYPES)), 1):
                if not number % 250:
                    sys.stdout.write(f"{number} of {len(files)} files\n")
                    sys.stdout.flush()

    def _send(self, file: tuple[str, Callable[[], bytes]], content_type: str) -> None:
        name, make = file
        body = make()
        path = self._ask(name, "POST /p", lambda: self.post(body, content_type))
        for output in OUTPUTS if path else ():
            self._ask(name, f"GET {output}", lambda output=output: self.get(f"{path}/{output}"))
        if not self._serves_good(name):
            self.faults.append(f"after {name}: a good picture was not served")

    def post(self, body: bytes, content_type: str) -> tuple[int, str, str | None]:
        """Post a file; return the status, the error or the path of the picture, and Retry-After."""
        answer = request(self._daemon.public, "POST", "/p", body, {"Content-Type": content_type})
        text = f"/p/{answer.json()['partitionedHash']}" if answer.status == 200 else answer.body.decode()
        return answer.status, text, answer.headers.get("retry-after")

    def get(self, target: str) -> tuple[int, str, str | None]:
        """Ask for an output; return the status, the error, and Retry-After."""
        answer = request(self._daemon.public, "GET", target)
        return answer.status, "" if answer.status == 200 else answer.body.decode(), answer.headers.get("retry-after")

    def _ask(self, name: str, what: str, send: Callable[[], tuple[int, str, str | None]]) -> str | None:
        """Send a request and judge the answer; return its text when the status is 200."""
        began_s = time.monotonic()
        try:
            status, text, retry_after = send()
        except Exception as error:  # a connection that broke, for example: it is the fault that this looks for
            self.faults.append(f"no answer to {what} of {name}: {error!r}")
            return None
        elapsed_s = time.monotonic() - began_s
        seen = Seen(name, what, status, elapsed_s, "" if status == 200 else text.strip()[:200])
        self.seen.append(seen)
        allowed = status == 200 or 400 <= status < 500 or (status == 503 and retry_after is not None)
        if not allowed or elapsed_s > self._within_s:
            self.faults.append(str(seen))
        return text if status == 200 else None

    def _serves_good(self, name: str) -> bool:
        """Say whether the daemon takes and renders a new good picture, if need be after other work."""
        end_s = time.monotonic() + GOOD_WITHIN_S
        body = make_png(20, 10, comment=name.encode("ascii", "replace").decode())
        while time.monotonic() < end_s:
            status, path, _ = self.post(body, "image/png")
            if status == 200:
                status, _, _ = self.get(f"{path}/x8.jpg")
            if status != 503:
                return status == 200
            time.sleep(1)
        return False

    def report(self) -> Iterable[str]:
        """Yield the lines of a report."""
        counts = Counter((each.what, each.status) for each in self.seen)
        for (what, status), count in sorted(counts.items()):
            yield f"{what:14} {status}  {count:6}"
        yield f"{'all':14}      {len(self.seen):6}"
        yield "503: " + "; ".join(f"{each.what} of {each.name}" for each in self.seen if each.status == 503)
        yield "the slowest:"
        yield from (f"  {each}" for each in sorted(self.seen, key=lambda each: -each.elapsed_s)[:8])
        yield from (f"FAULT {each}" for each in self.faults)


def _read_folder(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes for path in sorted(folder.rglob("*")) if path.is_file()}


def main() -> None:
    """Run a daemon for each kind of isolation, and print what it answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="a folder of files to send, instead of made ones")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--isolation", choices=("process", "thread"), default="process")
    parser.add_argument("--processors", default="magick", help="as in the settings, separated by commas: pillow,magick")
    parser.add_argument("--timeout-s", type=float, default=30.0)
    given = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder))
        daemon.start(
            f"processors=[{given.processors}]",
            f"render.isolation={given.isolation}",
            f"render.timeout_s={given.timeout_s}",
            f"render.concurrency={CLIENTS}",
            READ_ALL,
        )
        try:
            pid = daemon.pid
            run = BrokenRun(daemon, given.timeout_s + 1)
            files = _read_folder(given.folder) if given.folder else corpus(given.files, given.seed)
            run.send_all(files)
            if daemon.pid != pid:
                run.faults.append("the daemon has another process id")
            print(*run.report(), sep="\n")  # noqa: T201 -- what this is run for
        finally:
            status = daemon.stop()
    settings = f"{given.processors}, isolation {given.isolation}"
    print(  # noqa: T201 -- as above
        f"{len(files)} files in {time.monotonic() - began_s:.0f} s, {settings}, exit status {status}"
    )
    sys.exit(1 if run.faults or status else 0)


if __name__ == "__main__":
    main()
