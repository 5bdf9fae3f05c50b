"""`imaged sign`: what it prints, what it refuses, and with which exit status."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imaged.cli import main
from imaged.commands import configuration
from imaged.core.signatures import sign, verify

KEY, OLD = "0123456789abcdefghijklmnopqrstuv", "an-older-key-0123456789"
HOME = "/p/f84/0ee/339d264d4bab1b169a653b1a91"
PATH = f"{HOME}/w500.jpg"
YAML = f"""
images: {{allowed_outputs: [w320.jpg], public_original: false}}
access: {{signing_keys: [{{file: signing.key}}, {OLD}], tokens: [{{name: a, token: {{env: A_TOKEN_OF_THE_SERVICE}}}}]}}
uploader: s3
plugins: {{s3: {{secret_access_key: {{env: A_SECRET_OF_THE_SERVICE}}}}}}
"""


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with settings and a key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMAGED_CONFIG", raising=False)
    monkeypatch.setattr(configuration, "SYSTEM", tmp_path / "system.yaml")
    (tmp_path / "system.yaml").write_text(YAML)
    (tmp_path / "signing.key").write_text(f"{KEY}\n")


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["sign", *arguments])


@pytest.mark.parametrize("name", ["w500.jpg", "w500.auto", "original", "x300-gsm-q50.webp"])
def test_a_path_is_signed_with_the_first_key(name: str) -> None:
    """The line is the path with its signature; a secret of a plugin, which the shell lacks, does not matter."""
    done = run(f"{HOME}/{name}")
    assert (done.exit_code, done.stdout) == (0, f"{HOME}/{name}?s={sign(KEY, f'{HOME}/{name}')}\n")
    assert done.stderr == ""


def test_whole_urls() -> None:
    """The path of a URL is signed; --url comes before a path, with or without a slash at its end."""
    signature = sign(KEY, PATH)
    expected = f"https://img.example.com{PATH}?s={signature}\n"
    assert run(f"https://img.example.com{PATH}").stdout == expected
    assert run("--url", "https://img.example.com/", PATH).stdout == expected
    assert run("--url", "https://img.example.com", PATH, PATH).stdout == expected * 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h", 3600), ("7d", 604_800), ("2w", 1_209_600), ("1h30m", 5400), ("3600", 3600)],
)
def test_a_duration_becomes_the_time_of_expiry(text: str, seconds: int) -> None:
    """The signature covers it."""
    before = int(time.time())
    done = run("--expires", text, PATH)
    match = re.fullmatch(rf"{re.escape(PATH)}\?s=(.{{22}})&e=(\d+)\n", done.stdout)
    assert match is not None
    assert before + seconds <= int(match[2]) <= int(time.time()) + seconds
    assert verify([KEY], f"{PATH}?e={match[2]}", match[1])


@pytest.mark.parametrize(
    ("text", "expires"),
    [
        ("4102444800", 4_102_444_800),
        ("2100-01-01", 4_102_444_800),
        ("2100-01-01T00:00:00Z", 4_102_444_800),
        ("2100-01-01T02:00+02:00", 4_102_444_800),
    ],
)
def test_a_moment_is_the_time_of_expiry(text: str, expires: int) -> None:
    """A moment without a zone is in UTC."""
    assert run("--expires-at", text, PATH).stdout == f"{PATH}?s={sign(KEY, f'{PATH}?e={expires}')}&e={expires}\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--expires", "1h", "--expires-at", "2100-01-01", PATH], "not both"),
        (["--expires", "0s", PATH], "give a number and a unit"),
        (["--expires", "4102444800", PATH], "give a number and a unit"),
        (["--expires", "99999999w", PATH], "give a number and a unit"),
        (["--expires-at", "soon", PATH], "give a time such as 2027-01-31"),
        (["--expires-at", "2020-01-01", PATH], "that time is over; give a later one"),
        ([], "Give paths, or --post"),
        (["--url", "img.example.com", PATH], "begin it with https:// or http://"),
    ],
)
def test_wrong_options_are_errors_of_usage(arguments: list[str], text: str) -> None:
    """They are status 2."""
    done = run(*arguments)
    assert (done.exit_code, text in done.stderr, done.stdout) == (2, True, "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([f"{HOME}/w0500.jpg"], "'w0500.jpg' is not an output"),
        ([f"{HOME}/w9999.jpg"], "w9999.jpg is wider than 4096 pixels"),
        ([f"{HOME}/hero.jpg"], "hero is no preset of this namespace"),
        (["/p/w500.jpg"], "is no path of an output"),
        ([HOME], "is no path of an output"),
        (["/p/f84/w500.jpg"], "'f84' is not an image hash"),
        (["/P/f84/w500.jpg"], "'P' is not a namespace"),
        ([PATH[1:]], "is no path"),
        ([f"{PATH}?v=1"], "has a query or a fragment"),
        ([f"{PATH} "], "is no path"),
        (["--url", "https://a.example", f"https://b.example{PATH}"], "is a whole URL: leave out --url"),
    ],
)
def test_what_would_not_work_is_not_signed(arguments: list[str], text: str) -> None:
    """The others of the same call are; the status is 1."""
    done = run(*arguments)
    assert (done.exit_code, text in done.stderr, done.stdout) == (1, True, "")
    assert f"{PATH}?s=" in run(PATH, *arguments).stdout


@pytest.mark.parametrize("name", ["w320.jpg", "info.json", "srcset"])
def test_standard_error_says_what_needs_no_signature(name: str) -> None:
    """It is signed as well."""
    done = run(f"{HOME}/{name}")
    assert (done.exit_code, done.stdout.startswith(f"{HOME}/{name}?s=")) == (0, True)
    assert done.stderr == f"{HOME}/{name} needs no signature with these settings\n"


def test_the_path_of_an_origin_is_signed() -> None:
    """Its picture has any path there, as it is sent."""
    path = "/p/@shop/2027/caf%C3%A9.jpg/w500.jpg"
    assert run(path).stdout == f"{path}?s={sign(KEY, path)}\n"


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    """The message says how to make one. Any other fault of the settings is printed as it is."""
    (tmp_path / "system.yaml").write_text("{}")
    done = run(PATH)
    assert (done.exit_code, "openssl rand -hex 32" in done.stderr) == (1, True)
    (tmp_path / "system.yaml").write_text("access: {signing_keys: [short]}")
    done = run(PATH)
    assert (done.exit_code, "system.yaml:1: access.signing_keys.0: this secret" in done.output) == (1, True)


def test_an_upload_url() -> None:
    """It is valid for ten minutes unless the command says otherwise, and bounds the body if it says so."""
    before = int(time.time())
    for arguments, seconds in ((["--post", "p"], 600), (["--expires", "1h", "--post", "p"], 3600)):
        done = run(*arguments, "--maximum-bytes", "5000000")
        match = re.fullmatch(r"/p\?e=(\d+)&maximum_bytes=5000000&s=(.{22})\n", done.stdout)
        assert match is not None
        assert before + seconds <= int(match[1]) <= int(time.time()) + seconds
        assert verify([KEY], f"POST /p?e={match[1]}&maximum_bytes=5000000", match[2])
    done = run("--post", "p", "--expires-at", "4102444800", "--url", "https://img.example.com/")
    assert done.stdout == f"https://img.example.com/p?e=4102444800&s={sign(KEY, 'POST /p?e=4102444800')}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "Give paths, or --post"),
        (["--post", "p", PATH], 2, "Give paths, or --post"),
        (["--maximum-bytes", "5", PATH], 2, "Give paths, or --post"),
        (["--post", "p", "--maximum-bytes", "0"], 2, "maximum-bytes"),
        (["--post", "P"], 1, "'P' is not a namespace"),
        (["--post", "p", "--set", "access.signing_keys=[]"], 1, "openssl rand -hex 32"),
    ],
)
def test_what_no_upload_url_is_made_of(arguments: list[str], status: int, said: str) -> None:
    """The message says why."""
    done = run(*arguments)
    assert (done.exit_code, said in done.output, done.stdout) == (status, True, "")
