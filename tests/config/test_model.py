"""The settings: policies, bounds, and hidden values."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from imaged.config.images import ImagePolicy
from imaged.config.model import Settings
from imaged.core.errors import PolicyError
from imaged.core.formats import AVIF, BMP, CORE, FORMATS, FURTHER, JPEG, PNG, TIFF
from imaged.core.outputs import parse


def test_a_listed_namespace_inherits_what_it_does_not_set() -> None:
    """A key of an entry in `namespaces` replaces that key of `images`, and no other."""
    settings = Settings.model_validate(
        {"images": {"default_quality": 60}, "namespaces": {"avatars": {"maximum_width": 400, "outputs": ["x64.jpg"]}}}
    )
    policy = settings.policy("avatars")
    assert (policy.maximum_width, policy.default_quality, policy.outputs) == (400, 60, (parse("x64.jpg"),))
    assert policy.extensions == settings.images.extensions


def test_any_other_namespace_has_the_policy_of_images() -> None:
    """A namespace without an entry has the policy of `images`."""
    settings = Settings.model_validate({"namespaces": {"avatars": {"maximum_width": 400}}})
    assert settings.policy("p") is settings.images


def test_extensions_are_those_of_all_namespaces() -> None:
    """They are sorted, and those of `images` are among them: unlisted namespaces have its policy."""
    namespaces = {"avatars": {"extensions": ["webp", "gif"]}, "films": {"maximum_width": 400}}
    settings = Settings.model_validate({"images": {"extensions": ["jpg"]}, "namespaces": namespaces})
    assert settings.extensions == ("gif", "jpg", "webp")


@given(width_px=st.integers(1, 2000), maximum_width=st.integers(1, 2000))
def test_a_policy_refuses_exactly_what_is_wider(width_px: int, maximum_width: int) -> None:
    """Outputs are refused when they are wider than `maximum_width`, whatever their height."""
    policy = ImagePolicy(maximum_width=maximum_width)
    for name in (
        f"w{width_px}.jpg",
        f"x{width_px}.jpg",
        f"{width_px}x3000.jpg",
        f"f{width_px}x9.jpg",
        f"p{width_px}x9.jpg",
    ):
        if width_px > maximum_width:
            with pytest.raises(PolicyError, match=f"wider than {maximum_width} pixels"):
                policy.check(parse(name))
        else:
            policy.check(parse(name))


@given(height_px=st.integers(1, 2000), maximum_height=st.integers(1, 2000))
def test_a_policy_refuses_exactly_what_is_higher(height_px: int, maximum_height: int) -> None:
    """Outputs whose name has a height are refused when it is more than `maximum_height`."""
    policy = ImagePolicy(maximum_width=3000, maximum_height=maximum_height)
    policy.check(parse(f"w{height_px}.jpg"))
    for name in (
        f"x{height_px}.jpg",
        f"3000x{height_px}.jpg",
        f"h{height_px}.jpg",
        f"f9x{height_px}.jpg",
        f"p9x{height_px}.jpg",
    ):
        if height_px > maximum_height:
            with pytest.raises(PolicyError, match=f"higher than {maximum_height} pixels"):
                policy.check(parse(name))
        else:
            policy.check(parse(name))


def test_full_size_is_never_too_large() -> None:
    """An output of the original's size is exempt from `maximum_width` and `maximum_height`."""
    ImagePolicy(maximum_width=1, maximum_height=1).check(parse("full_size.png"))


def test_a_policy_refuses_other_extensions_and_names_its_own() -> None:
    """The message about another extension lists the allowed ones."""
    with pytest.raises(PolicyError, match="gif is not allowed here: use one of jpg, png"):
        ImagePolicy(extensions=("jpg", "png")).check(parse("w10.gif"))


def test_quality_is_that_of_the_name_or_the_default() -> None:
    """`-q50` wins over the policy's default quality."""
    policy = ImagePolicy(default_quality=80)
    variants = [policy.resolve(parse(name), FORMATS) for name in ("w10.jpg", "w10-q50.jpg")]
    assert [variant.quality for variant in variants] == [80, 50]


def test_a_stricter_policy_still_resolves_a_queued_output() -> None:
    """`check` refuses a client's request; `resolve` still gives the variant of a queued output."""
    strict = ImagePolicy(extensions=("jpg",), maximum_width=10)
    with pytest.raises(PolicyError):
        strict.check(parse("w20.png"))
    assert strict.resolve(parse("w20.png"), FORMATS).format == PNG


def test_a_format_that_no_processor_writes_cannot_be_resolved() -> None:
    """A policy may list a format although the processor that brought it was removed."""
    with pytest.raises(PolicyError, match="extension 'bmp' is not one of jpg, png, gif, webp"):
        ImagePolicy(extensions=("bmp",)).resolve(parse("w20.bmp"), FORMATS)


def test_originals_are_taken_in_the_formats_that_are_listed() -> None:
    """A format that is not imaged's own is taken where `extensions` lists it, too."""
    brought = replace(PNG, extension="bmp", content_type="image/bmp")
    policy = ImagePolicy(read_formats=("png", "tiff"), extensions=("jpg", "avif"))
    assert [policy.takes(format) for format in (PNG, TIFF, JPEG, AVIF, brought)] == [True, True, False, False, False]
    assert ImagePolicy(extensions=("bmp",)).takes(brought)
    assert ImagePolicy(read_formats=("bmp",)).takes(brought)
    assert not ImagePolicy(extensions=("bmp",)).takes(BMP)


