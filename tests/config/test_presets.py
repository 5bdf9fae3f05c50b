"""Presets: their keys, their faults, and a version for each way to make pixels."""

from __future__ import annotations

from typing import Any

import pytest
from settings_world import World

from imaged.config.images import ImagePolicy
from imaged.core.details import ImageDetails
from imaged.core.effects import NO_EFFECTS, Effects, Watermark
from imaged.core.errors import NotFoundError
from imaged.core.formats import FORMATS
from imaged.core.gravities import Compass, FocalPoint, Smart
from imaged.core.outputs import Fill, Fit, Preset, parse
from imaged.testing.pictures import make_png

MARK = make_png()
WORLD = World(files={"etc/mark.png": MARK, "etc/other.png": MARK + b" ", "etc/text.png": "no picture"})
HERO = """images:
  presets:
    hero:
      size: 1200x600
      gravity: smart
      quality: 80
      background: "#000000"
      blur: 1.5
      sharpen: 0.6
      grayscale: true
      watermark: {file: mark.png, gravity: nw, scale: 0.3, opacity: 0.5, margin: 0.1}
      enlarge: false
"""


def policy(yaml: str, namespace: str = "p") -> ImagePolicy:
    """Return the policy of a namespace in sound settings."""
    loaded = WORLD.load(yaml)
    assert not loaded.faults
    return loaded.settings.policy(namespace)


def version(yaml: str) -> str:
    """Return the version of the preset `hero`."""
    sizing = policy(yaml).current(parse("hero.jpg")).sizing
    assert isinstance(sizing, Preset)
    return sizing.version


def test_a_preset_becomes_a_variant() -> None:
    """All its keys are in the variant, for each format and quality that is asked for."""
    hero = policy(HERO)
    details = ImageDetails(1, False, 1, None, "", "#000000", "#000000", "0" * 16, FocalPoint(20, 30))
    variant = hero.resolve(hero.current(parse("hero.png")), FORMATS, details)
    assert variant.sizing == Fill(1200, 600, FocalPoint(20, 30))
    assert (variant.quality, variant.background, variant.padding) == (80, "#000000", "#000000")
    assert variant.enlarge is False
    assert variant.effects == Effects(1.5, 0.6, True, Watermark(MARK, Compass.NORTH_WEST, 0.3, 0.5, 0.1))
    assert hero.resolve(hero.current(parse("hero-q50.webp")), FORMATS).quality == 50
    assert hero.is_smart(parse("hero.jpg"))


def test_a_preset_of_a_size_alone_is_like_that_size() -> None:
    """Everything else is as the namespace has it."""
    mine = policy("images: {default_quality: 33, presets: {card: {size: w300}}}")
    plain, card = (mine.resolve(mine.current(parse(name)), FORMATS) for name in ("w300.jpg", "card.jpg"))
    assert (card.sizing, card.quality, card.effects, card.padding) == (Fit(300), 33, NO_EFFECTS, plain.padding)
    assert not mine.is_smart(parse("card.jpg"))


def test_a_namespace_adds_to_the_presets_of_images() -> None:
    """Its own preset replaces one of the same name; the others are inherited."""
    yaml = "images: {presets: {aa: {size: w1}, bb: {size: w1}}}\nnamespaces: {shop: {presets: {bb: {size: w2}}}}"
    shop = policy(yaml, "shop")
    assert {name: str(preset.size) for name, preset in shop.presets.items()} == {"aa": "w1", "bb": "w2"}
    assert str(policy(yaml).presets["bb"].size) == "w1"


def test_an_unknown_preset_is_not_found() -> None:
    """The message says so; the size of presets is not limited."""
    with pytest.raises(NotFoundError, match=r"hero\.jpg is not an output: hero is no preset of this namespace"):
        ImagePolicy().check(parse("hero.jpg"))
    policy("images: {maximum_width: 10, presets: {hero: {size: w5000}}}").check(parse("hero.jpg"))


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("size", "big", "expected a size, as in names"),
        ("size", "1200x600-gn", "give its gravity as the key gravity"),
        ("size", "hero", "expected a size, as in names"),
        ("gravity", "north", "expected smart, one of c n ne e se s sw w nw, or a focal point"),
        ("gravity", "101x5", "expected smart"),
        ("quality", "0", "quality"),
        ("blur", "-1", "blur"),
        ("sharpen", "9", "sharpen"),
        ("colour", "red", "colour"),
        ("watermark", "{file: gone.png}", 'gone.png": No such file'),
        ("watermark", "{file: text.png}", "it is not PNG, JPEG, WebP or GIF"),
        ("watermark", "{file: mark.png, opacity: 2}", "opacity"),
        ("watermark", "{file: mark.png, gravity: sm}", "expected one of c n ne e se s sw w nw"),
    ],
)
def test_faults_have_the_line_of_their_key(key: str, value: str, fault: str) -> None:
    """A wrong value of a preset, and a picture that cannot be used, are faults with file and line."""
    yaml = f"images:\n  presets:\n    hero:\n      size: x600\n      {key}: {value}\n".replace(
        "      size: x600\n", "" if key == "size" else "      size: x600\n"
    )
    found = WORLD.faults(yaml)
    assert any(fault in each for each in found)
    assert all(each.startswith(f"etc/imaged.yaml:{4 if key == 'size' else 5}: images.presets.hero") for each in found)


