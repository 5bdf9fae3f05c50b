"""A preset that changes while clients ask for it: each answer is wholly of the old or of the new settings."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from daemon import Daemon, until
from load import Ask, Load
from PIL import Image

from imaged.testing.pictures import make_png

SETTINGS = """
processors: [magick]
images:
  presets:
    hero: {{size: {size}, watermark: {{file: mark.png, gravity: se, scale: 0.5, opacity: 1, margin: 0}}}}
"""
NAMES = ("hero.png", "hero.webp", "hero-q50.jpg", "w20.png")
RED, BLUE = (255, 0, 0), (0, 0, 255)


def change(daemon: Daemon, colour: tuple[int, int, int], size: str = "x40") -> None:
    """Give the preset a mark of another colour, and reload."""
    file = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(file, "PNG")
    (daemon.folder / "mark.png").write_bytes(file.getvalue())
    daemon.configure(SETTINGS.format(size=size))
    assert daemon.hup()["ok"]


def mark_of(body: bytes) -> tuple[int, int, int]:
    """Return the colour of the lower right corner, rounded."""
    image = Image.open(io.BytesIO(body)).convert("RGB")
    pixel = image.getpixel((image.width - 5, image.height - 5))
    assert isinstance(pixel, tuple)
    red, green, blue = (255 * (part > 127) for part in pixel)
    return red, green, blue


def stored(daemon: Daemon) -> list[Path]:
    """Return the files of presets."""
    return sorted(daemon.store.rglob("hero*"))


def test_a_preset_changes_under_load(make_daemon: Callable[..., Daemon]) -> None:
    """No answer mixes two settings, and after the reload none is of the old ones, whatever the store still has."""
    daemon = make_daemon()
    change(daemon, RED)
    home = f"/p/{daemon.post('/p', make_png(120, 120)).json()['hash']}"
    found: dict[tuple[int, int, int], dict[str, bytes]] = {}

    def known(name: str) -> Callable[[bytes], bool]:
        return lambda body: body in {bodies[name] for bodies in found.values()}

    def note(colour: tuple[int, int, int]) -> None:
        found[colour] = {name: daemon.get(f"{home}/{name}").body for name in NAMES}
        assert {mark_of(found[colour][name]) for name in NAMES[:3]} == {colour}

    change(daemon, BLUE)
    note(BLUE)
    change(daemon, RED)
    note(RED)
    assert found[RED]["w20.png"] == found[BLUE]["w20.png"]
    until(lambda: len(stored(daemon)) == 6, daemon)
    asks = [Ask("GET", f"{home}/{name}", known(name)) for name in NAMES]
    with Load(daemon.public, asks, news=False, pause_s=0.01) as load:
        for colour in (BLUE, RED, BLUE, RED, BLUE):
            for path in stored(daemon):
                path.unlink()
            change(daemon, colour)
            for name in NAMES:
                assert daemon.get(f"{home}/{name}").body == found[colour][name]
            load.wait_for(60)
    assert not load.tally.failures, load.tally
    assert set(load.tally.statuses) == {200}


def test_the_old_files_are_never_read_again(make_daemon: Callable[..., Daemon]) -> None:
    """An old file that is broken changes no answer, also after the daemon is killed; info.json has new ones only."""
    daemon = make_daemon()
    change(daemon, RED)
    home = f"/p/{daemon.post('/p', make_png(120, 120)).json()['hash']}"
    daemon.get(f"{home}/hero.png")
    (old,) = until(lambda: stored(daemon), daemon)
    change(daemon, BLUE)
    old.write_bytes(b"broken")
    new = daemon.get(f"{home}/hero.png").body
    assert mark_of(new) == BLUE
    daemon.kill()
    daemon.start()
    assert daemon.get(f"{home}/hero.png").body == new
    rows = daemon.get(f"{home}/info.json").json()["outputs"]
    assert [(row["name"], row["url"].rpartition("/")[2]) for row in rows] == [("hero.png", "hero.png")]
    assert daemon.get(f"{home}/{old.name}").status == 404
    change(daemon, BLUE, size="x41")
    image = Image.open(io.BytesIO(daemon.get(f"{home}/hero.png").body))
    assert image.size == (41, 41)


def test_a_promised_preset_is_made_as_the_settings_have_it_then(make_daemon: Callable[..., Daemon]) -> None:
    """The POST that promises it, and `process`, show it by its name."""
    daemon = make_daemon()
    change(daemon, RED)
    posted = daemon.post("/p?outputs=hero.jpg", make_png(120, 120)).json()
    assert [row["name"] for row in posted["outputs"]] == ["hero.jpg"]
    home = f"/p/{posted['hash']}"
    change(daemon, BLUE)
    rows = daemon.post(f"{home}/process?outputs=hero.jpg").json()["outputs"]
    assert [(row["name"], row["state"]) for row in rows] == [("hero.jpg", "ready")]
    assert mark_of(daemon.get(rows[0]["url"]).body) == BLUE
    assert daemon.get(f"{home}/nothing.jpg").status == 404
