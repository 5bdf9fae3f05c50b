"""Chromium posts pictures from pages of other origins, to signed URLs and with a token, and from /try."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from browser import Browser
from daemon import Daemon
from loopback_origin import Origin

from imaged.testing.pictures import make_jpeg

TOKEN, KEY = "imaged_0123456789abcdefghij", "signing-key-0123456789"
PICTURE = make_jpeg()
POST = """
    const [url, kind, bytes, token] = arguments;
    const file = new File([new Uint8Array(bytes)], "a.jpg", { type: "image/jpeg" });
    const form = new FormData();
    form.append("image", file);
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    try {
        const answer = await fetch(url, { method: "POST", body: kind === "form" ? form : file, headers });
        return [answer.status, (await answer.json()).hash ?? null];
    } catch (error) {
        return [error.name, null];
    }
"""


def post(browser: Browser, url: str, kind: str = "file", token: str = "") -> Any:
    """Post the picture from the page; return the status and the hash that its script reads, or the name of an error."""
    return browser.run(POST, url, kind, list(PICTURE), token)


def signed(daemon: Daemon, *arguments: str) -> str:
    """Return an upload URL."""
    command = [sys.executable, "-m", "imaged", "sign", "-c", "imaged.yaml", "--url", daemon.public, *arguments]
    done = subprocess.run(command, cwd=daemon.folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_page_of_another_origin(
    make_daemon: Callable[..., Daemon], make_browser: Callable[..., Browser], origin: Origin
) -> None:
    """A listed page uploads a file, which takes a preflight, and a form; it reads the answers, errors too.

    A page that is not listed gets no answer, and a token of its own does not help.
    """
    origin.pictures["page"] = b"<title>a page</title>"
    other = origin.url.replace("127.0.0.1", "localhost")
    access = {"tokens": [{"name": "a", "token": TOKEN}], "signing_keys": [KEY]}
    daemon = make_daemon(yaml.safe_dump({"images": {"allow_origins": [origin.url]}, "access": access}))
    browser = make_browser()
    browser.open(f"{origin.url}/page")
    url = signed(daemon, "--post", "p", "--expires", "10m", "--maximum-bytes", str(len(PICTURE) + 300))
    for kind in ("file", "form"):
        status, name = post(browser, url, kind)
        assert (status, len(name)) == (200, 32)
    assert post(browser, url.replace("maximum_bytes=", "maximum_bytes=1")) == [403, None]
    assert post(browser, f"{daemon.public}/p") == [401, None]
    assert post(browser, f"{daemon.public}/p", token="wrong") == [401, None]
    assert post(browser, f"{daemon.public}/p", token=TOKEN)[0] == 200
    small = signed(daemon, "--post", "p", "--maximum-bytes", str(len(PICTURE) - 1))
    assert post(browser, small)[0] in {413, "TypeError"}  # Chromium may see the end of the connection first
    browser.open(f"{other}/page")
    assert post(browser, url) == ["TypeError", None]
    assert post(browser, f"{daemon.public}/p", token=TOKEN) == ["TypeError", None]


def test_the_page_at_try_takes_a_token(
    make_daemon: Callable[..., Daemon], make_browser: Callable[..., Browser], tmp_path: Path
) -> None:
    """Its field is there where posts need a token, which the page sends and keeps nowhere."""
    settings = {"status": {"try_page": True}, "access": {"tokens": [{"name": "a", "token": TOKEN}]}}
    daemon, plain = make_daemon(yaml.safe_dump(settings)), make_daemon("status: {try_page: true}")
    browser = make_browser()
    browser.open(f"{plain.private}/try")
    assert browser.driver.find_elements("id", "token") == []
    browser.open(f"{daemon.private}/try")
    path = tmp_path / "a.jpg"
    path.write_bytes(PICTURE)
    browser.run("document.getElementById('outputs').value = 'x20.png'")
    browser.driver.find_element("id", "file").send_keys(str(path))
    browser.until(lambda: browser.text("#state").startswith("401: "))
    field = browser.driver.find_element("id", "token")
    assert field.get_attribute("type") == "password"
    field.send_keys(TOKEN)
    browser.driver.find_element("id", "again").click()
    browser.until(lambda: "20 × 20 px" in browser.text(".result"))
    curl = browser.text("#post code")
    assert '-H "Authorization: Bearer $IMAGED_TOKEN"' in curl
    assert TOKEN not in browser.driver.page_source
    kept = browser.run(
        "return JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, location.href])"
    )
    assert TOKEN not in kept
    browser.open(f"{daemon.private}/try")
    assert browser.driver.find_element("id", "token").get_attribute("value") == ""
    assert [each for each in browser.complaints if "401" not in each] == []
