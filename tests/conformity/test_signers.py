"""The signers of `docs/signers` and the vectors of `docs/signatures.md` agree with imaged and with OpenSSL."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_tree import ROOT

from imaged.config.load import load
from imaged.core.signatures import read_message, sign, verify

PAGE = (ROOT / "docs" / "signatures.md").read_text(encoding="utf-8")
SIGNERS = ROOT / "docs" / "signers"
OPENSSL = shutil.which("openssl")
GO = shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="no openssl: apt-get install openssl")


class Case(NamedTuple):
    """What a signer gets."""

    key: str
    path: str
    expires: int | None

    @property
    def message(self) -> str:
        """What is signed."""
        return read_message(self.path, None if self.expires is None else str(self.expires))

    def url(self, signature: str) -> str:
        """Return the signed URL."""
        return f"{self.path}?s={signature}" + ("" if self.expires is None else f"&e={self.expires}")


def vectors() -> dict[Case, str]:
    """Return the signatures of the page."""
    keys = re.findall(r"The first key is `(.+?)`, the second\s+`(.+?)`\.", PAGE)[0]
    rows = re.findall(r"^\| ([12]) \| `(/.+?)` \| ?(\d*) \| `(.{22})` \|$", PAGE, re.MULTILINE)
    return {Case(keys[int(key) - 1], path, int(expires) if expires else None): s for key, path, expires, s in rows}


VECTORS = vectors()


def random_cases() -> list[Case]:
    """Return cases of any printable key and path; the same ones in each run."""
    random = Random(7)
    characters = [chr(code) for code in range(32, 127)]
    return [
        Case(
            "".join(random.choices(characters, k=random.randint(20, 100))),
            "/" + "".join(random.choices(sorted(set(characters) - set(" ?#")), k=random.randint(1, 300))),
            random.choice([None, random.randint(1, 99_999_999_999)]),
        )
        for _ in range(100)
    ]


CASES = [*VECTORS, *random_cases()]


def openssl(key: str, message: str) -> str:
    """Return the signature that OpenSSL's command line gives."""
    assert OPENSSL is not None
    command = [OPENSSL, "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.encode().hex()}", "-binary"]
    done = subprocess.run(command, input=message.encode(), capture_output=True, check=True, timeout=60)
    return urlsafe_b64encode(done.stdout[:16]).decode().rstrip("=")


def test_the_page_has_vectors() -> None:
    """They have both keys, expiring URLs, and each kind of path."""
    assert len(VECTORS) == PAGE.split("### Test vectors")[1].count("\n| ") - 1 >= 8
    assert {case.expires is None for case in VECTORS} == {True, False}
    assert len({case.key for case in VECTORS}) == 2


@pytest.mark.parametrize(("case", "signature"), VECTORS.items())
def test_imaged_signs_the_vectors(case: Case, signature: str) -> None:
    """And verifies them."""
    assert sign(case.key, case.message) == signature
    assert verify(["x" * 32, case.key], case.message, signature)


@needs_openssl
@pytest.mark.parametrize(("case", "signature"), VECTORS.items())
def test_openssl_signs_the_vectors(case: Case, signature: str) -> None:
    """Its command line is an implementation of its own."""
    assert openssl(case.key, case.message) == signature


@needs_openssl
@settings(max_examples=30, deadline=None)
@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=20, max_size=200),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=400),
    st.none() | st.integers(0, 99_999_999_999),
)
def test_openssl_signs_any_message_alike(key: str, path: str, expires: int | None) -> None:
    """Also keys longer than a block of SHA-256, which HMAC hashes first."""
    case = Case(key, f"/{path}", expires)
    assert openssl(key, case.message) == sign(key, case.message)


