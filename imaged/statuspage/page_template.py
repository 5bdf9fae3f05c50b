"""Fills a page's template with values on the server, as `pages/fill.js` does in the browser.

A template is well-formed HTML whose elements say what goes where:

- `data-text="PATH|KIND"`: the text of the element, and as its title what the kind shortens
- `data-attr="NAME=PATH|KIND NAME=…"`: attributes
- `data-if="PATH"` or `data-if="!PATH"`: hidden unless the value is there and neither 0, false nor empty
- `data-rows="PATH"` with `data-key="PATH PATH"`: a row for each of a list, as the `<template>` inside says; rows with
  the same key are the same row from one snapshot to the next

PATH is keys with dots between, `a.b`; one that begins with a dot is looked up in the row. `a/b` is a pair of two. KIND
is a name of `page_values`, `text` if none is given. What goes in is text: no value is ever markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from xml.etree.ElementTree import Element, fromstring

from imaged.statuspage.page_values import EXACT, MOST_ROWS, write, write_exactly

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
_RAW = frozenset({"script", "style"})


@dataclass(frozen=True)
class _Scope:
    """Where paths are looked up."""

    values: Mapping[str, Any]
    row: Any = None


_Part = str | Callable[[_Scope], str]


class Template:
    """A template that has been read. `style` and `script` become the contents of the elements of these names."""

    def __init__(self, markup: str, style: str, script: str) -> None:
        # The markup is a file of ours, not what somebody sent.
        root = fromstring(markup)  # noqa: S314
        self._raw = {"style": style, "script": script}
        self._parts = _merged(self._compile(root, filled=True))

    def render(self, values: Mapping[str, Any]) -> str:
        """Return the page with `values`; what they lack is shown as nothing."""
        return "<!doctype html>\n" + _run(self._parts, _Scope(values)) + "\n"

    def _compile(self, element: Element, *, filled: bool, row: bool = False) -> Iterator[_Part]:
        """Return the markup of an element, cut where values go in; as it stands in the file unless `filled`."""
        tag = element.tag
        yield f"<{tag}"
        text = element.get("data-text") if filled else None
        wanted = dict(_attributes(element)) if filled else {}
        if text is not None:
            wanted |= {"title": _exact(text)} if _kind(text) in EXACT else {}
        for name, value in element.attrib.items():
            if name not in wanted:
                yield f' {name}="{escape(value)}"'
        for name, value_of in wanted.items():
            yield _attribute(name, value_of)
        if filled and (condition := element.get("data-if")) is not None:
            yield _hidden(condition)
        if row:
            yield _attribute("data-row", lambda scope: str(scope.row[0]))
        yield ">"
        if tag in _VOID:
            return
        if text is not None:
            yield _text(text)
        elif tag in _RAW:
            yield self._raw[tag]
        else:
            yield from self._compile_inside(element, filled=filled)
        yield f"</{tag}>"

    def _compile_inside(self, element: Element, *, filled: bool) -> Iterator[_Part]:
        yield escape(element.text or "", quote=False)
        rows = element.get("data-rows") if filled else None
        for child in element:
            inner = filled and child.tag != "template"
            yield from self._compile(child, filled=inner)
            if rows is not None and child.tag == "template":
                (example,) = child
                yield _rows(rows, element.get("data-key", ""), _merged(self._compile(example, filled=True, row=True)))
            yield escape(child.tail or "", quote=False)


def _attributes(element: Element) -> Iterator[tuple[str, Callable[[_Scope], str]]]:
    for each in element.get("data-attr", "").split():
        name, _, expression = each.partition("=")
        yield name, _written(expression)


def _attribute(name: str, value_of: Callable[[_Scope], str]) -> _Part:
    return lambda scope: f' {name}="{escape(value_of(scope))}"'


def _text(expression: str) -> _Part:
    value_of = _written(expression)
    return lambda scope: escape(value_of(scope), quote=False)


def _written(expression: str) -> Callable[[_Scope], str]:
    look_up, kind = _looking_up(expression), _kind(expression) or "text"
    return lambda scope: write(kind, look_up(scope))


def _exact(expression: str) -> Callable[[_Scope], str]:
    look_up, kind = _looking_up(expression), _kind(expression)
    return lambda scope: write_exactly(kind, look_up(scope))


def _hidden(condition: str) -> _Part:
    look_up, wanted = _looking_up(condition.removeprefix("!")), not condition.startswith("!")
    return lambda scope: "" if bool(look_up(scope)) == wanted else ' hidden=""'


def _rows(path: str, key: str, parts: list[_Part]) -> _Part:
    look_up, keys = _looking_up(path), [_looking_up(each) for each in key.split()]

    def rows(scope: _Scope) -> str:
        seen: Counter[str] = Counter()
        written = []
        for number, row in enumerate((look_up(scope) or ())[:MOST_ROWS]):
            inner = _Scope(scope.values, ("", row))
            name = " ".join(write("text", each(inner)) for each in keys) if keys else str(number)
            seen[name] += 1
            numbered = name if seen[name] == 1 else f"{name} #{seen[name]}"
            written.append(_run(parts, _Scope(scope.values, (numbered, row))))
        return "".join(written)

    return rows


def _kind(expression: str) -> str:
    return expression.partition("|")[2]


def _looking_up(expression: str) -> Callable[[_Scope], Any]:
    path = expression.partition("|")[0]
    if "/" in path:
        left, right = (_looking_up(each) for each in path.split("/"))
        return lambda scope: (left(scope), right(scope))
    of_row, keys = path.startswith("."), [key for key in path.split(".") if key]

    def look_up(scope: _Scope) -> Any:
        value = scope.row[1] if of_row else scope.values
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    return look_up


def _merged(parts: Iterator[_Part]) -> list[_Part]:
    """Join the texts that stand next to each other: most of a page never changes."""
    merged: list[_Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _run(parts: list[_Part], scope: _Scope) -> str:
    return "".join([part if isinstance(part, str) else part(scope) for part in parts])
