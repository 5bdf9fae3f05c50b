"""Scripts, documents and archives as pictures: under their names, their content types, and inside of good ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import quote

import pytest
from daemon import Daemon, request
from installed_processors import ENDINGS, build, chains, variants
from loopback_origin import Origin
from other_files import CONTENT_TYPES, NAMES, OWNED, POLYGLOT_MARKS, files, polyglots, scripts


@pytest.fixture
def origin() -> Iterator[Origin]:
    """Return a source of originals on loopback."""
    server = Origin()
    yield server
    server.stop()


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_no_name_and_no_content_type_makes_a_script_a_picture(
    start_daemon: Callable[..., Daemon], origin: Origin, isolation: str
) -> None:
    """A script is 415 whatever it is called, by POST and from a source, and does not run."""
    daemon = start_daemon(f"render.isolation={isolation}", "sources.allow_networks=[127.0.0.0/8]")
    OWNED.unlink(missing_ok=True)
    for (name, body), content_type, path in zip(scripts().items(), cycle(CONTENT_TYPES), cycle(NAMES)):
        posted = request(daemon.public, "POST", "/p?outputs=x9.png", body, {"Content-Type": content_type})
        origin.pictures[quote(path)] = body
        fetched = daemon.post(f"/p?source={quote(f'{origin.url}/{quote(path)}', safe='')}")
        expected = {415} if body else {400, 415, 502}
        assert (name, {posted.status, fetched.status} <= expected) == (name, True), (posted, fetched)
    assert not OWNED.exists()
    assert daemon.get("/status_check").status == 200


@pytest.mark.parametrize("processor", chains())
@pytest.mark.parametrize("name", NAMES)
def test_a_processor_looks_at_bytes_not_at_names(processor: str, name: str, tmp_path: Path) -> None:
    """No name of an original makes a processor open it in a format that its first bytes do not announce."""
    processors, source = build(processor), tmp_path / name.replace("/", "_")
    for body in files().values():
        source.write_bytes(body())
        try:
            facts = processors.identify(source)
        except ENDINGS:
            continue
        assert processors.formats.sniff(source.read_bytes()) == facts.format


@pytest.mark.parametrize("processor", chains())
@pytest.mark.parametrize("name", polyglots())
def test_no_output_has_the_other_half_of_a_polyglot(processor: str, name: str, tmp_path: Path) -> None:
    """A picture that is also an archive, a script or a page is rendered, and its outputs are pictures only."""
    processors, source = build(processor), tmp_path / "original"
    source.write_bytes(polyglots()[name]())
    assert any(mark in source.read_bytes() for mark in POLYGLOT_MARKS)
    outputs = variants(processors, "full_size.jpg", "full_size.png", "x3.gif", "full_size.webp")
    for rendered in processors.render(source, outputs, 30):
        assert not any(mark in rendered.body for mark in POLYGLOT_MARKS), rendered.output
