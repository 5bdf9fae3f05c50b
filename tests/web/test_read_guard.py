"""Which reads pass the guard: by the list of their namespace, the file, the signature and the time of expiry."""

from __future__ import annotations

import tracemalloc
from itertools import product

import pytest

from imaged.config.load import load
from imaged.core.access_request import AccessRequest, Action
from imaged.core.errors import ImagedError
from imaged.core.files import parse_file
from imaged.core.signatures import read_message, sign
from imaged.web.files import CHANGING, LASTING
from imaged.web.read_guard import ReadGuard

NOW_S = 1_800_000_000
FIRST, SECOND, RETIRED = "first-key-0123456789", "second-key-0123456789", "retired-key-0123456789"
HOME = "f84/0ee/339d264d4bab1b169a653b1a91"
YAML = f"""
images:
  allowed_outputs: ["w{{320,640}}.{{auto,jpg}}", hero.jpg, w640-q50.jpg]
  presets: {{hero: {{size: w300}}, card: {{size: w200}}}}
namespaces:
  any: {{allowed_outputs: []}}
  outputs: {{public_original: false}}
  closed: {{allowed_outputs: [none], public_original: false}}
  originals: {{allowed_outputs: [none]}}
access: {{signing_keys: [{FIRST}, {SECOND}]}}
"""
LOADED = load(YAML, "etc/imaged.yaml", environ={}, read_bytes=str.encode)
SETTINGS = LOADED.settings
GUARD = ReadGuard(lambda: float(NOW_S))
LATER = ReadGuard(lambda: NOW_S + 0.5)

PUBLIC = {
    "listed": ["w320.auto", "w640.jpg", "hero.jpg", "w640-q50.jpg", "original", "info.json", "srcset"],
    "outputs": ["w320.auto", "w640.jpg", "hero.jpg", "w640-q50.jpg", "info.json", "srcset"],
    "any": ["w320.auto", "w640.jpg", "hero.jpg", "w640-q50.jpg", "original", "info.json", "srcset",
            "w320.avif", "w321.jpg", "w640-q51.jpg", "h320.jpg", "hero.auto", "card.jpg", "full_size.jpg"],
    "originals": ["original", "info.json", "srcset"],
    "closed": [],
}  # fmt: skip
"""The files that need no signature, by namespace. `listed` has the list of `images`."""

FILES = PUBLIC["any"]

SIGNED = {
    ("absent", "absent"): 403,
    ("absent", "future"): 403,
    ("first", "absent"): 200,
    ("first", "future"): 200,
    ("first", "next second"): 200,
    ("first", "this second"): 403,
    ("first", "past"): 403,
    ("first", "0"): 403,
    ("first", "empty"): 400,
    ("first", "letters"): 400,
    ("first", "sign"): 400,
    ("first", "zeros"): 400,
    ("first", "long"): 400,
    ("first", "foreign digits"): 400,
    ("second", "absent"): 200,
    ("second", "future"): 200,
    ("second", "past"): 403,
    ("retired", "absent"): 403,
    ("retired", "past"): 403,
    ("of another path", "absent"): 403,
    ("of another spelling", "absent"): 403,
    ("of another time", "future"): 403,
    ("without the time", "future"): 403,
    ("with the time", "absent"): 403,
    ("of an upload", "absent"): 403,
    ("cut", "absent"): 403,
    ("longer", "absent"): 403,
    ("padded", "absent"): 200,
    ("other case", "absent"): 403,
    ("other last bits", "absent"): 403,
    ("empty", "absent"): 403,
    ("foreign", "absent"): 403,
}
"""The status of a file that is not public, by its signature and its time of expiry."""

TIMES = {
    "absent": None, "future": str(NOW_S + 3600), "next second": str(NOW_S + 1), "this second": str(NOW_S),
    "past": str(NOW_S - 3600), "0": "0", "empty": "", "letters": "soon", "sign": f"+{NOW_S}", "zeros": f"0{NOW_S + 60}",
    "long": "9" * 12, "foreign digits": "١٨٠٠٠٠٣٦٠٠",
}  # fmt: skip


def signature(kind: str, path: str, expires: str | None) -> str | None:
    """Return the signature of a kind for a URL."""
    right = sign(FIRST, read_message(path, expires))
    kinds = {
        "absent": None,
        "first": right,
        "second": sign(SECOND, read_message(path, expires)),
        "retired": sign(RETIRED, read_message(path, expires)),
        "of another path": sign(FIRST, read_message(f"{path}x", expires)),
        "of another spelling": sign(FIRST, read_message(path.replace("f84/0ee", "f840ee"), expires)),
        "of another time": sign(FIRST, read_message(path, str(NOW_S + 7200))),
        "without the time": sign(FIRST, read_message(path)),
        "with the time": sign(FIRST, read_message(path, str(NOW_S + 3600))),
        "of an upload": sign(FIRST, f"POST {path}"),
        "cut": right[:-1],
        "longer": f"{right}A",
        "padded": f"{right}==",
        "other case": right.swapcase(),
        "other last bits": right[:-1] + chr(ord(right[-1]) + 1),
        "empty": "",
        "foreign": "é" * 22,
    }
    return kinds[kind]