@needs_openssl
def test_the_line_of_the_shell_signs(tmp_path: Path) -> None:
    """The pipeline of the page works in a POSIX shell."""
    (line,) = re.findall(r"In a shell:\n\n```sh\n(.+?)```", PAGE, re.DOTALL)
    case, signature = next((case, s) for case, s in VECTORS.items() if case.expires is not None)
    (tmp_path / "line.sh").write_text(line)
    environ = {**os.environ, "path": case.path, "key": case.key, "expires": str(case.expires)}
    done = subprocess.run(["sh", "line.sh"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == signature


def run(command: Sequence[str | Path], folder: Path, **environ: str) -> list[str]:
    """Return the URLs that a program makes of CASES, which it reads as JSON."""
    cases = json.dumps([case._asdict() for case in CASES])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environ},
        input=cases,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    urls: list[str] = json.loads(done.stdout)
    return urls


def program(name: str) -> str:
    """Return the path of a runtime; skip the test if it is missing."""
    package = {"node": "nodejs", "php": "php-cli"}.get(name, name)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: apt-get install {package}")
    return found


def by_python(_folder: Path) -> list[str]:
    """Call the signer in Python."""
    spec = importlib.util.spec_from_file_location("imaged_signer", SIGNERS / "imaged_signer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [module.sign(case.path, case.key, case.expires) for case in CASES]


def by_javascript(folder: Path) -> list[str]:
    """Call the signer in JavaScript."""
    shutil.copy(SIGNERS / "imaged-signer.mjs", folder)
    (folder / "main.mjs").write_text("""
import { readFileSync } from 'node:fs'
import { sign } from './imaged-signer.mjs'
const cases = JSON.parse(readFileSync(0, 'utf8'))
console.log(JSON.stringify(cases.map(({ path, key, expires }) => sign(path, key, expires ?? undefined))))
""")
    return run([program("node"), "main.mjs"], folder)


def by_ruby(folder: Path) -> list[str]:
    """Call the signer in Ruby."""
    script = """
puts JSON.generate(JSON.parse($stdin.read).map { |c| ImagedSigner.sign(c['path'], c['key'], c['expires']) })
"""
    return run([program("ruby"), "-rjson", f"-r{SIGNERS / 'imaged_signer.rb'}", "-e", script], folder)


def by_php(folder: Path) -> list[str]:
    """Call the signer in PHP."""
    (folder / "main.php").write_text(f"""<?php
require '{SIGNERS / "imaged_signer.php"}';
$cases = json_decode(stream_get_contents(STDIN), true);
echo json_encode(array_map(fn ($c) => imaged_sign($c['path'], $c['key'], $c['expires']), $cases));
""")
    return run([program("php"), "main.php"], folder)


def by_go(folder: Path) -> list[str]:
    """Call the signer in Go."""
    if GO is None:
        pytest.skip("no go: apt-get install golang-go")
    (folder / "signer").mkdir()
    shutil.copy(SIGNERS / "imaged_signer.go", folder / "signer")
    (folder / "go.mod").write_text("module example\n\ngo 1.19\n")
    (folder / "main.go").write_text("""package main

import (
	"encoding/json"
	"example/signer"
	"os"
)

func main() {
	var cases []struct {
		Key, Path string
		Expires   int64
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	urls := []string{}
	for _, each := range cases {
		urls = append(urls, signer.Sign(each.Path, each.Key, each.Expires))
	}
	json.NewEncoder(os.Stdout).Encode(urls)
}
""")
    return run([GO, "run", "."], folder, GOTOOLCHAIN="local", GOFLAGS="-mod=mod")


@pytest.mark.parametrize("call", [by_python, by_javascript, by_ruby, by_php, by_go])
def test_each_signer_signs_as_imaged_does(call: Callable[[Path], list[str]], tmp_path: Path) -> None:
    """The vectors, and keys and paths of any printable characters."""
    expected = [case.url(VECTORS.get(case) or sign(case.key, case.message)) for case in CASES]
    assert call(tmp_path) == expected


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL))
def test_the_settings_of_the_page_are_sound(block: str) -> None:
    """Each example loads without a fault, with the preset that one of them lists."""
    block = block.replace("  allowed_outputs:\n", "  presets: {hero: {size: w1280}}\n  allowed_outputs:\n", 1)
    loaded = load(block, "etc/imaged.yaml", environ={}, read_bytes=lambda _: b"0123456789abcdefghijklmnopqrstuv\n")
    assert loaded.faults == ()


def test_the_page_quotes_the_messages_of_the_guard() -> None:
    """Each refusal of the table is one that the guard raises."""
    quoted = re.findall(r"^\| 403 `(.+?)(?: …)?` \|", PAGE, re.MULTILINE)
    source = (ROOT / "imaged" / "web" / "read_guard.py").read_text(encoding="utf-8")
    assert len(quoted) == 3
    assert [each for each in quoted if each not in source] == []


@pytest.mark.parametrize("file", sorted(SIGNERS.iterdir()), ids=lambda file: file.name)
def test_a_signer_is_short(file: Path) -> None:
    """It has some ten lines, besides its frame, and the page links to it."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip(" \t{}()")]
    assert len(lines) <= 18
    assert f"(signers/{file.name})" in PAGE
