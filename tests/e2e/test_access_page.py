"""The setups of docs/access.md start as they stand there, and answer as its table says."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from daemon import Answer, Daemon, request

from imaged.core.signatures import read_message, sign, upload_message
from imaged.testing.pictures import make_jpeg

PAGE = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
SETUPS = dict(re.findall(r"```yaml\n# (\w+)\.yaml\n(.*?)```", PAGE, re.DOTALL))
KEY, TOKEN = "key-0123456789-abcdefghijklmnop", "token-0123456789-abcdefghijklmn"
PICTURE = make_jpeg()
HASH = hashlib.md5(PICTURE).hexdigest()
LATER, EARLIER = str(int(time.time()) + 3600), "1000000000"

COLUMNS = {"cdn": 1, "nginx": 2, "internal": 3}


def ask(daemon: Daemon, row: str) -> Answer:
    """Send the request that a row of the table describes."""
    bearer = {"Authorization": f"Bearer {TOKEN if 'wrong' not in row else TOKEN[:-1] + 'x'}"} if "token" in row else {}
    method = row.split(maxsplit=1)[0].strip("`")
    if row.startswith("`POST"):
        target = "/p"
        if "signed" in row:
            message = upload_message("/p", LATER, "1000000")
            target = f"{message.removeprefix('POST ')}&s={sign(KEY, message)}"
        return request(daemon.public, method, target, PICTURE, bearer)
    match = re.search(r"of `([\w.]+)`", row)
    target = f"/p/{HASH}/{match[1]}" if match else f"/p/{HASH}"
    if "signed" in row:
        expires = EARLIER if "expired" in row else LATER
        message = read_message(target, expires)
        target = f"{message}&s={sign(KEY, message)}"
    return request(daemon.public, method, target, headers=bearer)


@pytest.mark.parametrize("name", SETUPS)
def test_a_setup_answers_as_its_column_says(name: str, make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """The daemon starts with the settings of the page, on a free port, and gives the statuses of the table."""
    settings = SETUPS[name]
    for file, text in (("shop.token", TOKEN), ("signing.key", KEY)):
        (tmp_path / file).write_text(text)
        settings = settings.replace(f"{{file: {file}}}", f"{{file: {tmp_path / file}}}")
    port = "listen=tcp:0" if '"tcp:7000"' in settings else "listen=tcp:0:interface=127.0.0.1"
    daemon = make_daemon(settings, ports=(port, "status.listen=tcp:0:interface=127.0.0.1"))
    table = PAGE.partition("| request | a CDN | nginx | internal |\n")[2].partition("\n\n")[0].splitlines()[1:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    seen = {}
    for row in rows:
        answer = ask(daemon, row[0])
        seen[row[0]] = str(answer.status)
        if "DELETE" in row[0] and answer.status == 204:  # the next row has a picture again
            request(daemon.public, "POST", "/p", PICTURE, {"Authorization": f"Bearer {TOKEN}"})
    assert seen == {row[0]: row[COLUMNS[name]] for row in rows}


def test_the_page_has_each_setup() -> None:
    """The three setups are found in the page."""
    assert list(SETUPS) == list(COLUMNS)
