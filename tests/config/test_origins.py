"""The setting `origins`."""

from __future__ import annotations

import pytest
from settings_world import World

from imaged.config.model import Settings

SHOP = "url: 'https://shop.example/media/', namespace: p"


def faults(origin: str, name: str = "shop") -> list[str]:
    """Return the faults of one origin."""
    prefix = f"etc/imaged.yaml:1: origins.{name}"
    return [fault.removeprefix(prefix) for fault in World().faults(f"origins: {{{name}: {{{origin}}}}}")]


def test_an_origin_is_a_site_a_bucket_or_a_folder() -> None:
    """Each has its own keys; a time of a day is the default."""
    loaded = World({"AUTHORIZATION": "Basic secret"}).load(
        "origins:\n"
        f"  shop: {{{SHOP}, ttl_s: 60, headers: {{Authorization: {{env: AUTHORIZATION}}}}}}\n"
        "  photos: {plugin: s3, options: {bucket: photos}, base_path: public, namespace: q}\n"
        "  scans: {path: /srv/scans, namespace: p}\n"
    )
    assert loaded.faults == ()
    shop, photos, scans = loaded.settings.origins.values()
    assert (shop.url, shop.ttl_s, shop.headers) == ("https://shop.example/media", 60, {"Authorization": "Basic secret"})
    assert (photos.plugin, photos.options, photos.base_path) == ("s3", {"bucket": "photos"}, "public")
    assert (scans.path, scans.namespace, scans.ttl_s) == ("/srv/scans", "p", 86_400)
    shown = loaded.plain_values()["origins"]
    assert shown["shop"]["headers"] == {"Authorization": {"env": "AUTHORIZATION"}}
    assert "plugin" not in shown["shop"]
    assert "secret" not in f"{loaded.settings!r}{shop!r}{loaded.plain_values()}"


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("namespace: p", "set one of url, plugin and path; this has none"),
        (f"{SHOP}, path: /srv", "set one of url, plugin and path; this has url and path"),
        (f"{SHOP}, plugin: s3", "set one of url, plugin and path; this has url and plugin"),
        (f"{SHOP}, options: {{bucket: a}}", "options belongs to an origin with plugin: remove it"),
        (f"{SHOP}, base_path: a", "base_path belongs to an origin with plugin: remove it"),
        ("path: /srv, namespace: p, headers: {A: b}", "headers belongs to an origin with url: remove it"),
        ("url: 'https://shop.example/'", "namespace: is required"),
        ("url: 'ftp://shop.example/', namespace: p", "url: expected"),
        ("url: 'https://user:pass@shop.example/', namespace: p", "url: expected"),
        ("url: 'https://shop.example/?a=b', namespace: p", "url: expected"),
        ("url: 'https://a..b/', namespace: p", "url: expected the URL of a site"),
        ("url: 'https://ho(st/', namespace: p", "url: expected the URL of a site"),
        (f"{SHOP}, ttl_s: -1", "ttl_s: "),
        (f"{SHOP}, headers: {{Host: evil}}", "headers.Host: expected the name of a header"),
        (f"{SHOP}, headers: {{If-None-Match: a}}", "headers.If-None-Match: expected the name of a header"),
        (f"{SHOP}, headers: {{'a b': c}}", "expected the name of a header"),
        (f'{SHOP}, headers: {{A: "b\\r\\nC: d"}}', "headers.A: expected up to 500 characters"),
        (f"{SHOP}, ttl: 5", 'ttl: unknown key; did you mean "ttl_s"?'),
    ],
)
def test_what_does_not_fit_is_a_fault(origin: str, said: str) -> None:
    """The fault names the key and says what to do."""
    found = faults(origin)
    assert len(found) == 1, found
    assert said in found[0]


def test_editors_accept_references_of_headers() -> None:
    """The schema has them beside text."""
    header = Settings.model_json_schema()["$defs"]["OriginSettings"]["properties"]["headers"]["additionalProperties"]
    assert [each["type"] for each in header["anyOf"]] == ["string", "object"]


@pytest.mark.parametrize("name", ["Shop", "1shop", "-shop", "a/b", "_x", "x" * 65])
def test_a_name_that_no_url_has_is_a_fault(name: str) -> None:
    """Names are lower-case letters, digits, underscores and hyphens, a letter first."""
    assert len(faults(SHOP, name)) == 1


@pytest.mark.parametrize("name", ["my-shop", "shop_2", "s"])
def test_a_name_may_have_hyphens(name: str) -> None:
    """As many names of hosts and buckets have."""
    assert faults(SHOP, name) == []
