"""The upload URLs of `docs/tokens.md` are signed as imaged and the signer of `docs/signers` sign them."""

from __future__ import annotations

import re
import runpy
from urllib.parse import parse_qs, urlsplit

import pytest
from source_tree import ROOT

from imaged.core.signatures import signed_upload

PAGE = (ROOT / "docs" / "tokens.md").read_text(encoding="utf-8")
(KEY,) = re.findall(r"With the key `(.+?)`:", PAGE)
URLS = re.findall(r"^\| `(/.+?&s=.{22})` \|$", PAGE, re.MULTILINE)
SIGN = runpy.run_path(str(ROOT / "docs" / "signers" / "imaged_signer.py"))["sign"]


def test_the_page_has_upload_urls() -> None:
    """With a size and without."""
    assert {"maximum_bytes" in url for url in URLS} == {True, False}


@pytest.mark.parametrize("url", URLS)
def test_upload_urls_are_signed_alike(url: str) -> None:
    """By imaged, and by a program that knows nothing of it."""
    parts = urlsplit(url)
    fields = {key: value for key, (value,) in parse_qs(parts.query).items()}
    assert signed_upload(KEY, parts.path, fields["e"], fields.get("maximum_bytes")) == url
    target, _, signature = url.rpartition("&s=")
    assert SIGN(f"POST {target}", KEY) == f"POST {target}?s={signature}"
