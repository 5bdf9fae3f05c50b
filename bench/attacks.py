"""What each attack of a hostile processor costs: `render.isolation: process` against `thread`.

Each attack gets a daemon of its own for each kind of isolation. The processor is that of the tests,
`tests/e2e/imaged_hostile.py`, which does what the comment of a picture says. With threads, it does so in the daemon.

    python bench/attacks.py [DEED …]
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import signal
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from process_tree import measure
from servers import Server

from imaged.testing.pictures import make_png

PLUGINS = Path(__file__).parents[1] / "tests" / "e2e"
TIMEOUT_S = 2
PATIENCE_S = 12
"""How long a client waits for an answer."""

KINDS = ("thread", "process")
DEEDS = (
    "segfault", "abort", "exit_with_0", "raise_system_exit", "write_to_closed_pipe", "sleep", "loop", "loop_with_lock",
    "eat_memory", "eat_memory_in_c", "leak", "fork", "write_garbage", "write_half", "close_files", "write_noise",
    "read_files", "write_files", "read_environment", "connect", "listen", "execute", "kill_parent", "trace_parent",
    "fill_folder", "other_format", "gigabyte",
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What an attack cost: its answer, what happened to the daemon, and what is left of it."""

    answer: str
    daemon: str
    left: str

    def __str__(self) -> str:
        return "; ".join(filter(None, (self.answer, self.daemon, self.left)))


def install(folder: Path) -> dict[str, str]:
    """Install the hostile processor in a folder. Return the environment in which imaged finds it."""
    about = folder / "hostile-1.dist-info"
    about.mkdir(parents=True)
    for module in PLUGINS.glob("imaged_hostile*.py"):
        shutil.copy(module, folder)
    (about / "entry_points.txt").write_text("[imaged]\nhostile = imaged_hostile\n")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1\n")
    return {"PYTHONPATH": str(folder)}


def ask(server: Server, method: str, target: str, body: bytes = b"") -> tuple[str, bytes]:
    """Send a request. Return the status or the failure in words, and the body."""
    url = urlsplit(server.public)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=PATIENCE_S)
    try:
        connection.request(method, target, body or None)
        answer = connection.getresponse()
        return str(answer.status), answer.read()
    except TimeoutError:
        return f"no answer in {PATIENCE_S} s", b""
    except (OSError, http.client.HTTPException):
        return "connection lost", b""
    finally:
        connection.close()


def post(server: Server, comment: str) -> str:
    """Post a picture with a comment. Return its path."""
    _, body = ask(server, "POST", "/p", make_png(comment=comment))
    digits = body.partition(b'"hash": "')[2][:32].decode()
    return f"/p/{digits}"


def attack(folder: Path, kind: str, deed: str, environ: dict[str, str], port: int) -> Cost:
    """Have the deed done in a daemon that is started for it. The deed `connect` connects to `port`."""
    temporary = folder / "temporary"
    temporary.mkdir(parents=True)
    secret = folder / "secret"
    secret.write_text("SECRET")
    settings = [
        f"render.isolation={kind}",
        f"render.timeout_s={TIMEOUT_S}",
        "render.concurrency=2",
        "render.maximum_pixels=1000000",
        "processors=[hostile]",
        f"plugins.hostile.files=[{secret}]",
        f"plugins.hostile.port={port}",
    ]
    environ = {**environ, "TMPDIR": str(temporary), "SOME_TOKEN": "SECRET"}
    around = ("sh", "-c", '"$@"; exit 0', "sh")  # a parent that an attack may kill
    server = Server(folder / "daemon", settings, environ=environ, around=around)
    try:
        server.__enter__()
        daemon = server.daemon_pid
        good, bad = post(server, "good"), post(server, f"hostile render {deed} now")
        ask(server, "GET", f"{good}/w4.png")
        before = measure(daemon)
        began_s = time.monotonic()
        answer, _ = ask(server, "GET", f"{bad}/w5.png")
        took_s = time.monotonic() - began_s
        works = [ask(server, "GET", f"{good}/w{width}.png")[0] for width in (6, 7)]
        alive = works[-1] != "connection lost"
        state = "the daemon died" if not alive else f"then {' '.join(works)}" if {*works} != {"200"} else ""
        left = []
        if alive and (more_mib := measure(daemon).pss_mib - before.pss_mib) > 20:  # noqa: PLR2004  # noise
            left.append(f"{more_mib:.0f} MiB more")
        if not server.parent_lives:
            left.append("its parent was killed")
        if files := [path for path in temporary.rglob("*") if path.name.startswith(("left", "large"))]:
            left.append(f"{len(files)} files left")
        if not secret.exists() or secret.read_text() != "SECRET":
            left.append("the secret file was removed")
        if answer == "500" and "EscapedError" in server.log_text:
            left.append("the attack succeeded")
        return Cost(f"{answer} after {took_s:.1f} s", state, ", ".join(left))
    finally:
        _end_all(folder)
        with suppress(Exception):  # it is dead, or was never alive
            server.__exit__()


def _end_all(folder: Path) -> None:
    """Kill every process whose working directory or TMPDIR is in the folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if str(folder).encode() in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)


def main() -> None:
    """Do each deed, and print a row of a table for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("deeds", nargs="*", default=DEEDS)
    given = parser.parse_args()
    print("| attack | thread | process |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        environ = install(Path(name) / "site")
        for deed in given.deeds:
            costs = [str(attack(Path(name) / f"{deed}-{kind}", kind, deed, environ, port)) for kind in KINDS]
            print(f"| {deed} | {' | '.join(costs)} |", flush=True)


if __name__ == "__main__":
    main()
