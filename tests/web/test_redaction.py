"""The log and the status page show enough of a request to recognise it, without the signature of a source."""

from __future__ import annotations

import pytest
from raw_client import begin
from service_case import HOME, ServiceTestCase, until

from imaged.web.redaction import redacted

SECRET = "s3cr3t"
SIGNED = [
    f"/p?source=http://h/a.jpg?X-Amz-Algorithm=A&X-Amz-Signature={SECRET}",
    f"/p?source=http://h/a.jpg?X-Amz-Algorithm=A;X-Amz-Signature={SECRET}",
    f"/p?source=http://h/a.jpg?{SECRET}&{SECRET}",
    f"/p?source=http%3A%2F%2Fh%2Fa.jpg%3FX-Amz-Signature%3D{SECRET}",
    f"/p?source=http%3A%2F%2Fh%2Fa.jpg%253FX-Amz-Signature%253D{SECRET}",
    f"/p?source=http%253A%252F%252Fh%252Fa.jpg%253FX-Amz-Signature%253D{SECRET}",
    f"/p?%73ource=http://h/a.jpg?sig={SECRET}",
    f"/p?s%6Furce=http://h/a.jpg&sig={SECRET}",
    f"/p?outputs=x30.jpg&Source=http://h/{SECRET}",
    f"/p?url=http://h/a.jpg?sig={SECRET}",
    f"/p?source=http://h/a.jpg#{SECRET}",
    f"/p?source=http://u:{SECRET}@h/a.jpg",
    f"/p?source=http://h/a.jpg&{'A' * 41}{SECRET}==",
    f"/p?{SECRET}",
    f"/p%3Fsource=http://h/a.jpg%3Fsig={SECRET}",
    f"/p%3fsig={SECRET}",
    f"/http://h/a.jpg?sig={SECRET}",
    f"http://imaged/p?source=http://h/a.jpg&sig={SECRET}",
]


@pytest.mark.parametrize("target", SIGNED)
def test_no_signature_is_shown(target: str) -> None:
    """However the source is written, or the request malformed."""
    assert SECRET not in redacted(target.encode())


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/p", "/p"),
        ("/p?", "/p?"),
        ("/p/abc/x30.jpg", "/p/abc/x30.jpg"),
        ("/p/abc/process?outputs=x30.jpg,w50.png", "/p/abc/process?outputs=x30.jpg,w50.png"),
        (
            "/p?source=http%3A%2F%2Fh%2Fa.jpg%3Fsig%3Db&outputs=x30.jpg",
            "/p?source=http://h/a.jpg?...&outputs=x30.jpg",
        ),
        ("/p?source=http://h/a.jpg?a=b&sig=c;d=e&f", "/p?source=http://h/a.jpg?...&sig=...;d=...&..."),
        ("/p?%73ource=http://h/a.jpg?a=b", "/p?%73ource=http://h/a.jpg?..."),
        ("/p?source=nonsense", "/p?source=..."),
        ("/p%3fsource=http://h/", "/p%3F..."),
    ],
)
def test_the_log_shows_paths_without_secrets(target: str, expected: str) -> None:
    """The path, the source without its query, the outputs, and the names of other parameters."""
    assert redacted(target.encode()) == expected


def test_the_shown_path_is_shortened() -> None:
    """The length of what a line shows is limited."""
    assert len(redacted(b"/" + b"a" * 10_000)) == 400


class TestSigned(ServiceTestCase):
    """Signed sources through the daemon."""

    async def test_neither_the_log_nor_the_status_has_it(self) -> None:
        """Nor do the answer and the list of errors."""
        await self.serve(sources={"allow_networks": []})
        for target in SIGNED:
            for method in ("POST", "GET"):
                assert SECRET not in (await self.ask(method, target)).body.decode(), target
            answer = await (await begin(self.status_url, "GET", target)).answer()
            assert SECRET not in answer.body.decode(), target
        await self.post(f"{HOME}/process?outputs=x30.jpg&sig={SECRET}", b"")
        await until(lambda: f"{HOME}/process?outputs=x30.jpg&sig=..." in self.log.getvalue())
        await self.service.reload()
        assert SECRET not in self.log.getvalue()
        assert SECRET not in str(await self.status())
