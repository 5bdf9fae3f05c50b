"""The list of outputs that need no signature: patterns become names when the settings are loaded, within a bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings_world import World

from imaged.config.allowed_outputs import MAXIMUM_NAMES, AllowedOutputs, expand
from imaged.config.images import ImagePolicy
from imaged.config.messages import UnfitError
from imaged.config.unlisted import find_unlisted
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.outputs import parse

WORLD = World(environ={"LIST": "w{320,640}.jpg", "WRONG": "secret.jpg"})


def policy(yaml: str, namespace: str = "p") -> ImagePolicy:
    """Return the policy of a namespace in sound settings."""
    loaded = WORLD.load(yaml)
    assert not loaded.faults
    return loaded.settings.policy(namespace)


def numbers(count: int) -> str:
    """Return the alternatives 1 to `count`."""
    return ",".join(map(str, range(1, count + 1)))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("x300.jpg", ["x300.jpg"]),
        ("w{320,640}.{auto,jpg}", ["w320.auto", "w320.jpg", "w640.auto", "w640.jpg"]),
        ("{hero,card}.webp", ["hero.webp", "card.webp"]),
        ("w320{,-q50}.jpg", ["w320.jpg", "w320-q50.jpg"]),
        ("w{320,320}.jpg", ["w320.jpg"]),
        ("w{320}.jpg", ["w320.jpg"]),
    ],
)
def test_a_pattern_stands_for_names(pattern: str, names: list[str]) -> None:
    """Braces have alternatives, which may be empty; each name comes once."""
    assert expand(pattern) == names


@pytest.mark.parametrize(
    "pattern", ["", "w{320.jpg", "w320}.jpg", "w{3{2,4}0}.jpg", "w320.jpg,w640.jpg", "}{", "{" * 9000]
)
def test_other_text_is_no_pattern(pattern: str) -> None:
    """Braces match and do not nest, and a comma is inside of them."""
    with pytest.raises(UnfitError, match="expected the name of an output, or a pattern"):
        expand(pattern)


@given(st.lists(st.lists(st.sampled_from(["a", "b1", ""]), min_size=1, max_size=3), min_size=1, max_size=4))
def test_the_count_is_that_of_the_product(groups: list[list[str]]) -> None:
    """A pattern has as many names as its different alternatives multiply to, at most."""
    names = expand("x".join("{" + ",".join(group) + "}" for group in groups))
    most = 1
    for group in groups:
        most *= len(set(group))
    assert len(names) == len(set(names)) <= most


def test_the_list_is_one_set() -> None:
    """Entries may overlap, and a preset counts in any version."""
    yaml = "images: {presets: {hero: {size: w300}}, allowed_outputs: ['w{320,640}.jpg', 'w{640,960}.jpg', hero.jpg]}"
    mine = policy(yaml)
    assert {str(each) for each in mine.allowed_outputs.outputs} == {"w320.jpg", "w640.jpg", "w960.jpg", "hero.jpg"}
    assert mine.is_public(mine.current(parse("hero.jpg")))
    assert not mine.is_public(parse("w321.jpg"))


def test_a_preset_alone_stands_for_its_formats() -> None:
    """Also for `auto`; a quality of its own is another output."""
    mine = policy("images: {presets: {hero: {size: w300}, card: {size: w30}}, allowed_outputs: [hero]}")
    assert [mine.is_public(mine.current(parse(f"hero.{each}"))) for each in ("auto", "jpg", "avif")] == [True] * 3
    assert [mine.is_public(parse(each)) for each in ("hero-q50.jpg", "card.auto", "w300.jpg")] == [False] * 3
    assert not mine.allowed_outputs.allows_none


def test_an_empty_list_allows_all_and_none_allows_nothing() -> None:
    """What describes a picture is public unless no output and no original is."""
    everything, nothing = policy("images: {}"), policy("images: {allowed_outputs: [none], public_original: false}")
    assert [everything.is_public(file) for file in (parse("w1.jpg"), ORIGINAL, RECORD, None)] == [True] * 4
    assert [nothing.is_public(file) for file in (parse("w1.jpg"), ORIGINAL, RECORD, None)] == [False] * 4


def test_a_namespace_has_the_list_of_images_or_its_own() -> None:
    """Its own list replaces that of images, also with an empty one."""
    namespaces = "namespaces: {own: {allowed_outputs: [w640.jpg]}, any: {allowed_outputs: []}}"
    yaml = f"images: {{allowed_outputs: [w320.jpg]}}\n{namespaces}"
    public = {
        name: [policy(yaml, name).is_public(parse(each)) for each in ("w320.jpg", "w640.jpg")]
        for name in ("p", "own", "any")
    }
    assert public == {"p": [True, False], "own": [False, True], "any": [True, True]}


def test_outputs_of_new_images_are_not_public_by_themselves() -> None:
    """`outputs` says what is made, and `allowed_outputs` what is public."""
    assert not policy("images: {outputs: [x300.jpg], allowed_outputs: [w320.jpg]}").is_public(parse("x300.jpg"))


@pytest.mark.parametrize(
    ("yaml", "lines"),
    [
        ("images: {outputs: [x300.jpg]}", []),
        ("images: {outputs: [x300.jpg], allowed_outputs: [none]}", []),
        ("images: {outputs: [x300.jpg, x5.jpg], allowed_outputs: [x5.jpg, w320.jpg]}", ["images: … x300.jpg: …"]),
        (
            "images: {allowed_outputs: [x5.jpg]}\nnamespaces: {a: {outputs: [x6.jpg, x7.jpg]}, b: {maximum_width: 9}}",
            ["namespaces.a: … x6.jpg, x7.jpg: …"],
        ),
    ],
)
def test_a_check_names_outputs_that_are_made_and_not_listed(yaml: str, lines: list[str]) -> None:
    """Pages may need them; where no output is public, that is meant."""
    found = [each.replace("clients need a signature for", "…") for each in find_unlisted(WORLD.load(yaml).settings)]
    assert [each.partition(": outputs has")[0] + ": …" for each in found] == lines


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("w{320,}.jpg", "'w.jpg' is not an output: use"),
        ("w0320.jpg", "'w0320.jpg' is not an output"),
        ("300x300.jpg", "'300x300.jpg' is not an output: that one is called x300.jpg"),
        ("original", "originals are not listed here: set public_original"),
        ("srcset", "srcset is not listed here: it is public where an output is"),
        ("w300", "this name has no format: list w300.auto, or w300.{auto,jpg}"),
        ("hero", "hero.auto is not an output: hero is no preset of this namespace"),
        ("hero~01234567.jpg", "'hero~01234567.jpg' is not an output: a preset is asked for by its name alone"),
        ("hero.jpg", "hero.jpg is not an output: hero is no preset of this namespace"),
        ("w{320,9999}.jpg", "w9999.jpg is wider than 4096 pixels, the most allowed here"),
        ("w320.{jpg,tiff}", "w320.tiff: tiff is not allowed here: use one of jpg, png, gif, webp, avif"),
        ("w{320,640.jpg", "whose braces do not nest, got"),
        ("640", "whose braces do not nest, got 640"),
        (f"w{{{numbers(100)}}}.{{{numbers(51)}}}", "the pattern stands for more than 5000 names: list fewer"),
    ],
)
def test_faults_have_the_line_of_their_entry(entry: str, fault: str) -> None:
    """A name that no output has, one that the policy refuses, and too many of them."""
    (found,) = WORLD.faults(f"images:\n  allowed_outputs:\n    - x300.jpg\n    - {entry}\n")
    assert found.startswith("etc/imaged.yaml:4: images.allowed_outputs.1: ")
    assert fault in found
    (own,) = WORLD.faults(f"namespaces:\n  shop:\n    allowed_outputs:\n    - {entry}\n")
    assert own.startswith("etc/imaged.yaml:4: namespaces.shop.allowed_outputs.0: ")


@pytest.mark.parametrize("key", ["outputs", "allowed_outputs"])
@pytest.mark.parametrize("where", ["images", "namespaces.shop"])
def test_a_malformed_entry_hides_no_fault_of_another(key: str, where: str) -> None:
    """The operator gets the faults of all entries at once, those that the policy refuses, too."""
    top = "images:\n" if where == "images" else "namespaces:\n shop:\n"
    found = WORLD.faults(f"{top}  {key}:\n  - w{{3\n  - x3.jpg\n  - hero.jpg\n  - w9999.jpg\n")
    assert [each.split(": ")[1] for each in found] == [f"{where}.{key}.{index}" for index in (0, 2, 3)]


def test_one_mistake_is_one_fault() -> None:
    """What a fault makes of the rest, such as a preset that is left out for its size, is no fault of its own."""
    yaml = "images:\n  outputs: [hero.jpg, w5000.jpg]\n  allowed_outputs: [hero.auto]\n"
    (found,) = WORLD.faults(f"{yaml}  maximum_width: 5000\n  presets: {{hero: {{size: big}}}}\n")
    assert found.startswith("etc/imaged.yaml:5: images.presets.hero.size: expected a size")
    (found,) = WORLD.faults(f"{yaml}  maximum_width: wide\n  presets: {{hero: {{size: x3}}}}\n")
    assert found.startswith("etc/imaged.yaml:4: images.maximum_width: expected a whole number")


def test_the_names_of_a_list_are_bounded() -> None:
    """Entries that are small enough may be too many together; a list of that many is sound."""
    half = MAXIMUM_NAMES // 2
    fine = f"images:\n  allowed_outputs:\n  - w{{{numbers(half)}}}.jpg\n  - h{{{numbers(half)}}}.jpg\n"
    assert len(policy(fine).allowed_outputs.outputs) == MAXIMUM_NAMES
    (found,) = WORLD.faults(f"{fine}  - x1.jpg\n")
    assert found == "etc/imaged.yaml:2: images.allowed_outputs: the list stands for more than 5000 names: list fewer"


def test_none_stands_alone() -> None:
    """A list that says both is a fault."""
    (found,) = WORLD.faults("images: {allowed_outputs: [none, x300.jpg]}")
    assert found.endswith("images.allowed_outputs: none allows no output: remove it, or the other entries")


def test_an_inherited_entry_that_a_namespace_refuses_is_no_fault() -> None:
    """It opens nothing there: the policy refuses it as before."""
    small = policy("images: {allowed_outputs: ['w{320,640}.jpg']}\nnamespaces: {s: {maximum_width: 400}}", "s")
    assert small.is_public(parse("w640.jpg"))
    assert WORLD.faults("namespaces: {s: {maximum_width: 400, allowed_outputs: [w640.jpg]}}") != []


def test_a_list_is_shown_as_it_is_written() -> None:
    """`config show` prints patterns and references."""
    loaded = WORLD.load("images: {allowed_outputs: ['w{1,2}.jpg', {env: LIST}]}")
    assert loaded.plain_values()["images"]["allowed_outputs"] == ["w{1,2}.jpg", {"env": "LIST"}]
    assert loaded.settings.images.is_public(parse("w640.jpg"))


def test_a_fault_of_a_reference_does_not_quote_it() -> None:
    """It may be a secret."""
    (found,) = WORLD.faults("images: {allowed_outputs: [{env: WRONG}]}")
    assert "secret" not in found
    assert "{env: WRONG}" in found


def test_the_value_takes_no_further_names() -> None:
    """A list of no pattern is the default."""
    assert AllowedOutputs() == ImagePolicy().allowed_outputs
    assert not AllowedOutputs().allows_none
