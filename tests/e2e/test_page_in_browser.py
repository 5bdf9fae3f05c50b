"""The status page in Chromium, on snapshots of the test: its script changes it into each new page of the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest
from browser import Browser
from snapshot_server import SnapshotServer
from snapshots import HOSTILE, QUIET, make_busy, make_snapshot

from imaged.core.snapshot import Alert, DownloadInFlight, Level, Plugin, SinkStatus, Snapshot

SAME = """
const sent = await (await fetch("/now")).text();
const page = new DOMParser().parseFromString(sent, "text/html");
const [theirs, ours] = [page, document].map((each) => {
    const body = each.body.cloneNode(true);
    body.querySelector("script").remove();
    body.normalize();
    return body;
});
return theirs.isEqualNode(ours) ? "" : theirs.innerHTML + "\\n\\n" + ours.innerHTML;
"""
"""Compares the document with the server's page of the same snapshot, node by node."""


def shows_uptime(browser: Browser, uptime: str) -> bool:
    """Say whether the page has this uptime."""
    return uptime in browser.text(".who")


@pytest.fixture
def serve() -> Iterator[Callable[..., SnapshotServer]]:
    """Return a function that starts a server with two snapshots: that of the first page, and that of later ones."""
    servers = []

    def start(first: Snapshot, now: Snapshot) -> SnapshotServer:
        servers.append(SnapshotServer(first, now))
        return servers[-1]

    yield start
    for each in servers:
        each.close()


def test_the_script_makes_the_page_that_the_server_sends(
    make_browser: Callable[..., Browser], serve: Callable[..., SnapshotServer]
) -> None:
    """The document equals it after each of many snapshots, full, empty, hostile and too long; and no text runs."""
    browser = make_browser()
    fuller = [
        make_busy(),
        make_busy(150),
        make_busy(3, HOSTILE),
        QUIET,
        make_busy(1),
        make_snapshot(message="draining"),
    ]
    server = serve(fuller[-1], fuller[0])
    browser.open(server.url)
    for number, snapshot in enumerate(fuller):
        server.now = replace(snapshot, uptime_s=1000.0 + 60 * number)
        browser.until(partial(shows_uptime, browser, f"{16 + number} min"))
        assert browser.run(SAME) == ""
    assert browser.complaints == []


CUT = """
return [...document.querySelectorAll(".scroll")].filter((each) => each.scrollWidth > each.clientWidth)
    .map((each) => [each.getAttribute("aria-label"), each.scrollWidth, each.clientWidth]);
"""


