"""Sockets that a process is born with: systemd's by its protocol, those of the process before by ours."""

from __future__ import annotations

import ast
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from imaged.process import inheritance
from imaged.process.inheritance import Inheritance, Passed, Port, inherit, pass_on


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Return a socket that listens."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def given(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Return an environment that passes a listening socket and one that is none."""
    first = 900
    monkeypatch.setattr(inheritance, "FIRST_DESCRIPTOR", first)
    os.dup2(listening.fileno(), first)
    with open("/dev/null", "rb") as null:  # noqa: PTH123  # a device
        os.dup2(null.fileno(), first + 1)
    yield {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:null", "HOME": "/"}
    for descriptor in (first, first + 1):
        with suppress(OSError):  # whoever took it has closed it
            os.close(descriptor)


def test_nothing_is_given() -> None:
    """As when started by hand."""
    assert inherit({}) == Inheritance()


def test_what_systemd_passes(given: dict[str, str], listening: socket.socket) -> None:
    """By place and name; what does not listen keeps its place, and no child of ours gets any."""
    web, null = inherit(given).passed
    assert (web.name, null) == ("web", Passed("null", None))
    assert web.socket is not None
    assert web.socket.getsockname() == listening.getsockname()
    assert not web.socket.get_inheritable()
    assert not web.socket.getblocking()
    web.socket.close()
    assert given == {"HOME": "/"}


def test_names_are_not_always_there(given: dict[str, str]) -> None:
    """systemd-socket-activate gives none unless told to."""
    del given["LISTEN_FDNAMES"]
    first, second = inherit(given).passed
    assert (first.name, second) == ("", Passed("", None))
    assert first.socket is not None
    first.socket.close()


@pytest.mark.parametrize("change", [{"LISTEN_PID": "1"}, {"LISTEN_FDS": "many"}, {"LISTEN_PID": ""}])
def test_what_is_meant_for_another_process_is_left_alone(given: dict[str, str], change: dict[str, str]) -> None:
    """An environment is inherited by every child; the process number says whom it is for."""
    environ = given | change
    assert inherit(environ) == Inheritance()
    assert environ == {"HOME": "/"}


HEIR = """
import os
from imaged.process.inheritance import detach, inherit
heir = inherit(os.environ)
detach(heir)
ports = [(port.key, port.endpoint, port.socket.getsockname()[1]) for port in heir.ports]
passed = [(each.name, each.socket and each.socket.getsockname()[1]) for each in heir.passed]
heir.channel.sendall(repr((os.getpid(), ports, passed, sorted(os.environ))).encode())
"""


def test_a_process_hands_over_all_it_has(listening: socket.socket) -> None:
    """Its own ports by setting and endpoint, the sockets of systemd, a channel; but not its place in systemd's eyes.

    The heir leaves the process that was started, and says its own number first of all.
    """
    number = listening.getsockname()[1]
    ours, theirs = socket.socketpair()
    before = {"WATCHDOG_PID": "1", "WATCHDOG_USEC": "5", "LISTEN_FDS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    passed, ports = [Passed("web", listening), Passed("null", None)], [Port("listen", "tcp:0", listening)]
    with ours, theirs:
        environ, descriptors = pass_on(before, passed, ports, theirs)
        with subprocess.Popen([sys.executable, "-c", HEIR], env=environ, pass_fds=descriptors) as started:
            theirs.close()
            heard = ours.makefile().read()
    hello, _, rest = heard.partition("\n")
    heir, its_ports, its_passed, its_environ = ast.literal_eval(rest)
    assert json.loads(hello) == {"pid": heir}
    assert heir != started.pid
    assert its_ports == [("listen", "tcp:0", number)]
    assert its_passed == [("web", number), ("null", None)]
    assert [name for name in its_environ if name != "LC_CTYPE"] == ["PYTHONPATH", "WATCHDOG_USEC"]


def test_a_port_is_taken_once(listening: socket.socket) -> None:
    """By the setting and the endpoint that it was for; what nobody takes is closed, lest clients wait there."""
    other = socket.create_server(("127.0.0.1", 0))
    heir = Inheritance(ports=[Port("listen", "tcp:1", listening), Port("status.listen", "tcp:2", other)])
    assert heir.take("listen", "tcp:2") is None
    assert heir.take("listen", "tcp:1") is listening
    assert heir.take("listen", "tcp:1") is None
    assert heir.taken == ["listen"]
    heir.drop_ports()
    assert other.fileno() == -1
    assert listening.fileno() != -1
