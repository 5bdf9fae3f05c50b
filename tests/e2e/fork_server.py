"""The program of `forked_daemon.py`: loads the modules of the daemon once, then forks a daemon for each message.

A message on the socket is a daemon's folder, arguments and environment as JSON, with the file that gets its output as a
descriptor. The answer is the id of the daemon, whose parent is the test. With a second argument, daemons wait for
shorter times.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import imaged
from imaged.garbage import LONG_LIVED

MOST_BYTES = 1 << 18
"""Of a message."""

MODULES = (
    "imaged.cli",
    "imaged.commands.configuration",
    "imaged.daemon.main",
    "imaged.daemon.start",
    "imaged.logs.files",
    "imaged.logs.streams",
    "imaged.process.ending",
    "imaged.process.notify",
    "imaged.workers.templates",
)
"""What a start imports, apart from Twisted's reactor: its epoll object would be that of all daemons."""


def shorten_waits() -> None:
    """Let daemons try again after 0.1 s what they try again after seconds, and after 1 s instead of a minute."""
    from imaged.core.backoff import Backoff  # noqa: PLC0415  # other daemons import these as a start does
    from imaged.daemon import health  # noqa: PLC0415  # as above
    from imaged.jobs import job_worker  # noqa: PLC0415  # as above

    health.RETRY_EVERY_S = 0.1  # before `start` takes the value
    from imaged.daemon import start  # noqa: PLC0415  # as above

    start.WATCH_EVERY_S = 1.0
    job_worker.LONGEST_PAUSE_S = 0.1
    job_worker.BACKOFF = Backoff(first_s=0.1, longest_s=300, attempts=21)
    job_worker.NO_ROOM = Backoff(first_s=0.1, longest_s=0.1, attempts=2)


def load_modules() -> None:
    """Import what each daemon imports."""
    for name in MODULES:
        __import__(name)
    assert "twisted.internet.reactor" not in sys.modules


def load_imagemagick() -> None:
    """Start ImageMagick, as a daemon does that renders on threads."""
    from imaged_magick.environment import start_imagemagick  # noqa: PLC0415  # others do not import it

    start_imagemagick()
    from imaged_magick import filters, memory  # noqa: F401, PLC0415  # these load its library


def serve(connection: socket.socket) -> None:
    """Fork daemons until the test closes its end."""
    while True:
        message, files, _, _ = socket.recv_fds(connection, MOST_BYTES, 1)
        if not message:
            return
        command, (log,) = json.loads(message), files
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            if (daemon := os.fork()) == 0:
                become(command, log, connection, read, write)
                return
            os.write(write, str(daemon).encode())
            os._exit(0)  # the kernel makes the test the parent
        os.close(write)
        os.close(log)
        os.waitpid(child, 0)
        connection.sendall(os.read(read, 100))
        os.close(read)


def become(command: dict[str, Any], log: int, connection: socket.socket, *pipe: int) -> None:
    """Run `python -m imaged` in this process, with the folder, the arguments and the environment of a message."""
    connection.close()
    for each in pipe:
        os.close(each)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environ"])
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [command["folder"], *(folder for folder in folders if folder and folder not in sys.path)]
    sys.argv = [str(Path(imaged.__path__[0]) / "__main__.py"), *command["arguments"]]
    sys.orig_argv[1:] = ["-m", "imaged", *command["arguments"]]
    from imaged.cli import main  # noqa: PLC0415  # it is loaded already

    main()


if __name__ == "__main__":
    LONG_LIVED.begin()
    if sys.argv[2:]:
        shorten_waits()
        load_imagemagick()
    load_modules()
    serve(socket.socket(fileno=int(sys.argv[1])))
