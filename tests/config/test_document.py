"""YAML is read strictly: a value that YAML reads unexpectedly is a fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.config.document import read_document, read_value
from imaged.config.strict_yaml import read_scalar

YAMLISH = st.text(alphabet=st.sampled_from(list("ab: -[]{}#&*!|>'\"%@`\n\t,?<=~01.\\xUu\ud800\x00é")), max_size=60)


def faults(text: str | bytes) -> list[str]:
    """Return the messages of a document's faults."""
    return [str(fault) for fault in read_document(text, "f.yaml").faults]


def test_every_key_and_item_knows_its_line() -> None:
    """Lines count from 1 and are those of the keys, not of their values."""
    document = read_document("# comment\na:\n  b:\n    3\nc:\n- 1\n- x: 2\n", "f.yaml")
    assert document.data == {"a": {"b": 3}, "c": [1, {"x": 2}]}
    assert document.lines == {("a",): 2, ("a", "b"): 3, ("c",): 5, ("c", 0): 6, ("c", 1): 7, ("c", 1, "x"): 7}


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "---\n", "null", b"\xef\xbb\xbf", "{}"])
def test_an_empty_document_is_an_empty_mapping(text: str | bytes) -> None:
    """A file without settings gives the defaults."""
    document = read_document(text, "f.yaml")
    assert (document.data, document.faults) == ({}, ())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3: a: the key is given twice, first on line 1: keep one of them"),
        ("a: {b: 1,\n b: 2}", "f.yaml:2: a.b: the key is given twice, first on line 1: keep one of them"),
        ("a: 1\na: [1, 2\n", "f.yaml:3: not YAML: while parsing a flow sequence that begins on line 2"),
        ("a:\n\tb: 1", "f.yaml:2: not YAML: while scanning for the next token, found character '\\t'"),
        ("a:\n\tb: 1", ": indent with spaces"),
        ("a:\n  b: 1\n   c: 2", ": indent the line as the other keys are, or put text with a colon in quotes"),
        ("a:\n  - b: 1\n   c: 2", ": indent the line as the other keys are"),
        ("a: [w{1,2}.jpg]", ": put a pattern with { } in double quotes"),
        ("a: 1\n---\nb: 1", "f.yaml:2: a second document begins here"),
        ("a: 1\n...\n---\nb: 1", "f.yaml:3: a second document begins here"),
        ("- a", "f.yaml:1: expected a mapping of settings"),
        ("a: &x 1\nb: *x", "f.yaml:2: b: aliases (*name) are not read"),
        ("a:\n- *x", "f.yaml:2: a.0: aliases (*name) are not read"),
        ("*x : 1", "f.yaml:1: a key here cannot be read: aliases"),
        ("a:\n  <<: {b: 1}", "f.yaml:2: a: merge keys (<<) are not read"),
        ("a:\n  no: 1", 'f.yaml:2: a: the key "no" is no text to YAML: put it in double quotes'),
        ("2024: 1", 'f.yaml:1: the key "2024" is no text to YAML: put it in double quotes'),
        ("? [a]\n: 1", "f.yaml:1: a key here cannot be read"),
        ("a: !!python/name:os.system x", "f.yaml:1: a: tags of such types are not read"),
        ("a: !!set {b}", "f.yaml:1: a: tags of such types are not read"),
        ("a: !!int b", "f.yaml:1: a: the value does not fit its tag"),
        ("a: 0x_", "f.yaml:1: a: the value does not fit its tag"),
        ("a: 0644", "f.yaml:1: a: YAML 1.1 reads another number than it looks"),
        ("a: 1:30", "f.yaml:1: a: YAML 1.1 reads another number than it looks"),
        ('a: 1\nb: "\\UFFFFFFFF"', "f.yaml:2: not YAML: a broken escape or directive"),
        ('a: "\\uD800"', "f.yaml:1: a: the text holds half a surrogate pair"),
        ("a: 1\nb: \x07", "f.yaml:2: a character that YAML does not take: U+0007"),
        (b"a: 1\nb: \xff", "f.yaml:2: the text is not UTF-8: save it as UTF-8"),
        ("[" * 5000, "f.yaml:1: not YAML: nested too deep"),
    ],
)
def test_what_reads_otherwise_than_it_looks_is_a_fault(text: str | bytes, fault: str) -> None:
    """The message for each trap of YAML has the line and advice."""
    (found,) = faults(text)
    assert fault in found


def test_aliases_cannot_multiply() -> None:
    """Each nested alias is a fault, so that a document cannot grow without bound."""
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    assert len(faults(laughs)) == 8 * 9


def test_a_list_with_a_faulty_item_is_left_out_whole() -> None:
    """Dropping one item would change the indexes of the others."""
    assert read_document("a: [1, !!set {}, 3]\nb: 1", "f.yaml").data == {"b": 1}


def test_dates_stay_text() -> None:
    """No setting is a date, so dates stay text."""
    assert read_document("a: 2024-01-01\nb: 2024-13-45", "f.yaml").data == {"a": "2024-01-01", "b": "2024-13-45"}


def test_a_key_never_breaks_its_line() -> None:
    """The message about a key quotes and escapes unprintable characters."""
    (fault,) = faults('"a\\nb\\e[31m": 1\n"a\\nb\\e[31m": 2')
    assert fault.startswith('f.yaml:2: "a\\nb\\u001b[31m": the key is given twice')


@pytest.mark.parametrize(
    ("text", "value"),
    [("8080", 8080), ("1.5", 1.5), ("true", True), ("ten", "ten"), ("0100", "0100"), ("1:30", "1:30"), ("0b_", "0b_")],
)
def test_a_scalar_means_what_yaml_makes_of_it(text: str, value: object) -> None:
    """The text of a reference is read as a plain scalar; text that cannot be read stays text."""
    assert read_scalar(text) == value


@given(YAMLISH | st.text(max_size=40) | st.binary(max_size=40))
def test_no_text_raises(text: str | bytes) -> None:
    """Any text gives a document, and each fault has one line."""
    document = read_document(text, "f.yaml")
    assert isinstance(document.data, dict)
    assert all(str(fault).isprintable() for fault in document.faults)


@given(st.text(max_size=20))
def test_no_scalar_raises(text: str) -> None:
    """Any text has a value."""
    read_scalar(text)
    read_value(text, "--set")
