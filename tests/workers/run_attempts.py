"""Tries each attempt in a forked process of its own, confined or not. Prints the outcomes as JSON.

Run as `python run_attempts.py FOLDER confined|free UID`. As another user, the process becomes that user first.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from threading import Thread

from attempts import ATTEMPTS, World, outcome

from imaged.workers.confinement import Bounds, Confinement, confine, die_with_parent, prepare

_FREE = Confinement(0, seccomp=False, missing=())
BOUNDS = Bounds(address_bytes=1 << 29, file_bytes=1 << 24, descriptors=64)


def main(base: Path, confined: bool, uid: int) -> None:  # noqa: FBT001
    """Try everything."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if uid != os.getuid():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as after the start of a program
    abstract = f"imaged-test-{os.getpid()}"
    listener = socket.create_server(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(f"\0{abstract}")
    unix.listen()
    datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    datagrams.bind(f"\0{abstract}-datagrams")
    prepare()
    found: dict[str, object] = {}
    outcomes: dict[str, str] = {}
    for name in ATTEMPTS:
        ours, theirs = socket.socketpair()
        world = World(
            folder=base / "own",
            beside=base / "beside",
            readable=base / "readable",
            abstract=abstract,
            port=listener.getsockname()[1],
            connection=theirs,
            unconnected=socket.socket(),
            unix=socket.socket(socket.AF_UNIX),
            datagrams=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
            original=os.memfd_create("original"),
            parent=os.getpid(),
            confined=confined,
        )
        os.write(world.original, b"original")
        _furnish(world)
        found, outcomes[name] = _try(name, world, ours)
        for each in (ours, theirs, world.unconnected, world.unix, world.datagrams):
            each.close()
        os.close(world.original)
    json.dump({"confinement": found, "outcomes": outcomes}, sys.stdout)


def _furnish(world: World) -> None:
    for path in (world.folder / "mine", world.readable / "asset", world.beside / "kept", world.beside / "doomed"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"content")
    for path in world.beside.iterdir():
        if path.name == "folder":
            path.rmdir()
        elif path.name not in {"kept", "doomed"}:
            path.unlink()
    for path in world.folder.iterdir():
        if path.name != "mine":
            path.unlink()


def _try(name: str, world: World, ours: socket.socket) -> tuple[dict[str, object], str]:
    """Return what holds in the process, and the outcome."""
    read, write = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        ours.close()
        os.close(read)
        die_with_parent(parent)
        held = confine(world.folder, BOUNDS, [world.readable]) if world.confined else _FREE
        os.write(write, json.dumps(asdict(held)).encode() + b"\n")
        _, result = ATTEMPTS[name]
        os.write(write, outcome(result, world).encode())
        os._exit(0)
    os.close(write)
    peer = Thread(target=_answer, args=(ours,))
    peer.start()
    world.connection.close()
    reported = b""
    while piece := os.read(read, 65536):
        reported += piece
    os.close(read)
    _, status = os.waitpid(pid, 0)
    peer.join()
    held_line, _, result_text = reported.partition(b"\n")
    if os.WIFSIGNALED(status):
        return json.loads(held_line), signal.Signals(os.WTERMSIG(status)).name
    return json.loads(held_line), result_text.decode() or f"exit {os.waitstatus_to_exitcode(status)}"


def _answer(ours: socket.socket) -> None:
    """Answer what `use its connection` sends: bytes, then bytes with a descriptor."""
    if ours.recv(4, socket.MSG_WAITALL) != b"ping":
        return
    _, descriptors, _, _ = socket.recv_fds(ours, 4, 1)
    ours.sendall(b"PINGPONG")
    os.write(descriptors[0], b"pipe")
    os.close(descriptors[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "confined", int(sys.argv[3]))