def asked(namespace: str, name: str, kind: str, time: str, action: Action = Action.READ) -> AccessRequest:
    """Return a request with a signature and a time of expiry."""
    path, expires = f"/{namespace}/{HOME}/{name}", TIMES[time]
    given = {"s": signature(kind, path, expires), "e": expires}
    parameters = {key: value for key, value in given.items() if value is not None}
    file = None if name == "srcset" else parse_file(name)
    return AccessRequest(action, namespace, path, file, parameters)


def status(request: AccessRequest) -> int:
    """Return the status that the guard gives to a request; 200: it passes."""
    try:
        GUARD(request, SETTINGS)
    except ImagedError as error:
        return error.status
    return 200


def test_the_settings_are_sound() -> None:
    """They have no fault."""
    assert LOADED.faults == ()


@pytest.mark.parametrize(("namespace", "name"), list(product(PUBLIC, FILES)))
def test_each_file_by_signature_and_expiry(namespace: str, name: str) -> None:
    """A public file passes with any signature and any time; another one needs the right ones."""
    expected = dict.fromkeys(SIGNED, 200) if name in PUBLIC[namespace] else SIGNED
    assert {case: status(asked(namespace, name, *case)) for case in SIGNED} == expected


@pytest.mark.parametrize("action", [Action.POST, Action.PROCESS, Action.DELETE])
def test_writes_are_for_other_guards(action: Action) -> None:
    """The guard of reads lets them pass."""
    assert status(asked("closed", "w1.jpg", "absent", "absent", action)) == 200


@pytest.mark.parametrize(
    ("kind", "time", "text"),
    [
        ("absent", "absent", "this URL needs a signature"),
        ("cut", "absent", "the signature of this URL is wrong"),
        ("cut", "past", "the signature of this URL is wrong"),  # only who signed it learns that it has expired
        ("first", "past", "this URL has expired at 2027-01-15T07:00:00Z: ask for a new one"),
        ("first", "letters", "the parameter e is no time"),
    ],
)
def test_messages_say_what_is_wrong(kind: str, time: str, text: str) -> None:
    """A missing, a wrong and an expired signature have messages of their own."""
    with pytest.raises(ImagedError, match=text):
        GUARD(asked("closed", "w1.jpg", kind, time), SETTINGS)


def test_without_a_key_no_signature_helps() -> None:
    """A list without signing keys opens what it lists, and no other file; the message says so."""
    settings = load("images: {allowed_outputs: [w320.jpg]}", "x", environ={}, read_bytes=str.encode).settings
    GUARD(asked("p", "w320.jpg", "absent", "absent"), settings)
    for kind in ("absent", "first"):
        with pytest.raises(ImagedError, match="ask for one of the outputs that it lists"):
            GUARD(asked("p", "w321.jpg", kind, "absent"), settings)


@pytest.mark.parametrize(
    ("caching", "left_s", "expected"),
    [
        (LASTING, None, LASTING),
        (LASTING, 31_536_001, LASTING),
        (LASTING, 90, b"public, max-age=89"),
        (CHANGING, 90, b"public, max-age=89"),
        (CHANGING, 900, CHANGING),
        (LASTING, 0, b"public, max-age=0"),
        (LASTING, -60, b"public, max-age=0"),  # it expired while its output was rendered
    ],
)
def test_no_cache_keeps_an_answer_longer_than_its_url_is_valid(
    caching: bytes, left_s: int | None, expected: bytes
) -> None:
    """The age ends in the second of the expiry, or earlier."""
    parameters = {} if left_s is None else {"e": str(NOW_S + left_s)}
    assert LATER.caching(caching, parameters) == expected


def test_many_wrong_signatures_take_no_memory() -> None:
    """The guard keeps nothing of the requests that it refuses."""

    def refuse(number: int) -> None:
        path = f"/closed/{HOME}/w{number}.jpg"
        wrong = AccessRequest(Action.READ, "closed", path, parse_file(f"w{number}.jpg"), {"s": f"{number:022}"})
        assert status(wrong) == 403

    for number in range(1, 1000):
        refuse(number)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(1, 20_000):
            refuse(number)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10_000
