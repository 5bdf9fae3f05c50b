"""The loaders of `docs/loaders` make names that imaged accepts, each run by its own framework."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import jinja2
import pytest
from source_tree import ROOT

from imaged.config.images import ImagePolicy
from imaged.core.outputs import parse

LOADERS = ROOT / "docs" / "loaders"
PACKAGES = ROOT / "build" / "node" / "node_modules"
HOST = "https://img.example.com"
HOME = f"{HOST}/p/f84/0ee/339d264d4bab1b169a653b1a91"
PICTURE = {
    "partitionedHash": "f84/0ee/339d264d4bab1b169a653b1a91", "width": 2000, "height": 1500, "transparency": False,
    "average_color": "#8a7f72", "thumbhash": "1QcSHQRnh493V4dIh4eXh1h4kJUI",
}  # fmt: skip
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no node: apt-get install nodejs")


def needs(package: str) -> pytest.MarkDecorator:
    """Skip a test without a package of npm."""
    lacks = not (PACKAGES / package).is_dir()
    return pytest.mark.skipif(lacks, reason=f"no {package}: npm install --prefix build/node {package}")


def call(folder: Path, file: str, expression: str) -> Any:
    """Return the value of an expression in JavaScript, where `loader` is a copy of one of the files."""
    shutil.copy(LOADERS / file, folder)
    if PACKAGES.is_dir():
        (folder / "node_modules").symlink_to(PACKAGES)
    script = f"import * as loader from './{file}'; console.log(JSON.stringify({expression}))"
    command = ["node", "--input-type=module", "-e", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def name_of(url: str) -> str:
    """Return the output in the URL of a picture, after checking that its policy allows it."""
    home, _, name = url.rpartition("/")
    assert home == HOME
    ImagePolicy().check(parse(name))
    return name


def attributes(tag: str) -> dict[str, str]:
    """Return the attributes of an `<img>`, unescaped."""
    return {name: unescape(value) for name, value in re.findall(r'([a-z-]+)="([^"]*)"', tag)}


def check_img(tag: str) -> None:
    """Check an `<img>` of PICTURE: its widths, its size, its placeholder, and that its texts are escaped."""
    found = attributes(tag)
    candidates = [candidate.split() for candidate in found["srcset"].split(", ")]
    widths = [320, 640, 960, 1280, 1920, 2000]
    assert [(name_of(url), width) for url, width in candidates] == [(f"w{each}.auto", f"{each}w") for each in widths]
    assert name_of(found["src"]) == "w1280.auto"
    assert (found["width"], found["height"], found["sizes"]) == ("2000", "1500", "50vw")
    assert found["style"] == "background-color:#8a7f72"
    assert found["alt"] == 'a "red" <wine>'
    assert "<wine>" not in tag


@needs_node
def test_next_image(tmp_path: Path) -> None:
    """The loader of next/image makes each of Next's widths, with and without a quality."""
    widths = [16, 32, 48, 64, 96, 128, 256, 384, 640, 750, 828, 1080, 1200, 1920, 2048, 3840]
    script = f"{widths}.map((width) => loader.default({{src: '/p/{PICTURE['partitionedHash']}', width}}))"
    assert [name_of(url) for url in call(tmp_path, "next-image-loader.mjs", script)] == [
        f"w{each}.auto" for each in widths
    ]


@needs_node
def test_next_image_with_a_quality(tmp_path: Path) -> None:
    """A quality comes behind the width."""
    script = f"loader.default({{src: '/p/{PICTURE['partitionedHash']}', width: 640, quality: 60}})"
    assert name_of(call(tmp_path, "next-image-loader.mjs", script)) == "w640-q60.auto"


@needs_node
@needs("thumbhash")
def test_the_placeholder_of_next_image(tmp_path: Path) -> None:
    """The placeholder is a PNG in a data URL; a picture without details has none."""
    script = f"[loader.placeholder({json.dumps(PICTURE)}), loader.placeholder({{}}) ?? null]"
    url, none = call(tmp_path, "placeholder.mjs", script)
    assert url.startswith("data:image/png;base64,")
    assert none is None


@needs_node
@needs("@nuxt/image")
def test_nuxt_image(tmp_path: Path) -> None:
    """The provider makes each row of the table in the page, and the one name of a square."""
    rows = re.findall(
        r"^\| `(.*width=.*|height=.*)` .*\| `(.*)` \|$", (ROOT / "docs" / "loaders.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 7
    wanted, names = [], []
    for props, name in [
        *rows,
        ('width="300" height="300" fit="cover" format="jpeg"', "x300.jpg"),
        ("", "full_size.auto"),
    ]:
        gravity = re.search(r"gravity: '(\w+)'", props)
        given = dict(re.findall(r'(?<![:\w])(width|height|fit|quality|format)="(\w+)"', props.partition("`")[0]))
        wanted.append(given | ({"gravity": gravity[1]} if gravity else {}))
        names.append(name)
    base = json.dumps({"baseURL": HOST})
    script = f"{json.dumps(wanted)}.map((modifiers) => loader.default().getImage('/p/{PICTURE['partitionedHash']}', "
    urls = call(tmp_path, "nuxt-imaged.mjs", script + f"{{modifiers, ...{base}}}).url)")
    assert [name_of(url) for url in urls] == names


def test_django(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tags make an escaped `<img>` with srcset, and the URL of any size."""
    pytest.importorskip("django", reason="no Django: pip install Django")
    template, conf = importlib.import_module("django.template"), importlib.import_module("django.conf")
    monkeypatch.syspath_prepend(str(LOADERS))
    if not conf.settings.configured:
        conf.settings.configure(IMAGED_URL=HOST)
    engine = template.Engine(libraries={"imaged_tags": "imaged_tags"})
    context = template.Context({"picture": PICTURE, "name": 'a "red" <wine>'})

    def render(text: str) -> str:
        rendered: str = engine.from_string("{% load imaged_tags %}" + text).render(context)
        return rendered

    check_img(render('{% imaged_img picture alt=name sizes="50vw" %}'))
    assert name_of(render("{% imaged_url picture '300x400-gsm' %}")) == "300x400-gsm.auto"


def test_jinja(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function makes an escaped `<img>` with srcset, the filter the URL of any size."""
    monkeypatch.syspath_prepend(str(LOADERS))
    environment = jinja2.Environment(autoescape=True)
    importlib.import_module("imaged_jinja").add_imaged(environment, HOST)
    values = {"picture": PICTURE, "name": 'a "red" <wine>'}
    check_img(environment.from_string("{{ imaged_img(picture, alt=name, sizes='50vw') }}").render(values))
    url = environment.from_string("{{ picture | imaged_url('300x400-gsm') }}").render(values)
    assert name_of(url) == "300x400-gsm.auto"