def test_a_phone_shows_every_column(make_browser: Callable[..., Browser], serve: Callable[..., SnapshotServer]) -> None:
    """No table is wider than its region, even with long texts, and the page is as wide as the screen."""
    browser = make_browser()
    plugin = Plugin("prometheus", "processor", "2.0.0.dev0", "ImageMagick " * 9)
    sink = SinkStatus("prometheus", 123_456, 12_345, 12_345, 0, 0, 1.0, "no answer from 127.0.0.1 " * 3)
    wide = replace(make_busy(3), plugins=(plugin,), metrics=(sink,))
    for width in (390, 320, 1440):
        browser.tell("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=True)
        browser.open(serve(wide, wide).url)
        assert browser.run(CUT) == [], width
        assert browser.run("return document.documentElement.scrollWidth") == width


def test_ok_is_not_green_above_an_alert(
    make_browser: Callable[..., Browser], serve: Callable[..., SnapshotServer]
) -> None:
    """OK has the colour of the gravest alert and points to the alerts, and the title names the first."""
    browser = make_browser()
    colour = "return getComputedStyle(document.querySelector(arguments[0])).color"
    browser.open(serve(QUIET, QUIET).url)
    green = browser.run(colour, ".health")
    assert browser.text(".health") == "OK"
    levels: tuple[Level, ...] = ("warning", "error")
    for level in levels:
        alerted = make_snapshot(alerts=(Alert(level, "Low disk", "It is full."),))
        browser.open(serve(alerted, alerted).url)
        assert browser.text(".health") == "OK, but see the alerts"
        assert browser.run(colour, ".health") == browser.run(colour, ".alerts strong") != green
        browser.until(lambda: browser.driver.title == "Low disk – imaged")


def test_totals_include_failures(make_browser: Callable[..., Browser], serve: Callable[..., SnapshotServer]) -> None:
    """Totals are labelled as ended, and the failures stand beside them."""
    browser = make_browser()
    failed = {"current": 0, "total": 3, "failed": 3}
    snapshot = make_snapshot(downloads=failed, processing=failed, uploads=failed)
    browser.open(serve(snapshot, snapshot).url)
    said = {"".join(each.split()) for each in browser.texts(".figures div")}
    assert {"ended3", "tries3", "failed3"} <= said
    assert not {"rendered3", "downloaded3", "done3"} & said


def test_the_page_works_without_scripts(
    make_browser: Callable[..., Browser], serve: Callable[..., SnapshotServer]
) -> None:
    """It has the same text, and reloads itself to stay up to date."""
    server = serve(QUIET, make_busy(5, HOSTILE))
    with_scripts, without = make_browser(), make_browser(scripts=False)
    with_scripts.open(server.url)
    with_scripts.until(lambda: with_scripts.text("#processing-current") == "5")
    without.open(f"{server.url}/now")
    assert without.text("#processing-current") == "5"
    assert without.text("body") == with_scripts.text("body")
    server.now = make_busy(2)
    without.until(lambda: without.text("#processing-current") == "2")


def test_unchanged_rows_are_not_touched(
    make_browser: Callable[..., Browser], serve: Callable[..., SnapshotServer]
) -> None:
    """A row that stays keeps its element and its selection; focus and scroll positions stay, too."""
    browser = make_browser()
    rows = tuple(DownloadInFlight(f"http://a/{each}", 5, 1.0) for each in range(90))
    server = serve(make_snapshot(), make_snapshot(downloads={"current": 90, "items": rows}))
    browser.open(server.url)
    browser.until(lambda: browser.text("#downloads-current") == "90")
    browser.run("""
        const region = document.querySelector("[aria-label='Downloads in flight']");
        const row = [...document.querySelectorAll("#downloads-items tr")][20];
        region.focus({ preventScroll: true });
        region.scrollTop = 300;
        scrollTo(0, 40);
        getSelection().selectAllChildren(row.children[0]);
        window.kept = row;
        window.place = () => row.getBoundingClientRect().top;
        window.before = window.place();
        window.touched = [];
        const all = { subtree: true, childList: true, characterData: true, attributes: true };
        new MutationObserver((list) => window.touched.push(...list)).observe(row, all);
    """)
    server.now = make_snapshot(downloads={"current": 88, "items": rows[2:]})
    browser.until(lambda: browser.text("#downloads-current") == "88")
    shown = browser.run("""
        const region = document.activeElement;
        const stays = Math.abs(window.place() - window.before) < 2;
        return [region.getAttribute("aria-label"), scrollY, stays, String(getSelection()), window.kept.isConnected,
                window.touched.length];
    """)
    assert shown == ["Downloads in flight", 40, True, "http://a/20", True, 0]


MORPH = """
const [element, fresh] = [...arguments].map((html) => {
    const parent = document.createElement("div");
    parent.innerHTML = html;
    return parent;
});
const rows = [...element.children].filter((each) => each.dataset.key);
const observer = new MutationObserver(() => {});
observer.observe(element, { subtree: true, childList: true, characterData: true, attributes: true });
morph(element, fresh);
const changes = observer.takeRecords().length;
return [element.innerHTML, rows.map((each) => [...element.children].indexOf(each)), changes];
"""
"""Changes one element into another; returns its content, the new place of each row, and the number of changes."""


def test_only_the_differing_nodes_change(
    make_browser: Callable[..., Browser], serve: Callable[..., SnapshotServer]
) -> None:
    """A row keeps its element behind another node, rows of one key keep their order, and equal text stays."""
    browser = make_browser()
    browser.open(serve(QUIET, QUIET).url)
    for old, new, places, changes in (
        ('<p data-key="a">1</p>', '<p>none</p><p data-key="a">1</p>', [1], 1),
        ('<p data-key="a">1</p><p data-key="a">2</p>', '<p data-key="a">1</p><p data-key="a">3</p>', [0, 1], 1),
        ("<p>same<b>1</b></p>", "<p>same<b>2</b></p>", [], 1),
    ):
        assert browser.run(MORPH, old, new) == [new, places, changes]


def test_the_page_fetches_once_at_a_time_and_only_while_visible(
    make_browser: Callable[..., Browser], serve: Callable[..., SnapshotServer]
) -> None:
    """It waits for a slow answer, stops in a hidden tab, and fetches at once when the tab is shown again."""
    browser = make_browser()
    server = serve(QUIET, QUIET)
    server.slow = True
    browser.open(server.url)
    browser.until(lambda: server.requests >= 3)
    assert server.most_at_once == 1
    server.slow = False
    page = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    browser.until(lambda: stands_still(lambda: server.requests + server.in_flight))
    before = server.requests
    browser.driver.close()
    browser.driver.switch_to.window(page)
    browser.tell("Page.bringToFront")
    browser.until(lambda: server.requests > before)


def stands_still(figure: Callable[[], int], for_s: float = 2.5) -> bool:
    """Say whether a figure stays the same for so long."""
    before, end_s = figure(), time.monotonic() + for_s
    while time.monotonic() < end_s:
        if figure() != before:
            return False
        time.sleep(0.05)
    return True


def test_it_fits_on_a_phone_and_on_a_desk(
    make_browser: Callable[..., Browser], serve: Callable[..., SnapshotServer]
) -> None:
    """Long texts stay within the page, and sections keep their places as rows come and go."""
    browser = make_browser()
    busy, long = make_busy(12, "x" * 300), make_snapshot(try_page=True)
    server = serve(busy, busy)
    for width, height in ((360, 740), (1440, 900)):
        browser.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        server.now = busy
        browser.open(server.url)
        assert browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        tops = "return ['requests', 'pending'].map((id) => document.getElementById(id).getBoundingClientRect().top)"
        server.now = replace(long, alerts=busy.alerts)
        before = browser.run(tops)
        browser.until(lambda: browser.text("#processing-current") == "0")
        assert "nothing in flight" in browser.text("main")
        assert browser.run(tops) == before
