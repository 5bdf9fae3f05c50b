"""CheckedUploader checks what an uploader returns and raises, and bounds the time of each call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from imaged.api import StoreError, StoreUnavailableError
from imaged.core.errors import PluginFailedError
from imaged.hooks.boundary import calls
from imaged.hooks.checked_uploader import LONGEST_S, CheckedUploader
from imaged.hooks.contract_check import Metadata

PANIC = type("PanicException", (BaseException,), {})
FATAL = [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, CancelledError, PANIC]
KEY = "public/p/original"


class Odd:
    """An uploader with the methods of a test."""

    def __init__(self, **methods: Any) -> None:
        vars(self).update(methods)


def checked(clock: Clock | None = None, **methods: Any) -> CheckedUploader:
    """Return a checked uploader `odd`."""
    odd: Any = Odd(**methods)
    return CheckedUploader("odd", Metadata("", "here"), odd, clock or Clock())


def ended(coroutine: Any) -> Any:
    """Return the result of a coroutine that waits for nothing, or raise its error."""
    results: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    return result


def returning(value: Any) -> Any:
    """Return an async method that returns a value."""

    async def method(*_: object) -> Any:
        return value

    return method


@pytest.mark.parametrize("error", FATAL)
@pytest.mark.parametrize("when", ["at once", "after a wait"])
def test_any_other_error_is_a_failure_of_the_plugin(
    tmp_path: Path, error: type[BaseException], when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SystemExit, too, and a cancellation that is not the caller's."""
    monkeypatch.setattr(
        "imaged.hooks.boundary.is_interrupt", lambda _: False
    )  # as in a daemon, which handles the signal

    async def upload(*_: object) -> None:
        if when == "after a wait":
            await succeed(None)
        raise error

    with pytest.raises(PluginFailedError, match=r"^uploader odd: upload of public/p/original "):
        ended(checked(upload=upload).upload(KEY, tmp_path, "image/jpeg"))
    assert calls() == []


@pytest.mark.parametrize("error", [StoreError("full"), StoreUnavailableError("away")])
def test_the_errors_of_the_contract_pass(error: Exception) -> None:
    """The caller gets them unchanged."""

    async def list_keys(_: str) -> list[str]:
        raise error

    with pytest.raises(type(error)):
        ended(checked(list=list_keys).list("public/"))


@pytest.mark.parametrize("value", [False, True, 0, "done"])
def test_upload_and_delete_return_none(tmp_path: Path, value: Any) -> None:
    """False may mean that the file is not stored; a file that counts as stored would be lost."""
    with pytest.raises(PluginFailedError, match=r"it returned .*, not None: say what went wrong by an error"):
        ended(checked(upload=returning(value)).upload(KEY, tmp_path, "image/jpeg"))
    with pytest.raises(
        PluginFailedError, match="uploader odd: delete of public/p/original failed, a bug of the plugin"
    ):
        ended(checked(delete=returning(value)).delete([KEY]))
    ended(checked(upload=returning(None)).upload(KEY, tmp_path, "image/jpeg"))


def test_a_method_that_is_not_async_is_refused(tmp_path: Path) -> None:
    """A method that is declared with def blocks the reactor while it works."""
    for value in (None, True, "done"):
        with pytest.raises(PluginFailedError, match="uploader odd: upload of public/p/original failed: TypeError"):
            ended(checked(upload=lambda *_, value=value: value).upload(KEY, tmp_path, "image/jpeg"))
    ended(checked(upload=lambda *_: succeed(None)).upload(KEY, tmp_path, "image/jpeg"))


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_a_download_returns_a_bool(tmp_path: Path, value: Any) -> None:
    """Another value does not say whether the key exists."""
    with pytest.raises(PluginFailedError, match="not True or False"):
        ended(checked(download=returning(value)).download(KEY, tmp_path / "back"))


def test_a_download_that_claims_a_file_has_written_one(tmp_path: Path) -> None:
    """There is a file at the path, not a directory."""
    uploader = checked(download=returning(True))
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(PluginFailedError, match="it returned True, but there is no file"):
            ended(uploader.download(KEY, path))
    (tmp_path / "back").write_bytes(b"")
    assert ended(uploader.download(KEY, tmp_path / "back")) is True
    assert ended(checked(download=returning(False)).download(KEY, tmp_path / "none")) is False


