"""/try in Chromium, against the real daemon with the real ImageMagick."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import Browser
from daemon import Daemon, request
from PIL import Image

SETTINGS = "status: {try_page: true, timing_header: true}\n"
NAME = """it's "a" $(picture) ünd `more` <b>.jpg"""


def paint(path: Path, width_px: int, height_px: int) -> None:
    """Write a JPEG with a gradient."""
    Image.linear_gradient("L").resize((width_px, height_px)).convert("RGB").save(path, "JPEG")


def drop(browser: Browser, path: Path) -> None:
    """Drop a file on the page, as from another program."""
    box = browser.run("const r = document.getElementById('drop').getBoundingClientRect(); return [r.x + 9, r.y + 9]")
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.tell("Input.dispatchDragEvent", type=kind, x=box[0], y=box[1], data=data)


def set_outputs(browser: Browser, outputs: str) -> None:
    """Edit the list of outputs."""
    browser.run("document.getElementById('outputs').value = arguments[0]", outputs)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_picture_is_dropped(
    host: str, make_daemon: Callable[..., Daemon], make_browser: Callable[..., Browser], tmp_path: Path
) -> None:
    """The page shows its outputs with their facts; an output that fails shows the error."""
    daemon = make_daemon(SETTINGS)
    path = tmp_path / NAME
    paint(path, 640, 400)
    browser = make_browser()
    browser.open(f"{daemon.private.replace('127.0.0.1', host)}/try")
    set_outputs(browser, "x100.jpg, w320.webp 300x200.png, full_size.gif, x100.exe")
    drop(browser, path)
    browser.until(lambda: len(browser.texts(".result img")) == 4 and browser.texts(".result .broken"))
    assert browser.texts(".result h2") == ["x100.jpg", "w320.webp", "300x200.png", "full_size.gif", "x100.exe"]
    for number, size in enumerate([(100, 100), (320, 200), (300, 200), (640, 400)], 1):
        card = f".result:nth-child({number})"
        url = browser.text(f"{card} .url")
        answer = request(f"{urlsplit(url).scheme}://{urlsplit(daemon.public).netloc}", "GET", urlsplit(url).path)
        assert Image.open(io.BytesIO(answer.body)).size == size
        text = " ".join(browser.text(card).split())
        assert f"{size[0]} × {size[1]} px" in text
        exact = browser.driver.find_element("css selector", f"{card} .facts").get_attribute("title") or ""
        assert exact.startswith(f"{len(answer.body):,} bytes, request ")
        assert re.search(r"time \d[\d.]* m?s\b(?!, measured)", text)
        assert re.search(r"decode \d.* encode \d", text)
        assert shlex.split(browser.text(f"{card} code")) == ["curl", "-o", url.rpartition("/")[2], url]
    assert browser.texts(".result .broken") == ["406: extension 'exe' is not one of jpg, png, gif, webp, avif"]
    facts = browser.text("#original")
    assert "640 × 400 px" in facts
    public = daemon.public.replace("127.0.0.1", host)
    assert shlex.split(browser.text("#post code")) == ["curl", "--data-binary", f"@{NAME}", f"{public}/p"]
    assert [each for each in browser.complaints if "406" not in each] == []


def test_lists_and_pastes(
    make_daemon: Callable[..., Daemon], make_browser: Callable[..., Browser], tmp_path: Path
) -> None:
    """A picture can be chosen, pasted, and made again with other outputs; without Server-Timing, the page measures."""
    daemon = make_daemon("status: {try_page: true}\nimages: {outputs: [x20.jpg]}\n")
    browser = make_browser()
    browser.open(f"{daemon.private}/try")
    path = tmp_path / "a.jpg"
    paint(path, 64, 40)
    browser.driver.find_element("id", "file").send_keys(str(path))
    browser.until(lambda: browser.texts(".result img") and "20 × 20 px" in browser.text(".result"))
    assert "measured here" in browser.text(".result")
    set_outputs(browser, "x30.png")
    browser.driver.find_element("id", "again").click()
    browser.until(lambda: "30 × 30 px" in browser.text(".result"))
    assert len(browser.texts(".result")) == 1
    browser.run("""
        const data = new DataTransfer();
        data.items.add(new File(["no picture"], "-", { type: "image/png" }));
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
    """)
    browser.until(lambda: browser.text("#state").startswith("415: "))
    assert browser.text("#post code").startswith("curl --data-binary '@./-' ")
    assert browser.texts(".result") == []


