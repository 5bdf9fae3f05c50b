"""What goes wrong with Manta is told in one line, and each call ends soon."""

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
from imaged.testing.fakes import run_at_once
from imaged.testing.waiting import wait
from imaged_manta import Limits, Manta
from imaged_manta.keys import FileKey
from imaged_manta.signing import Signer

LARGE = bytes(5_000_000)


SHORT = Limits(connect_s=1.0, idle_s=1.5, whole_s=15.0)
"""For a store that is made to hang: nothing else must need that long, on a busy machine either."""

SOON_S = 15.0
"""A call that fails ends within this, where the usual limits would have it wait for minutes."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file to upload."""
    path = tmp_path / "file"
    path.write_bytes(b"a picture, perhaps")
    return path


@pytest.fixture
def stocked(manta: MantaDouble, make_manta: Callable[..., Manta], file: Path) -> Manta:
    """Return an uploader whose store holds one key, p/1."""
    uploader = make_manta(limits=SHORT)
    wait(uploader.upload("p/1", file, "image/jpeg"))
    manta.asked.clear()
    return uploader


def told(error: type[Exception], call: object) -> str:
    """Return what a call fails with."""
    with pytest.raises(StoreError) as caught:
        wait(call)  # type: ignore[arg-type]
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("sin", "meaning"),
    [
        ("hang", "is too slow: no sign of life for 1.5 s"),
        ("reset", "breaks off, or sends what is no HTTP (ConnectionLost)"),
        ("close", "breaks off, or sends what is no HTTP (ConnectionDone)"),
        ("500", "refuses {key} (500 InternalError): an unexpected error occurred"),
        ("503", "refuses {key} (503 InternalError): an unexpected error occurred"),
        ("forbid", "refuses {key} (403 AuthorizationFailed): the user may not do this: give the user a role that may"),
    ],
)
def test_a_store_that_is_away(
    stocked: Manta, manta: MantaDouble, file: Path, tmp_path: Path, sin: str, meaning: str
) -> None:
    """Uploads, downloads and lists say so, and soon; the next call finds it back."""
    calls: tuple[tuple[str, Callable[[], object]], ...] = (
        ("p/1", lambda: stocked.upload("p/1", file, "image/jpeg")),
        ("p/1", lambda: stocked.download("p/1", tmp_path / "back")),
        ("the list of /poseidon/stor/images/p", lambda: stocked.list("p/")),
    )
    for key, call in calls:
        manta.misbehave(sin, times=2 if sin in {"reset", "close"} else 1)
        began_s = time.monotonic()
        assert told(StoreUnavailableError, call()).startswith(
            f"Manta at {manta.url.removeprefix('http://')} {meaning.format(key=key)}"
        )
        assert time.monotonic() - began_s < SOON_S
        assert not (tmp_path / "back").exists()
    assert wait(stocked.download("p/1", tmp_path / "back"))


def test_deleting_ends_with_the_first_failure(stocked: Manta, manta: MantaDouble) -> None:
    """When the store is away, no other key would fare better."""
    manta.misbehave("503", "HEAD", times=20)
    told(StoreUnavailableError, stocked.delete([f"p/{number}" for number in range(1000)]))
    assert len(manta.asked) <= 20


@pytest.mark.parametrize(
    ("sin", "error", "meaning"),
    [
        ("half", StoreUnavailableError, "is too slow: no sign of life for 1.5 s"),
        ("short", StoreUnavailableError, "breaks off, or sends what is no HTTP"),
        ("garble", StoreError, "Manta sends other bytes of p/1 than it has by Content-MD5: try again"),
    ],
)
def test_a_download_that_fails_leaves_nothing(
    stocked: Manta, manta: MantaDouble, tmp_path: Path, sin: str, error: type[Exception], meaning: str
) -> None:
    """Neither a part of the file nor other bytes."""
    manta.misbehave(sin, "GET")
    before = set(tmp_path.iterdir())
    assert meaning in told(error, stocked.download("p/1", tmp_path / "back"))
    assert set(tmp_path.iterdir()) == before


def test_a_404_of_somebody_else_is_no_answer(stocked: Manta, manta: MantaDouble, tmp_path: Path) -> None:
    """An address that is not Manta's must not make originals vanish."""
    manta.misbehave("page", "GET")
    assert "in a way that is not Manta's: check url" in told(
        StoreUnavailableError, stocked.download("p/1", tmp_path / "back")
    )


