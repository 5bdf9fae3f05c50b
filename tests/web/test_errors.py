"""Error messages to clients: without paths, hosts and names of plugins."""

from __future__ import annotations

import pytest
from service_case import HOME, IMAGE, ServiceTestCase

from imaged.core import errors
from imaged.core.errors import BusyError, ImagedError, NotAPictureError, NotFoundError, PluginFailedError, StoreError
from imaged.core.files import ORIGINAL
from imaged.web.errors import public_text

PLACES = "/srv/imaged/public/p/0a1/original", "/tmp/magick-Xy1", "10.1.2.3:6379", "store.internal", "imaged_magick"
SPOKEN = f"cannot open {' or '.join(PLACES)}"
OWN = (
    errors.StoreError,
    errors.StoreUnavailableError,
    errors.CorruptOriginalError,
    errors.ReadbackFailedError,
    errors.PluginFailedError,
)


@pytest.mark.parametrize("kind", OWN)
def test_internal_errors_have_a_public_message(kind: type[ImagedError]) -> None:
    """Clients get a general message; the detailed one is for the log."""
    text = public_text(kind(SPOKEN))
    assert not any(place in text for place in PLACES)
    assert text == public_text(kind("another message"))


@pytest.mark.parametrize("kind", [BusyError, NotAPictureError, errors.TooLargeError, ImagedError])
def test_messages_of_plugins_lose_paths_and_addresses(kind: type[ImagedError]) -> None:
    """Paths and addresses are removed from messages of a plugin's libraries."""
    said = "unable to open `/var/tmp/magick-a/b.cache' on 10.1.2.3:6379: No space left (1/2 of 0.5), see http://a/b/c"
    cleaned = "unable to open `…' on …: No space left (1/2 of 0.5), see http://a/b/c"
    assert public_text(kind(said)) == cleaned


def test_messages_repeat_the_request() -> None:
    """Messages about the request repeat the client's own path."""
    text = "nothing is at '/a/b': post pictures to /NAMESPACE, and get /NAMESPACE/HASH/OUTPUT"
    assert public_text(NotFoundError(text)) == text


class TestStrangers(ServiceTestCase):
    """The public port with a broken store."""

    async def test_a_broken_store_does_not_reveal_its_path(self) -> None:
        """No answer of the public port shows the path of the store; the status page does."""
        await self.serve()
        await self.post()
        home = self.store.path(IMAGE, ORIGINAL).parent
        (home / "x30.jpg").mkdir()
        for answer in (await self.get(f"{HOME}/x30.jpg"), await self.ask("POST", f"{HOME}/process?outputs=x30.jpg")):
            assert str(self.folder).encode() not in answer.body
            assert b"x30.jpg cannot" not in answer.body
        self.service_harness.processor.failure = PluginFailedError(SPOKEN)
        answer = await self.get(f"{HOME}/x40.jpg")
        assert (answer.status, "log" in answer.error) == (500, True)
        self.service_harness.uploader.failure = StoreError(SPOKEN)
        refused = await self.post(body=b"GIF89a")
        assert not any(place in refused.error for place in PLACES)
        assert SPOKEN in str(await self.status())