def test_what_is_not_listed_is_shown_by_its_signed_url(
    make_daemon: Callable[..., Daemon], make_browser: Callable[..., Browser], tmp_path: Path
) -> None:
    """A token for `process` gets signed URLs from the public port; another one, or none, gets the reason."""
    poster, maker = "poster-0123456789abcdef", "maker-0123456789abcdef"
    daemon = make_daemon(f"""{SETTINGS}
images: {{allowed_outputs: [x20.jpg]}}
access:
  signing_keys: [0123456789abcdefghijklmnopqrstuv]
  tokens:
    - {{name: poster, token: {poster}, actions: [post]}}
    - {{name: maker, token: {maker}}}
""")
    browser = make_browser()
    browser.open(f"{daemon.private}/try")
    path = tmp_path / "a.jpg"
    paint(path, 64, 40)
    set_outputs(browser, "x20.jpg x30.png w40.auto")
    browser.run("document.getElementById('token').value = arguments[0]", poster)
    browser.driver.find_element("id", "file").send_keys(str(path))
    second = ".result:nth-child(2)"
    browser.until(lambda: browser.texts(second) and "is not for process in the namespace p" in browser.text(second))
    assert "20 × 20 px" in browser.text(".result")
    browser.run("document.getElementById('token').value = arguments[0]", maker)
    browser.driver.find_element("id", "again").click()
    browser.until(lambda: browser.texts(second) and "30 × 30 px" in browser.text(second))
    assert "/x30.png?s=" in browser.text(".result:nth-child(2) .url")
    browser.until(lambda: "40 × 25 px" in browser.text(".result:nth-child(3)"))
    assert "/w40.avif?s=" in browser.text(".result:nth-child(3) code")
    browser.run("document.getElementById('token').value = ''")
    browser.driver.find_element("name", "make").click()
    browser.until(lambda: "Give a token for the action process" in browser.text(".result"))


def test_other_pages_may_not_read(make_daemon: Callable[..., Daemon], make_browser: Callable[..., Browser]) -> None:
    """The browser keeps answers of the public port from a page of another port of this machine."""
    daemon, other = make_daemon(SETTINGS), make_daemon(SETTINGS)
    browser = make_browser()
    browser.open(f"{other.private}/try")
    script = """
        try { return (await fetch(arguments[0])).status; } catch (error) { return error.name; }
    """
    browser.tell("Page.setBypassCSP", enabled=True)
    browser.open(f"{other.private}/try")
    assert browser.run(script, f"{daemon.public}/status_check") == "TypeError"
    assert browser.run(script, f"{other.public}/status_check") == 200


def choose(browser: Browser, control: str, value: str) -> None:
    """Give a control of the form a value, as a user does."""
    browser.run(
        """
        const control = document.getElementById("builder").elements[arguments[0]];
        control.value = arguments[1];
        document.getElementById("builder").dispatchEvent(new Event("input", { bubbles: true }));
        """,
        control,
        value,
    )


def test_a_name_is_made_with_controls(
    make_daemon: Callable[..., Daemon], make_browser: Callable[..., Browser], tmp_path: Path
) -> None:
    """The controls show the name and the URL that they make, and render it; a click on the picture sets the point."""
    daemon = make_daemon(SETTINGS + "namespaces: {small: {extensions: [png], presets: {hero: {size: x50}}}}\n")
    browser = make_browser()
    browser.open(f"{daemon.private}/try")
    assert not browser.driver.find_element("id", "builder").is_displayed()
    set_outputs(browser, "")
    path = tmp_path / "a.jpg"
    paint(path, 640, 400)
    browser.driver.find_element("id", "file").send_keys(str(path))
    browser.until(lambda: browser.text("#name") == "w400.auto")
    for control, value, name in [
        ("kind", "p", "p400x300.auto"),
        ("width", "", "a value is missing or out of range"),
        ("width", "090", "p90x300.auto"),
        ("kind", "x", "90x300.auto"),
        ("gravity", "sm", "90x300-gsm.auto"),
        ("quality", "60", "90x300-gsm-q60.auto"),
        ("height", "90", "x90-gsm-q60.auto"),
    ]:
        choose(browser, control, value)
        assert browser.text("#name") == name
    browser.driver.find_element("css selector", "[aria-label='top left']").click()
    assert browser.text("#name") == "x90-gnw-q60.auto"
    browser.until(lambda: browser.run("return document.getElementById('shown').complete"))
    browser.run("document.getElementById('shown').scrollIntoView({ block: 'center' })")
    browser.driver.find_element("id", "shown").click()  # in its middle
    assert browser.text("#name") == "x90-g50x50-q60.auto"
    assert browser.driver.find_element("id", "mark").is_displayed()
    url = browser.text("#url code")
    assert url.startswith(f"{daemon.public}/p/")
    browser.driver.find_element("name", "make").click()
    browser.until(lambda: "90 × 90 px" in browser.text(".result"))
    assert browser.text(".result .url") == url
    assert "image/webp" in browser.text(".result")
    browser.driver.find_element("name", "make").click()
    browser.until(lambda: "90 × 90 px" in browser.text(".result"))
    assert len(browser.texts(".result")) == 1
    browser.run("document.getElementById('namespace').value = 'small'")
    browser.driver.find_element("id", "again").click()
    browser.until(lambda: browser.run("return document.getElementById('builder').elements.format.length") == 2)
    choose(browser, "format", "png")
    assert browser.text("#url code").endswith("/x90-g50x50-q60.png")
    choose(browser, "kind", "hero")
    choose(browser, "quality", "")
    browser.driver.find_element("name", "make").click()
    browser.until(lambda: "50 × 50 px" in browser.text(".result"))
    assert browser.texts(".result h2") == ["hero.png"]
    assert browser.complaints == []