def test_an_upload_that_is_refused_early(stocked: Manta, manta: MantaDouble, tmp_path: Path) -> None:
    """It is told so, or sent once more when the end of the connection overtakes the answer; the next one goes well."""
    (tmp_path / "large").write_bytes(LARGE)
    manta.misbehave("early", "PUT")
    with suppress(StoreUnavailableError):
        wait(stocked.upload("p/large", tmp_path / "large", "image/jpeg"))
    wait(stocked.upload("p/large", tmp_path / "large", "image/jpeg"))
    assert manta.tree.entries["/poseidon/stor/images/p/large"].body == LARGE


def test_a_dropped_request_is_sent_once_more(stocked: Manta, manta: MantaDouble, file: Path) -> None:
    """And not twice: the queue tries again, later."""
    manta.misbehave("close", "PUT")
    wait(stocked.upload("p/2", file, "image/jpeg"))
    assert manta.methods() == ["PUT", "PUT"]


def test_nobody_listens(make_manta: Callable[..., Manta], file: Path) -> None:
    """Which the address may be to blame for."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    uploader = make_manta(url=f"http://127.0.0.1:{port}")
    assert told(StoreUnavailableError, uploader.upload("p/1", file, "image/jpeg")) == (
        f"Manta at 127.0.0.1:{port} refuses the connection: check url (ConnectionRefusedError)"
    )


def test_a_request_takes_no_longer_than_allowed(
    manta: MantaDouble, make_manta: Callable[..., Manta], tmp_path: Path
) -> None:
    """However many signs of life it gives."""
    manta.misbehave("hang")
    uploader = make_manta(limits=Limits(connect_s=1.0, idle_s=60.0, whole_s=0.3))
    meaning = told(StoreUnavailableError, uploader.download("p/1", tmp_path / "back"))
    assert meaning.endswith("is too slow: one request takes more than 0.3 s")


@pytest.mark.parametrize(
    ("changes", "told_is"),
    [
        ({"account": "jo"}, "(403 AccountDoesNotExist): there is no such account: check account"),
        ({"user": "fred"}, "(403 UserDoesNotExist): the account has no such user: check user"),
        ({"user": "jane"}, "(403 NoMatchingRoleTag): none of the roles is on the directory: check roles, or tag it"),
        ({"user": "jane", "roles": ["king"]}, "(409 InvalidRole): the user has no such role: check roles"),
    ],
)
def test_whoever_may_not(
    manta: MantaDouble,
    make_manta: Callable[..., Manta],
    private: rsa.RSAPrivateKey,
    file: Path,
    changes: dict[str, object],
    told_is: str,
) -> None:
    """The setting to look at is named."""
    manta.add_key(private, user="jane", roles=("writer",))
    meaning = told(StoreUnavailableError, make_manta(**changes).upload("p/1", file, "image/jpeg"))
    assert told_is in meaning


def test_a_key_that_the_account_does_not_have(make_manta: Callable[..., Manta], file: Path, tmp_path: Path) -> None:
    """It has to be added there."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = str(write_key(other, tmp_path / "other"))
    uploader = make_manta(key_id=md5_id(other), key_file=path)
    assert "(403 KeyDoesNotExist): the account or the user has no such key: check key_id" in told(
        StoreUnavailableError, uploader.upload("p/1", file, "image/jpeg")
    )


def test_a_key_that_is_not_the_one(
    manta: MantaDouble, make_manta: Callable[..., Manta], private: rsa.RSAPrivateKey, file: Path
) -> None:
    """Manta has another under this fingerprint, or somebody changes the date on its way."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    manta.users["/poseidon"].keys[md5_id(private)] = other.public_key()
    assert "(403 InvalidSignature): the signature does not match" in told(
        StoreUnavailableError, make_manta().upload("p/1", file, "image/jpeg")
    )


def test_a_clock_that_is_wrong(make_manta: Callable[..., Manta], private: rsa.RSAPrivateKey, file: Path) -> None:
    """By more than five minutes, either way."""
    for off_s in (-400, 400):
        uploader = make_manta()
        uploader._connection._signer = Signer(
            FileKey(private), "/poseidon", [], lambda off_s=off_s: time.time() + off_s, run_at_once
        )
        meaning = told(StoreUnavailableError, uploader.upload("p/1", file, "image/jpeg"))
        assert meaning.endswith("(400 InvalidHeader): the clock of this machine is wrong, or Manta's: set it")
