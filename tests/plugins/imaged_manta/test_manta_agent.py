"""The SSH agent signs: a real one where OpenSSH is installed, and what an agent can answer otherwise."""

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
from imaged.testing.uploaders import UploaderContract
from imaged.testing.waiting import wait
from imaged_manta import Manta
from imaged_manta.agent import AgentKey
from imaged_manta.keys import KeyId

needs_openssh = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="no ssh-agent: install OpenSSH")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Start an agent that holds nothing; return what adds a key file to it."""
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it listens before it says so
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))

        def add(key: Path) -> None:
            subprocess.run(["ssh-add", "-q", str(key)], check=True, env={**os.environ, "SSH_ASKPASS": "/bin/false"})

        yield add
        process.terminate()


@needs_openssh
class TestAgent(UploaderContract):
    """With a key that an agent holds."""

    @pytest.fixture
    def uploader(
        self,
        agent: Callable[[Path], None],
        private: rsa.RSAPrivateKey,
        tmp_path: Path,
        make_manta: Callable[..., Manta],
    ) -> Uploader:
        """Return one that knows the key by its newer fingerprint; Manta is told the older."""
        agent(write_key(private, tmp_path / "for_agent"))
        return make_manta(key_id=sha256_id(private), key_file=None)


@needs_openssh
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_an_agent_signs_with_curves(
    agent: Callable[[Path], None], manta: MantaDouble, make_manta: Callable[..., Manta], tmp_path: Path, curve: object
) -> None:
    """Manta reads other bytes than agents give."""
    key = ec.generate_private_key(curve)  # type: ignore[arg-type]
    manta.add_key(key)
    agent(write_key(key, tmp_path / "curve"))
    uploader = make_manta(key_id=md5_id(key), key_file=None)
    assert wait(uploader.list("p")) == []
    assert all('algorithm="ecdsa-sha' in asked.headers["authorization"] for asked in manta.asked)


@needs_openssh
def test_a_key_may_come_later(
    agent: Callable[[Path], None], private: rsa.RSAPrivateKey, make_manta: Callable[..., Manta], tmp_path: Path
) -> None:
    """Until then the store is away."""
    uploader = make_manta(key_file=None)
    with pytest.raises(StoreUnavailableError, match=r"the SSH agent has no key .* for Manta: add it with ssh-add"):
        wait(uploader.list("p"))
    agent(write_key(private, tmp_path / "for_agent"))
    assert wait(uploader.list("p")) == []


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (None, "no SSH agent to sign for Manta: set SSH_AUTH_SOCK, or key_file"),
        ("/nowhere/agent", "the SSH agent cannot sign for Manta: No such file or directory"),
    ],
)
def test_no_agent(
    make_manta: Callable[..., Manta], monkeypatch: pytest.MonkeyPatch, path: str | None, told: str
) -> None:
    """Which is no fault of the configuration: it may come later."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    if path:
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
    with pytest.raises(StoreUnavailableError) as caught:
        wait(make_manta(key_file=None).list("p"))
    assert str(caught.value) == told


@contextmanager
def answering(path: Path, answer: bytes, *, hold: bool = False) -> Iterator[None]:
    """Run an agent that answers once, and then leaves unless it is to hold on."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(5)
                connection.sendall(answer)
                done.wait(5 if hold else 0)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        done.set()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"\0\0\0\1\5", "it refuses"),
        (b"", "it breaks off"),
        (b"\0\0\0\5\14\0", "it breaks off"),
        (b"\7\0\0\0", "its answer is no agent's"),
    ],
)
def test_an_agent_that_fails(tmp_path: Path, answer: bytes, told: str) -> None:
    """It is told in one line."""
    key = AgentKey(KeyId.parse(":".join(["aa"] * 16)), lambda: str(tmp_path / "agent"))
    with answering(tmp_path / "agent", answer), pytest.raises(StoreUnavailableError) as caught:
        key.sign(b"date: now")
    assert str(caught.value) == f"the SSH agent cannot sign for Manta: {told}"


def test_an_agent_that_hangs(tmp_path: Path) -> None:
    """Nobody waits for it for long."""
    key = AgentKey(KeyId.parse(":".join(["aa"] * 16)), lambda: str(tmp_path / "agent"), timeout_s=0.1)
    with (
        answering(tmp_path / "agent", b"\0", hold=True),
        pytest.raises(StoreUnavailableError, match=r"^the SSH agent cannot sign for Manta: timed out$"),
    ):
        key.sign(b"date: now")