def test_the_defaults_take_avif_and_heic_and_give_avif() -> None:
    """TIFF, BMP and JPEG XL are taken where they are named."""
    assert [ImagePolicy().takes(format) for format in (*CORE, *FURTHER)] == [*[True] * 6, *[False] * 3]
    assert ImagePolicy().extensions == ("jpg", "png", "gif", "webp", "avif")


def test_settings_cannot_be_changed() -> None:
    """Settings are frozen."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().listen = "tcp:1"  # type: ignore[misc]  # that is the test


def test_settings_tell_nothing_of_their_values() -> None:
    """Any value may be a secret: repr, str and pydantic's error hide all values."""
    settings = Settings.model_validate({"plugins": {"s3": {"key": "hunter2"}}, "uploader": "hunter2"})
    assert "hunter2" not in f"{settings!r} {settings} {settings.remote!r}"
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"images": {"maximum_width": "hunter2"}})
    assert "hunter2" not in str(caught.value)


def test_sequences_are_tuples_and_networks_are_networks() -> None:
    """Lists and text of YAML become parsed values."""
    settings = Settings.model_validate({"sources": {"allow_networks": ["10.0.0.0/8", "::1"]}, "metrics": ["statsd"]})
    assert settings.sources.allow_networks == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert settings.metrics == ("statsd",)


def test_prefixes_and_urls_lose_the_slash_at_their_end() -> None:
    """`public/images/` and `public/images` are the same prefix."""
    settings = Settings.model_validate({"remote": {"base_path": "public/images/", "base_url": "https://a.example/b/"}})
    assert (settings.remote.base_path, settings.remote.base_url) == ("public/images", "https://a.example/b")


@pytest.mark.parametrize("section", ["status", "store", "remote", "images", "namespaces", "sources", "plugins"])
def test_an_emptied_section_stands_for_its_defaults(section: str) -> None:
    """A section whose keys are all commented out is null in YAML and has the defaults."""
    assert Settings.model_validate({section: None}) == Settings()


@pytest.mark.parametrize(
    "data",
    [
        {"store": {"partitions": [16, 16]}},
        {"store": {"partitions": [0]}},
        {"store": {"partitions": [1] * 9}},
        {"store": {"path": ""}},
        {"remote": {"base_path": "/absolute"}},
        {"remote": {"base_path": "a/../b"}},
        {"remote": {"base_path": "a//b"}},
        {"sources": {"user_agent": "two\r\nlines"}},
        {"sources": {"user_agent": " blank before"}},
        {"sources": {"user_agent": "blümchen"}},
        {"sources": {"user_agent": "a" * 501}},
        {"status": {"allow_hosts": ["http://a.example"]}},
        {"status": {"allow_hosts": ["a.example:7002"]}},
        {"status": {"allow_hosts": ["a.example", "a.example"]}},
        {"status": {"allow_hosts": ["*"]}},
        {"images": {"allow_origins": ["www.example.com"]}},
        {"images": {"allow_origins": ["https://www.example.com/"]}},
        {"images": {"allow_origins": ["https://WWW.example.com"]}},
        {"images": {"allow_origins": ["https://www.example.com:443"]}},
        {"images": {"allow_origins": ["https://www.example.com:65536"]}},
        {"images": {"allow_origins": ["https://*.example.com"]}},
        {"images": {"allow_origins": ["null"]}},
        {"images": {"allow_origins": ["*", "*"]}},
        {"remote": {"base_url": "ftp://a.example"}},
        {"remote": {"base_url": "https://"}},
        {"remote": {"base_url": "https://a.example:99999"}},
        {"remote": {"base_url": "https://[::1"}},
        {"images": {"extensions": [".bmp"]}},
        {"images": {"extensions": []}},
        {"images": {"extensions": ["jpg", "jpg"]}},
        {"images": {"default_quality": 0}},
        {"images": {"maximum_width": 0}},
        {"namespaces": {"p": {"extensions": []}}},
        {"namespaces": {"p": {"default_quality": 101}}},
        {"images": {"outputs": ["x300"]}},
        {"images": {"outputs": ["x300.jpg", "x300.jpg"]}},
        {"images": {"background": "white"}},
        {"images": {"progressive": "never"}},
        {"images": {"progressive": 1}},
        {"images": {"maximum_width": True}},
        {"namespaces": {"No": {}}},
        {"sources": {"allow_networks": ["10.0.0.1/8"]}},
        {"sources": {"allow_networks": [10]}},
        {"sources": {"timeout_s": float("inf")}},
        {"render": {"queue": -1}},
        {"render": {"timeout_s": 0}},
        {"processors": []},
        {"processors": ["magick", "magick"]},
        {"processors": "magick"},
        {"uploader": ""},
        {"upload": {"concurrency": 0}},
        {"listen": "7000"},
        {"plugins": {"s3": []}},
        {"plugins": {"no name": {}}},
    ],
)
def test_values_out_of_bounds_are_refused(data: dict[str, Any]) -> None:
    """Each kind of value has its bounds."""
    with pytest.raises(ValidationError):
        Settings.model_validate(data)


def test_the_schema_serves_editors() -> None:
    """The JSON Schema describes every key, closes every section and lets a reference stand for a scalar."""
    schema = Settings.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    assert all(section["additionalProperties"] is False for section in sections)
    assert all("description" in value for section in sections for value in section["properties"].values())
    port = schema["$defs"]["UploadSettings"]["properties"]["concurrency"]
    assert port["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 1024}
    assert set(port["anyOf"][1]["properties"]) == {"env", "file"}
    assert json.loads(json.dumps(schema)) == schema
