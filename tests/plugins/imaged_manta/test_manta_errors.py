"""Errors of Manta give one line with advice, and each call ends soon."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from manta import MantaDouble
from manta_identity import md5_id, write_key

from imaged.api import StoreError, StoreUnavailableError
from imaged.testing.waiting import wait
from imaged_manta.client import Timeouts
from imaged_manta.keys import FileKey
from imaged_manta.signing import Signer
from imaged_manta.uploader import MantaUploader

LARGE = bytes(5_000_000)


SHORT = Timeouts(connect_s=1.0, idle_s=1.5, total_s=15.0)
"""Timeouts for a store that hangs; all other calls are faster, also on a busy machine."""

SOON_S = 15.0
"""The time in which a failing call ends; with the default timeouts it would take minutes."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file to upload."""
    path = tmp_path / "file"
    path.write_bytes(b"a picture, perhaps")
    return path


@pytest.fixture
def stocked(manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path) -> MantaUploader:
    """Return an uploader to a store with one key, p/1."""
    uploader = make_manta(timeouts=SHORT)
    wait(uploader.upload("p/1", file, "image/jpeg"))
    manta.received.clear()
    return uploader


def message_of(error: type[Exception], call: object) -> str:
    """Return the message of the error that a call raises."""
    with pytest.raises(StoreError) as caught:
        wait(call)  # type: ignore[arg-type]
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        ("hang", "is too slow: the request makes no progress"),
        ("reset", "closes the connection, or does not speak HTTP (ConnectionResetError)"),
        ("close", "closes the connection, or does not speak HTTP (RemoteDisconnected)"),
        ("500", "refuses {key} (500 InternalError): an unexpected error occurred"),
        ("503", "refuses {key} (503 InternalError): an unexpected error occurred"),
        ("forbid", "refuses {key} (403 AuthorizationFailed): the user may not do this: give the user a role that may"),
    ],
)
def test_an_unavailable_store(
    stocked: MantaUploader, manta: MantaDouble, file: Path, tmp_path: Path, fault: str, meaning: str
) -> None:
    """Uploads, downloads and lists raise StoreUnavailableError soon, and the next call succeeds."""
    calls: tuple[tuple[str, Callable[[], object]], ...] = (
        ("p/1", lambda: stocked.upload("p/1", file, "image/jpeg")),
        ("p/1", lambda: stocked.download("p/1", tmp_path / "back")),
        ("the listing of /poseidon/stor/images/p", lambda: stocked.list("p/")),
    )
    for key, call in calls:
        manta.misbehave(fault, times=2 if fault in {"reset", "close"} else 1)
        began_s = time.monotonic()
        assert message_of(StoreUnavailableError, call()).startswith(
            f"Manta at {manta.url.removeprefix('http://')} {meaning.format(key=key)}"
        )
        assert time.monotonic() - began_s < SOON_S
        assert not (tmp_path / "back").exists()
    assert wait(stocked.download("p/1", tmp_path / "back"))


def test_deleting_ends_with_the_first_failure(stocked: MantaUploader, manta: MantaDouble) -> None:
    """Deleting many keys stops at the first failure."""
    manta.misbehave("503", "HEAD", times=20)
    message_of(StoreUnavailableError, stocked.delete([f"p/{number}" for number in range(1000)]))
    assert len(manta.received) <= 20


@pytest.mark.parametrize(
    ("fault", "error", "meaning"),
    [
        ("half", StoreUnavailableError, "is too slow: the request makes no progress"),
        ("short", StoreUnavailableError, "closes the connection, or does not speak HTTP"),
        ("garble", StoreError, "the bytes of p/1 from Manta do not match their Content-MD5: try again"),
    ],
)
def test_a_failed_download_writes_nothing(
    stocked: MantaUploader, manta: MantaDouble, tmp_path: Path, fault: str, error: type[Exception], meaning: str
) -> None:
    """A failed download leaves neither a partial file nor wrong bytes."""
    manta.misbehave(fault, "GET")
    before = set(tmp_path.iterdir())
    assert meaning in message_of(error, stocked.download("p/1", tmp_path / "back"))
    assert set(tmp_path.iterdir()) == before


def test_a_404_of_another_server_is_an_error(stocked: MantaUploader, manta: MantaDouble, tmp_path: Path) -> None:
    """A 404 of a server that is not Manta does not mean that the key is missing."""
    manta.misbehave("page", "GET")
    assert "without an error of Manta: check url" in message_of(
        StoreUnavailableError, stocked.download("p/1", tmp_path / "back")
    )


