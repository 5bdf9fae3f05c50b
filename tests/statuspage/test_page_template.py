"""How a template is filled on the server; that the browser does the same is shown end to end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imaged.statuspage.page_template import Template
from imaged.statuspage.page_values import MOST_ROWS


def fill(markup: str, **values: object) -> str:
    """Return the filled template, without what is around it."""
    return Template(markup, "a > b {}", "if (a < b) {}").render(values).removeprefix("<!doctype html>\n").strip()


def test_text_goes_in_as_text() -> None:
    """What looks like markup is none, in elements and in attributes, and what is not there is a dash."""
    filled = fill('<p data-attr="title=a.b" data-text="a.b"></p>', a={"b": "<b>\"'&"})
    assert filled == '<p data-text="a.b" title="&lt;b&gt;&quot;&#x27;&amp;">&lt;b&gt;"\'&amp;</p>'.replace(
        "<p ", '<p data-attr="title=a.b" '
    )
    assert fill('<p data-text="a.b.c"></p>', a={"b": 1}) == '<p data-text="a.b.c">–</p>'


@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    """Whatever it is, the page has the elements that its template has."""
    filled = fill('<p data-attr="title=a" data-text="a"></p>', a=text)
    assert (filled.count("<"), filled.count(">")) == (2, 2)


def test_what_a_kind_shortens_is_in_the_title() -> None:
    """For whoever points at it."""
    assert fill('<b data-text="a|bytes"></b>', a=1500) == '<b data-text="a|bytes" title="1,500 bytes">1.5 kB</b>'


def test_conditions() -> None:
    """An element is hidden when what it is about is not there, or when it is."""
    for value, shown in (
        (None, False),
        ([], False),
        (0, False),
        (False, False),
        ("x", True),
        ([1], True),
        (True, True),
    ):
        assert (" hidden=" not in fill('<p data-if="a"></p>', a=value)) is shown
        assert (" hidden=" in fill('<p data-if="!a"></p>', a=value)) is shown


def test_rows() -> None:
    """One for each item, after the template itself; the same key twice is numbered, and there is a bound."""
    markup = '<ul data-rows="a" data-key=".k"><template><li data-text=".v"></li></template></ul>'
    filled = fill(markup, a=[{"k": "x", "v": 1}, {"k": "x", "v": 2}])
    assert filled.endswith(
        '<template><li data-text=".v"></li></template>'
        '<li data-text=".v" data-row="x">1</li><li data-text=".v" data-row="x #2">2</li></ul>'
    )
    assert fill(markup, a=[{}] * 1000).count("<li") == MOST_ROWS + 1
    assert fill(markup, a=None).count("<li") == 1


def test_style_and_script_are_put_in_as_they_are() -> None:
    """Nothing in them is escaped: their hashes are those of the files."""
    filled = fill("<head><style></style><meta name='a'/><script></script></head>")
    assert filled == '<head><style>a > b {}</style><meta name="a"><script>if (a < b) {}</script></head>'