def test_a_watermark_needs_its_file_alone() -> None:
    """A mapping of a file alone is a watermark, not a reference to a secret."""
    marked = policy("images: {presets: {hero: {size: w500, watermark: {file: mark.png}}}}").presets["hero"]
    assert marked.effects.watermark == Watermark(MARK, Compass.SOUTH_EAST, 0.2, 1.0, 0.02)


@pytest.mark.parametrize(
    ("yaml", "place"),
    [
        ("images:\n  outputs: [hero.jpg]", "etc/imaged.yaml:2: images.outputs.0"),
        ("namespaces:\n  p:\n    outputs: [hero.jpg]", "etc/imaged.yaml:3: namespaces.p.outputs.0"),
    ],
)
def test_an_output_of_a_missing_preset_is_a_fault(yaml: str, place: str) -> None:
    """A preset that the settings do not have cannot be made of each new picture."""
    (found,) = WORLD.faults(yaml)
    assert found.startswith(place)
    assert "hero is no preset of this namespace" in found


def test_a_missing_watermark_hides_no_fault_beside_it() -> None:
    """The other keys of the watermark are checked, and the file has one fault."""
    found = WORLD.faults("images: {presets: {hero: {size: w500, watermark: {file: gone.png, scale: 2}}}}")
    assert [each.split(": ")[1].rpartition(".")[2] for each in found] == ["file", "scale"]


def test_a_gravity_needs_a_crop() -> None:
    """A preset that crops nothing has no gravity."""
    (found,) = WORLD.faults("images: {presets: {hero: {size: w500, gravity: n}}}")
    assert "gravity is for sizes that are cropped" in found


@pytest.mark.parametrize("name", ["w500", "full_size", "x600", "original", "Hero", "h", "a1", "hero-1", "srcset"])
def test_other_names_are_no_names_of_presets(name: str) -> None:
    """A name that means something else, or that no URL can have, is a fault."""
    (found,) = WORLD.faults(f"images: {{presets: {{{name}: {{size: w500}}}}}}")
    assert "expected the name of a preset" in found


CHANGES = {
    "size": HERO.replace("1200x600", "1200x601"),
    "gravity": HERO.replace("smart", "25x70"),
    "quality": HERO.replace("quality: 80", "quality: 81"),
    "background": HERO.replace("#000000", "#000001"),
    "blur": HERO.replace("1.5", "1.6"),
    "sharpen": HERO.replace("0.6", "0.7"),
    "grayscale": HERO.replace("grayscale: true", "grayscale: false"),
    "watermark": HERO.replace("mark.png", "other.png"),
    "gravity of the watermark": HERO.replace("gravity: nw", "gravity: ne"),
    "scale": HERO.replace("scale: 0.3", "scale: 0.31"),
    "opacity": HERO.replace("opacity: 0.5", "opacity: 0.51"),
    "margin": HERO.replace("margin: 0.1", "margin: 0.11"),
    "enlarge": HERO.replace("enlarge: false", "enlarge: true"),
    "no watermark": "\n".join(line for line in HERO.splitlines() if "watermark" not in line),
    "inherited quality": HERO.replace("      quality: 80\n", "") + "  default_quality: 5\n",
    "no quality": HERO.replace("      quality: 80\n", ""),
    "progressive": HERO + "  progressive: true\n",
    "animation": HERO + "  animation: refuse\n",
    "avif_quality": HERO + "  avif_quality: 33\n",
    "avif_speed": HERO + "  avif_speed: 3\n",
    "webp_effort": HERO + "  webp_effort: 1\n",
}


def test_each_change_of_pixels_is_another_version() -> None:
    """No two of these settings have the same version."""
    versions = {name: version(yaml) for name, yaml in CHANGES.items()} | {"hero": version(HERO)}
    assert len(set(versions.values())) == len(versions)


def test_what_changes_no_pixel_is_the_same_version() -> None:
    """Nor does the order of keys, another preset, what the preset overrides, or the path of the same picture."""
    keys = HERO.splitlines()
    moved = "\n".join([*keys[:3], *reversed(keys[3:])])
    more = HERO + "    other: {size: w5}\n  maximum_width: 99\n  extensions: [jpg]\n"
    overridden = HERO + '  default_quality: 5\n  background: "#123456"\n  enlarge: true\n'
    copied = World(files={"etc/copy.png": MARK}).load(HERO.replace("mark.png", "copy.png"))
    renamed: Any = copied.settings.policy("p").current(parse("hero.jpg")).sizing
    assert {version(moved), version(more), version(overridden), renamed.version} == {version(HERO)}


def test_the_effective_settings_show_the_path_of_a_watermark() -> None:
    """They have no bytes, and load again."""
    shown = WORLD.load(HERO).plain_values()["images"]["presets"]["hero"]
    assert shown["watermark"]["file"] == "mark.png"
    assert (shown["size"], shown["gravity"]) == ("1200x600", "smart")
    assert Smart() == policy(HERO).presets["hero"].gravity
