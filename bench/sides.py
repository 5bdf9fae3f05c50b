"""The sides of a comparison of misses, and the daemons among them: imaged as it can be set."""

from __future__ import annotations

import importlib.util
import itertools
import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from figures import Bench
from PIL import Image
from servers import Server

ORIGINALS = 48


@dataclass(frozen=True)
class Kind:
    """An output that every side makes: a picture filled to a size, as JPEG or WebP."""

    name: str
    width: int
    height: int
    format: str

    @property
    def extension(self) -> str:
        """The ending of imaged's name."""
        return "jpg" if self.format == "jpeg" else self.format


KINDS = (
    Kind("x300.jpg", 300, 300, "jpeg"),
    Kind("w1000.jpg", 1000, 817, "jpeg"),
    Kind("x300.webp", 300, 300, "webp"),
)

IPX = "ipx"
IPX_BASELINE = "ipx, baseline"


MakePath = Callable[[int, Kind, int], str | None]
"""Returns the path of an original's number, an output and a quality, or None where the server can't make it."""


@dataclass
class Side:
    """A server, which makes what `path` returns.

    `progressive` says whether its JPEG of an output is progressive, `pid` is its process where we started it.
    """

    name: str
    address: str
    path: MakePath
    progressive: Callable[[Kind], bool]
    pid: int | None = None

    def paths(self, kind: Kind, first: int) -> Iterator[str]:
        """Yield paths that no client has asked for yet, from the `first` on: each original in turn, then a quality."""
        for number in itertools.count(first):
            quality = 75 + QUALITIES[number // ORIGINALS % len(QUALITIES)]
            path = self.path(number % ORIGINALS, kind, quality)
            if path is None:
                return
            yield path

    def look(self, kind: Kind) -> tuple[str, int, int, bool] | None:
        """Return format, width, height and whether it is progressive, of an output that is not measured."""
        if not (path := self.path(0, kind, UNUSED_QUALITY)):
            return None
        with urllib.request.urlopen(self.address + path, timeout=60) as answer, Image.open(answer) as picture:
            return picture.format or "", picture.width, picture.height, picture.info.get("progressive", 0) == 1

    def check(self, kind: Kind) -> None:
        """Raise RuntimeError unless the server makes the output as all others do: its size, and its kind of JPEG."""
        if seen := self.look(kind):
            format, width, height, progressive = seen
            is_kind = progressive == (kind.format == "jpeg" and self.progressive(kind))
            if (format, width) != (kind.format.upper(), kind.width) or abs(height - kind.height) > 1 or not is_kind:
                raise RuntimeError(f"{self.name} made {seen}, not {kind}")

    def reference(self, kind: Kind) -> str:
        """Return the name of the side that makes the same: ipx, with the same kind of JPEG."""
        return IPX if kind.format != "jpeg" or self.progressive(kind) else IPX_BASELINE


UNUSED_QUALITY = 40
QUALITIES = [0, *itertools.chain.from_iterable((each, -each) for each in range(1, 23))]
"""What is added to quality 75, so that names are new and their mean stays 75."""


def always(answer: bool) -> Callable[[Kind], bool]:  # noqa: FBT001  # one value
    """Return a function that has one answer for every output."""
    return lambda _: answer


def imaged_sides(
    bench: Bench, stack: ExitStack, settings: Mapping[str, Sequence[str]], originals: int = ORIGINALS
) -> list[Side]:
    """Start a daemon for each of these settings, and post the originals to it."""
    sides = []
    for number, (name, given) in enumerate(settings.items()):
        bench.work.mkdir(exist_ok=True)
        server = stack.enter_context(Server(bench.work / f"imaged-{number}", given))
        homes = post(server, [bench.picture + bytes([each]) for each in range(originals)])
        progressive = always(False) if "images.progressive=false" in given else _automatic
        sides.append(Side(name, server.public, _imaged_path(homes), progressive, server.pid))
    return sides


def processors(bench: Bench) -> list[str]:
    """Return the processors that are installed, fastest first."""
    if importlib.util.find_spec("imaged_pillow") is None:
        bench.say("  pillow is skipped: the plugin is not installed")
        return ["magick"]
    return ["pillow", "magick"]


def chain(processor: str) -> str:
    """Return the setting that has this processor come first."""
    return "processors=[pillow, magick]" if processor == "pillow" else f"processors=[{processor}]"


def post(server: Server, pictures: Sequence[bytes]) -> list[str]:
    """Post pictures, two at a time, and return their paths."""

    def send(body: bytes) -> str:
        with urllib.request.urlopen(f"{server.public}/p", body, timeout=60) as answer:
            return f"/p/{json.load(answer)['partitionedHash']}"

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(send, pictures))


def _automatic(kind: Kind) -> bool:
    return kind.width * kind.height > 100_000  # noqa: PLR2004  # images.progressive: auto


def _imaged_path(homes: Sequence[str]) -> Callable[[int, Kind, int], str]:
    return lambda number, kind, quality: f"{homes[number]}/{kind.name.partition('.')[0]}-q{quality}.{kind.extension}"
