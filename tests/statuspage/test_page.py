"""The pages of the status port as the server renders them; `tests/e2e` shows them in a browser."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import HASH, HOSTILE, QUIET, make_busy, make_snapshot

from imaged.core.pending_jobs import Jobs
from imaged.core.snapshot import Alert, Comparison, Isolation, Snapshot
from imaged.statuspage.page import Page, status_page, try_page

STATUS = status_page()
TRY: dict[str, Any] = {
    "public": None,
    "problem": None,
    "needs_token": True,
    "outputs": "",
    "namespaces": [],
    "policies": "{}",
    "unsigned": "",
}


def render(now: Snapshot) -> str:
    """Return the status page of a snapshot."""
    return STATUS.render(now=now).decode()


def tags(body: str) -> list[str]:
    """Return the tags of a page, in order."""
    return re.findall(r"<(/?\w+)", body)


def inline(body: str, tag: str) -> str:
    """Return the contents of the one inline element with this tag."""
    (found,) = re.findall(rf"<{tag}>(.*?)</{tag}>", body, re.DOTALL)
    return str(found)


@pytest.mark.parametrize(("page", "values"), [(STATUS, {"now": QUIET}), (try_page(), TRY)])
def test_the_policy_allows_the_page_itself_and_nothing_else(page: Page, values: dict[str, Any]) -> None:
    """It has the hashes of the one style and the one script, and forbids forms, frames, bases and other resources."""
    body = page.render(**values).decode()
    policy = page.policy()
    for tag in ("style", "script"):
        digest = b64encode(sha256(inline(body, tag).encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    for rule in ("default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"):
        assert rule in policy.split("; ")
    assert "unsafe" not in policy
    assert not re.search(r"<[^>]*\s(style|on\w+)=", body.replace(inline(body, "script"), ""))
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", body)


@settings(deadline=None)
@given(st.text() | st.just(HOSTILE))
def test_no_text_becomes_markup(text: str) -> None:
    """A page with a hostile URL, output, error, alert and plugin has the tags of a page with harmless ones."""
    assert tags(render(make_busy(2, text))) == tags(render(make_busy(2)))


def test_attackers_text_is_escaped_and_isolated() -> None:
    """Markup is shown as it is, template syntax is not evaluated, and direction marks stay within their element."""
    body = render(make_busy(text=HOSTILE))
    assert "onerror=alert(1)&gt;" in body
    assert "{{ 7 * 7 }}" in body
    assert re.search(r"<bdi>&lt;/td&gt;[^<]*\u202e[^<]*</bdi>", body)


def test_every_figure_of_a_snapshot_is_on_the_page() -> None:
    """Figures are short, and the exact ones are titles."""
    body = render(make_busy())
    for text in (HASH, "1,234,567", "988 MB", "987,654,321 bytes", "1 d 2 h", "2026-01-02 04:00:00 UTC", "b.yaml:2"):
        assert text in body
    rows = 5 * 6 + 1 + 1  # renders, downloads, workers, errors, origins; a plugin and a sink
    assert body.count("<tr data-key=") == rows
    for text in ("SIGSEGV&nbsp;1,200, late&nbsp;1", "<dd>1,201</dd>", "61,234,567 bytes", "x300.jpg</td>"):
        assert text in body
    assert "<title>Parked – imaged</title>" in body


def test_an_idle_daemon_says_so() -> None:
    """Empty tables have a line instead of rows, and the link to a page that is off is hidden."""
    body = render(QUIET)
    assert '<p class="empty">nothing in flight</p>' in body
    assert '<a href="/try" hidden>' in body
    assert "<title>imaged</title>" in body


def test_renders_on_threads_have_no_worker_processes() -> None:
    """The panel says so, and what a hostile picture may do then."""
    body = render(make_snapshot(processing={"isolation": Isolation("thread", None, None, ())}))
    assert "nothing: a picture that crashes its decoder ends the daemon" in body
    assert '<p class="empty">no process: renders run on threads of the daemon</p>' in body
    assert '<p class="empty">no worker process lives</p>' in render(QUIET)


def test_unknown_figures_are_dashes() -> None:
    """A queue that cannot be read has no zeros."""
    unknown = Jobs(None, None, None)
    body = render(make_snapshot(uploads={"jobs": unknown}, pending_renders={"current": None}))
    assert "<dt>queued</dt><dd>–</dd>" in body
    assert "<dt>running</dt><dd>–</dd>" in body


def test_an_unfinished_comparison_has_a_note() -> None:
    """It says that more uploads may be pending; a finished one is not mentioned."""
    waiting = Comparison("waiting", unfinished=True, since=None, images=0, missing=0)
    ended = Comparison("ended", unfinished=False, since=None, images=7, missing=0)
    notes = [
        re.findall(r'<p class="note">More uploads', render(make_snapshot(remote={"comparison": each})))
        for each in (waiting, ended, None)
    ]
    assert [len(each) for each in notes] == [1, 0, 0]


def test_the_title_names_the_problem() -> None:
    """It is the health check's message when that is not OK, else the first alert."""
    alerts = (Alert("warning", "Draining", ""),)
    assert "<title>draining – imaged</title>" in render(make_snapshot(message="draining", alerts=alerts))


def test_a_table_has_a_hundred_rows_at_most() -> None:
    """The page says how many more there are."""
    body = render(make_busy(1000))
    assert body.count(">http://a/x300.jpg</td>") == 100
    assert "and 900 more" in body
