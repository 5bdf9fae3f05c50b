"""The peers of imaged: each with the same originals from a local folder, made to render the same.

A reader may add a server that runs already, as NAME=URL, whose URL has {width}, {height}, {quality}, {format} (jpg or
webp) and the original: {source}, its URL on loopback, or {file}, its name below `build/bench/originals`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import installs
import nginx
from figures import Bench, Section
from programs import Program, free_port
from sides import IPX, IPX_BASELINE, KINDS, ORIGINALS, Kind, MakePath, Side, always

HERE = Path(__file__).parent
THUMBOR, IMAGE_FILTER = "thumbor", "nginx image_filter"
ALL = (IPX, IPX_BASELINE, THUMBOR, IMAGE_FILTER)


@dataclass(frozen=True)
class Peer:
    """A server that can be started: `start` takes the folder for its own files and that of the originals."""

    name: str
    start: Callable[[Path, Path], Program]
    path: MakePath
    progressive: bool


def find_peers(bench: Bench, section: Section, names: Collection[str] = ALL) -> list[Peer]:
    """Install these peers where that is needed, and note how each is set, or why it is skipped."""
    peers: list[Peer] = []
    if IPX in names:
        peers += _ipx(bench, section)
    if THUMBOR in names:
        peers += _thumbor(bench, section)
    if IMAGE_FILTER in names:
        peers += _image_filter(section)
    return [peer for peer in peers if peer.name in names]


def peer_sides(bench: Bench, stack: ExitStack, section: Section, names: Collection[str] = ALL) -> list[Side]:
    """Start these peers with copies of the picture, and add the servers of the reader."""
    root = write_originals(bench.folder / "originals", bench.picture, ORIGINALS)
    sides = []
    for number, peer in enumerate(find_peers(bench, section, names)):
        program = stack.enter_context(peer.start(bench.work / f"peer-{number}", root))
        sides.append(Side(peer.name, program.address, peer.path, always(peer.progressive), program.pid))
    if bench.peers:
        port = free_port()
        command = [sys.executable, str(HERE / "bare_server.py"), str(root), str(port)]
        origin = stack.enter_context(Program(bench.work / "origin", command, port))
        for name, template in bench.peers.items():
            section.notes.append(f"{name} ran already, at {template}.")
            sides.append(_given(name, template, origin.address))
    return sides


def write_originals(folder: Path, picture: bytes, count: int) -> Path:
    """Write copies of a picture whose bytes differ behind its end, and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(picture + bytes([number]))
    return folder


def _ipx(bench: Bench, section: Section) -> Iterator[Peer]:
    modules = installs.ipx(bench.folder, bench.say, may_install=bench.may_install)
    if modules is None:
        section.notes.append("ipx was skipped: it was not installed from npm.")
        return
    section.notes.append(
        f"{installs.ipx_versions(modules)}: one process of Node.js, whose sharp uses all cores; progressive JPEGs, its "
        "default, not mozjpeg. The baseline ones are those of a second server, with `jpegProgressive: false` for sharp."
    )

    def start(folder: Path, root: Path, *, progressive: bool) -> Program:
        port = free_port()
        options = [str(modules), str(root), str(port), str(progressive).lower()]
        return Program(folder, ["node", str(HERE / "ipx_server.mjs"), *options], port)

    def path(number: int, kind: Kind, quality: int) -> str:
        return f"/s_{kind.width}x{kind.height},q_{quality},f_{kind.format}/{number}.jpg"

    yield Peer(IPX, lambda folder, root: start(folder, root, progressive=True), path, progressive=True)
    yield Peer(IPX_BASELINE, lambda folder, root: start(folder, root, progressive=False), path, progressive=False)


def _thumbor(bench: Bench, section: Section) -> Iterator[Peer]:
    found = installs.thumbor(bench.folder, bench.say, may_install=bench.may_install)
    if found is None:
        section.notes.append("thumbor was skipped: it was not installed from PyPI.")
        return
    version = subprocess.run([str(found), "--version"], check=False, capture_output=True, text=True, timeout=60)
    section.notes.append(
        f"{version.stdout.strip()}: two processes, `file_loader`, no storage of originals and results, progressive "
        "JPEGs (its default)."
    )

    def start(folder: Path, root: Path) -> Program:
        port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "thumbor.conf").write_text(
            f"LOADER = 'thumbor.loaders.file_loader'\nFILE_LOADER_ROOT_PATH = {str(root)!r}\n"
            "STORAGE = 'thumbor.storages.no_storage'\nRESULT_STORAGE = None\nPROGRESSIVE_JPEG = True\n"
        )
        options = ["--ip", "127.0.0.1", "--port", str(port), "--processes", "2", "--conf", "thumbor.conf"]
        return Program(folder, [str(found), *options], port)

    def path(number: int, kind: Kind, quality: int) -> str:
        return f"/unsafe/{kind.width}x{kind.height}/filters:quality({quality}):format({kind.format})/{number}.jpg"

    yield Peer(THUMBOR, start, path, progressive=True)


def _image_filter(section: Section) -> Iterator[Peer]:
    module = nginx.image_filter()
    if nginx.program() is None or module is None:
        section.notes.append("nginx image_filter was skipped: install nginx and libnginx-mod-http-image-filter.")
        return
    section.notes.append("nginx image_filter: a process for each core, baseline JPEGs; it makes no WebP of a JPEG.")

    def path(number: int, kind: Kind, quality: int) -> str | None:
        return f"/{kind.width}x{kind.height}/q{quality}/{number}.jpg" if kind.format == "jpeg" else None

    yield Peer(IMAGE_FILTER, lambda folder, root: nginx.start_filter(folder, root, module), path, False)


def _given(name: str, template: str, origin: str) -> Side:
    url = urlsplit(template)
    address = f"{url.scheme}://{url.netloc}"

    def path(number: int, kind: Kind, quality: int) -> str:
        whole = template.format(
            width=kind.width,
            height=kind.height,
            quality=quality,
            format=kind.extension,
            file=f"{number}.jpg",
            source=f"{origin}/{number}.jpg",
        )
        return whole.removeprefix(address)

    side = Side(name, address, path, always(False))
    seen = side.look(KINDS[0])
    return replace(side, progressive=always(seen is not None and seen[-1]))
