"""A client never waits for an AVIF in vain: where it is too slow, `auto` is another format."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from daemon import Answer, Daemon

from imaged.core.formats import FORMATS, JPEG
from imaged.testing.pictures import make_jpeg

SETTINGS = """\
processors: [slow_avif]
render: {timeout_s: 2, concurrency: 2}
images: {extensions: [jpg, png, gif, webp, avif]}
"""
KILLED = "did not end in time"


def test_a_late_avif_costs_no_client_its_picture(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """All clients get WebP; the AVIFs of the picture are refused for a while, and nothing else is."""
    daemon = make_daemon(SETTINGS, environ=plugins)
    home = f"/p/{daemon.post('/p', make_jpeg()).json()['partitionedHash']}"

    def auto(name: str) -> Answer:
        return daemon.get(f"{home}/{name}.auto", Accept="image/avif,image/webp,*/*;q=0.8")

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(auto, 8 * ["w24"]))
    answers += [auto("w24"), auto("w25"), auto("w25"), auto("x30")]
    assert {(answer.status, answer.headers["content-type"]) for answer in answers} == {(200, "image/webp")}
    for name in ("w24", "w26"):
        late = daemon.get(f"{home}/{name}.avif")
        assert (late.status, "ask for another format" in late.json()["error"]) == (503, True)
    assert FORMATS.sniff(daemon.get(f"{home}/w26.jpg").body) == JPEG
    assert sum(KILLED in line for line in daemon.log.read_text().splitlines()) == 1