def test_an_upload_that_is_refused_early(stocked: MantaUploader, manta: MantaDouble, tmp_path: Path) -> None:
    """An upload that Manta refuses early fails, or is retried if the connection closes first; the next one succeeds."""
    (tmp_path / "large").write_bytes(LARGE)
    manta.misbehave("early", "PUT")
    with suppress(StoreUnavailableError):
        wait(stocked.upload("p/large", tmp_path / "large", "image/jpeg"))
    wait(stocked.upload("p/large", tmp_path / "large", "image/jpeg"))
    assert manta.tree.entries["/poseidon/stor/images/p/large"].body == LARGE


def test_a_dropped_request_is_retried_once(stocked: MantaUploader, manta: MantaDouble, file: Path) -> None:
    """A request on a dropped connection is sent a second time, but no third time."""
    manta.misbehave("close", "PUT")
    wait(stocked.upload("p/2", file, "image/jpeg"))
    assert manta.methods() == ["PUT", "PUT"]


def test_a_refused_connection(make_manta: Callable[..., MantaUploader], file: Path) -> None:
    """A refused connection gives advice to check the url."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    uploader = make_manta(url=f"http://127.0.0.1:{port}")
    assert message_of(StoreUnavailableError, uploader.upload("p/1", file, "image/jpeg")) == (
        f"Manta at 127.0.0.1:{port} refuses the connection: check url (ConnectionRefusedError)"
    )


def test_a_request_takes_no_longer_than_allowed(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], tmp_path: Path
) -> None:
    """A request ends after its total time, even if it makes progress."""
    uploader = make_manta(timeouts=Timeouts(connect_s=10.0, idle_s=60.0, total_s=0.05))
    manta.misbehave("slow")
    meaning = message_of(StoreUnavailableError, uploader.download("p/1", tmp_path / "back"))
    assert meaning.endswith("is too slow: one request takes more than 0.05 s")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"account": "jo"}, "(403 AccountDoesNotExist): there is no such account: check account"),
        ({"user": "fred"}, "(403 UserDoesNotExist): the account has no such user: check user"),
        ({"user": "jane"}, "(403 NoMatchingRoleTag): none of the roles is on the directory: check roles, or tag it"),
        ({"user": "jane", "roles": ["king"]}, "(409 InvalidRole): the user has no such role: check roles"),
    ],
)
def test_a_denied_request(
    manta: MantaDouble,
    make_manta: Callable[..., MantaUploader],
    private: rsa.RSAPrivateKey,
    file: Path,
    changes: dict[str, object],
    expected: str,
) -> None:
    """A denied request names the setting to check."""
    manta.add_key(private, user="jane", roles=("writer",))
    meaning = message_of(StoreUnavailableError, make_manta(**changes).upload("p/1", file, "image/jpeg"))
    assert expected in meaning


def test_an_unknown_key(make_manta: Callable[..., MantaUploader], file: Path, tmp_path: Path) -> None:
    """An unknown key gives advice to add it to the account."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = str(write_key(other, tmp_path / "other"))
    uploader = make_manta(key_id=md5_id(other), key_file=path)
    assert "(403 KeyDoesNotExist): the account or the user has no such key: check key_id" in message_of(
        StoreUnavailableError, uploader.upload("p/1", file, "image/jpeg")
    )


def test_a_wrong_signature(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], private: rsa.RSAPrivateKey, file: Path
) -> None:
    """A signature fails if Manta has another key for the fingerprint, or the date was changed in transit."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    manta.users["/poseidon"].keys[md5_id(private)] = other.public_key()
    assert "(403 InvalidSignature): the signature does not match" in message_of(
        StoreUnavailableError, make_manta().upload("p/1", file, "image/jpeg")
    )


def test_a_wrong_clock(make_manta: Callable[..., MantaUploader], private: rsa.RSAPrivateKey, file: Path) -> None:
    """A clock that is more than five minutes early or late is reported."""
    for off_s in (-400, 400):
        uploader = make_manta()

        def wrong_s(off_s: float = off_s) -> float:
            return time.time() + off_s

        uploader._client._signer = Signer(FileKey(private), "/poseidon", [], wrong_s)
        meaning = message_of(StoreUnavailableError, uploader.upload("p/1", file, "image/jpeg"))
        assert meaning.endswith("(400 InvalidHeader): the clock of this machine or of Manta is wrong: synchronise it")
