"""Signatures of the SSH agent: a real one where OpenSSH is installed, and simulated failures."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from manta import MantaDouble
from manta_identity import md5_id, sha256_id, write_key

from imaged.api import StoreUnavailableError, Uploader
from imaged.testing.uploaders import ConditionalUploaderContract
from imaged.testing.waiting import wait
from imaged_manta.keys import KeyId
from imaged_manta.ssh_agent import AgentKey
from imaged_manta.uploader import MantaUploader

needs_openssh = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="no ssh-agent: install OpenSSH")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Start an agent without keys, and return a function that adds a key file to it."""
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the agent listens before it prints this
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))

        def add(key: Path) -> None:
            subprocess.run(["ssh-add", "-q", str(key)], check=True, env={**os.environ, "SSH_ASKPASS": "/bin/false"})

        yield add
        process.terminate()


@needs_openssh
class TestAgent(ConditionalUploaderContract):
    """Requests are signed by an agent."""

    @pytest.fixture
    def uploader(
        self,
        agent: Callable[[Path], None],
        private: rsa.RSAPrivateKey,
        tmp_path: Path,
        make_manta: Callable[..., MantaUploader],
    ) -> Uploader:
        """Return an uploader with a SHA256 fingerprint; the requests have the MD5 one."""
        agent(write_key(private, tmp_path / "for_agent"))
        return make_manta(key_id=sha256_id(private), key_file=None)


@needs_openssh
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_an_agent_signs_with_ecdsa(
    agent: Callable[[Path], None],
    manta: MantaDouble,
    make_manta: Callable[..., MantaUploader],
    tmp_path: Path,
    curve: object,
) -> None:
    """The agent's ECDSA signatures are converted to DER."""
    key = ec.generate_private_key(curve)  # type: ignore[arg-type]
    manta.add_key(key)
    agent(write_key(key, tmp_path / "curve"))
    uploader = make_manta(key_id=md5_id(key), key_file=None)
    assert wait(uploader.list("p")) == []
    assert all('algorithm="ecdsa-sha' in asked.headers["authorization"] for asked in manta.received)


@needs_openssh
def test_a_key_may_be_added_later(
    agent: Callable[[Path], None], private: rsa.RSAPrivateKey, make_manta: Callable[..., MantaUploader], tmp_path: Path
) -> None:
    """The store is unavailable until the agent has the key."""
    uploader = make_manta(key_file=None)
    with pytest.raises(StoreUnavailableError, match=r"the SSH agent has no key .* for Manta: add it with ssh-add"):
        wait(uploader.list("p"))
    agent(write_key(private, tmp_path / "for_agent"))
    assert wait(uploader.list("p")) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (None, "no SSH agent to sign for Manta: set SSH_AUTH_SOCK, or key_file"),
        ("/nowhere/agent", "the SSH agent cannot sign for Manta: No such file or directory"),
    ],
)
def test_no_agent(
    make_manta: Callable[..., MantaUploader], monkeypatch: pytest.MonkeyPatch, path: str | None, message: str
) -> None:
    """A missing agent makes the store unavailable, since it may start later."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    if path:
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
    with pytest.raises(StoreUnavailableError) as caught:
        wait(make_manta(key_file=None).list("p"))
    assert str(caught.value) == message


@contextmanager
def answering(path: Path, response: bytes, *, hold: bool = False) -> Iterator[None]:
    """Run an agent that sends one response, and then closes the connection unless `hold`."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(5)
                connection.sendall(response)
                done.wait(5 if hold else 0)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        done.set()
        thread.join()


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (b"\0\0\0\1\5", "it refuses the request"),
        (b"", "it closes the connection"),
        (b"\0\0\0\5\14\0", "it closes the connection"),
        (b"\7\0\0\0", "its response is not that of an SSH agent"),
    ],
)
def test_an_agent_that_fails(tmp_path: Path, response: bytes, message: str) -> None:
    """A failure of the agent is reported in one line."""
    key = AgentKey(KeyId.parse(":".join(["aa"] * 16)), lambda: str(tmp_path / "agent"))
    with answering(tmp_path / "agent", response), pytest.raises(StoreUnavailableError) as caught:
        key.sign(b"date: now")
    assert str(caught.value) == f"the SSH agent cannot sign for Manta: {message}"


def test_an_agent_that_hangs(tmp_path: Path) -> None:
    """An agent that hangs times out."""
    key = AgentKey(KeyId.parse(":".join(["aa"] * 16)), lambda: str(tmp_path / "agent"), timeout_s=0.1)
    with (
        answering(tmp_path / "agent", b"\0", hold=True),
        pytest.raises(StoreUnavailableError, match=r"^the SSH agent cannot sign for Manta: timed out$"),
    ):
        key.sign(b"date: now")