@pytest.mark.parametrize("value", [True, 1, b"v2", "x" * 501, "\n", "é"])
def test_a_conditional_download_returns_a_version(tmp_path: Path, value: Any) -> None:
    """It is a short text, which is kept."""
    (tmp_path / "back").write_bytes(b"")
    with pytest.raises(PluginFailedError, match="uploader odd: download_changed of public/p/original failed, a bug"):
        ended(checked(download_changed=returning(value)).download_changed(KEY, tmp_path / "back", "v1", 9))


def test_a_conditional_download_of_another_version_has_written_a_file(tmp_path: Path) -> None:
    """The known version needs no file, and nor does a missing key."""
    for version, known in (("v2", "v1"), ("v2", ""), ("", ""), ("", "v1")):
        uploader = checked(download_changed=returning(version))
        with pytest.raises(PluginFailedError, match="it returned another version, but there is no file"):
            ended(uploader.download_changed(KEY, tmp_path / "nothing", known, 9))
        (tmp_path / "back").write_bytes(b"")
        assert ended(uploader.download_changed(KEY, tmp_path / "back", known, 9)) == version
    for unwritten in ("v1", None):
        uploader = checked(download_changed=returning(unwritten))
        assert ended(uploader.download_changed(KEY, tmp_path / "nothing", "v1", 9)) == unwritten


def test_an_uploader_without_conditions_downloads_all(tmp_path: Path) -> None:
    """It knows no version, and returns a whole object."""
    (tmp_path / "back").write_bytes(b"")
    for found, version in ((True, ""), (False, None)):
        uploader = checked(download=returning(found))
        assert ended(uploader.download_changed(KEY, tmp_path / "back", "v1", 9)) == version


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (None, "it returned None, not a sequence of keys"),
        ("public/p", "one of its keys, 'p', does not begin with the prefix"),
        (iter(["public/p/a"]), "it returned list_iterator, not a sequence of keys"),
        ({"public/p/a"}, "it returned set, not a sequence of keys"),
        ([b"public/p/a"], "one of its keys, b'public/p/a', does not begin with the prefix"),
        (["public/p/a", "public/q/a"], "one of its keys, 'public/q/a', does not begin with the prefix"),
        (["p/a"], "one of its keys, 'p/a', does not begin with the prefix"),
    ],
)
def test_a_list_holds_keys_with_the_prefix(value: Any, wrong: str) -> None:
    """Other keys would count as stored, or be deleted from another folder."""
    with pytest.raises(PluginFailedError) as caught:
        ended(checked(list=returning(value)).list("public/p/"))
    assert str(caught.value) == f"uploader odd: list of public/p/ failed, a bug of the plugin: {wrong}"
    assert list(ended(checked(list=returning(("public/p/a",))).list("public/p/"))) == ["public/p/a"]


def test_a_call_that_never_ends_is_cancelled(tmp_path: Path) -> None:
    """The store counts as unavailable, and other calls continue, even if the plugin ignores the cancellation."""
    clock, cancelled = Clock(), []

    async def upload(*_: object) -> None:
        while True:
            try:
                await Deferred()
            except CancelledError:
                cancelled.append(True)

    results: list[Any] = []
    uploader = checked(clock, upload=upload)
    Deferred.fromCoroutine(uploader.upload(KEY, tmp_path, "image/jpeg")).addBoth(results.append)
    clock.advance(LONGEST_S - 1)
    assert results == []
    clock.advance(1)
    assert results[0].check(StoreUnavailableError)
    assert "did not end within 600 s" in str(results[0].value)
    assert cancelled == [True]


def test_a_caller_may_cancel(tmp_path: Path) -> None:
    """The plugin gets the cancellation, and no timer stays."""
    clock, told = Clock(), []

    async def upload(*_: object) -> None:
        try:
            await Deferred()
        except CancelledError:
            told.append(True)
            raise

    results: list[Any] = []
    doing = Deferred.fromCoroutine(checked(clock, upload=upload).upload(KEY, tmp_path, "image/jpeg"))
    doing.addBoth(results.append)
    doing.cancel()
    assert results[0].check(CancelledError)
    assert (told, clock.getDelayedCalls()) == ([True], [])


def test_a_call_is_listed_only_while_it_runs(tmp_path: Path) -> None:
    """It is listed from one await to the next, while it holds the reactor."""
    gate: Deferred[None] = Deferred()
    seen: list[list[str]] = []

    async def upload(*_: object) -> None:
        seen.append([call.name for call in calls()])
        await gate
        seen.append([call.name for call in calls()])

    Deferred.fromCoroutine(checked(upload=upload).upload(KEY, tmp_path, "image/jpeg"))
    assert calls() == []
    gate.callback(None)
    assert seen == [["uploader odd: upload of public/p/original"]] * 2
