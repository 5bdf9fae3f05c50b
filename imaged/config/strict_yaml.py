"""A strict form of PyYAML's safe loader: it refuses values that YAML reads differently from how they look.

It refuses aliases, merge keys, tags of other types, and numbers in the octal and sexagesimal forms of YAML 1.1. Dates
stay text, since no setting is a date.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

DEEPEST = 50
"""The deepest nesting of a document: the loader recurses."""

NOT_YAML = "not YAML"
_HINTS = {
    "'\\t'": "indent with spaces",
    "got '{'": "put a pattern with { } in double quotes",
    "mapping values are not allowed": "indent the line as the other keys are, or put text with a colon in quotes",
    "expected <block end>": "indent the line as the other keys are",
}

_TAG = "tag:yaml.org,2002:"
MAP, SEQUENCE, MERGE = f"{_TAG}map", f"{_TAG}seq", f"{_TAG}merge"
TEXTS = {MERGE, *(f"{_TAG}{name}" for name in ("str", "value", "timestamp"))}
"""The tags of text; MERGE is that of `<<`."""
_NUMBERS = {f"{_TAG}{name}" for name in ("int", "float")}
_OTHERS = {f"{_TAG}{name}" for name in ("null", "bool")}
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_BROKEN = (ValueError, KeyError, IndexError, OverflowError)  # exceptions that PyYAML does not translate


class NotReadError(Exception):
    """A text or node cannot be read. `line` counts from 1; None stands for the node's own line."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes. An alias becomes a node of its own kind, so that its fault has its line."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node as PyYAML's Composer does, with a bound on the depth."""
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it untyped
            return AliasNode("", "", event.start_mark, event.end_mark)
        if self._depth > DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it untyped
            raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class AliasNode(yaml.ScalarNode):
    """An alias, `*name`."""


def compose(text: str) -> yaml.Node | None:
    """Return the document in `text` as nodes, or None when it is empty. Raises NotReadError with the line."""
    try:
        loader = _StrictLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotReadError(f"a character that YAML does not take: U+{error.character:04X}", line) from error
    try:
        node = loader.get_node() if loader.check_node() else None
        if loader.check_node():
            second = loader.get_mark().line + 1
            raise NotReadError("a second document begins here: the settings are one document", second)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotReadError(_explain(error), mark.line + 1 if mark else None) from error
    except _BROKEN as error:  # such as "\UFFFFFFFF", which the scanner passes to chr()
        raise NotReadError(f"{NOT_YAML}: a broken escape or directive", loader.line + 1) from error
    else:
        return node
    finally:
        loader.dispose()


def scalar(node: yaml.Node) -> str | int | float | bool | None:
    """Return the value of a scalar node. Raises NotReadError when it has none, or looks like another value."""
    if isinstance(node, AliasNode):
        raise NotReadError("aliases (*name) are not read: write the value out")
    if not isinstance(node, yaml.ScalarNode) or node.tag not in TEXTS | _NUMBERS | _OTHERS:
        raise NotReadError("tags of such types are not read: write plain YAML")
    if node.tag in TEXTS:
        if any("\ud800" <= char <= "\udfff" for char in node.value):
            raise NotReadError("the text holds half a surrogate pair: write the character itself")
        return str(node.value)
    if node.tag in _NUMBERS and (":" in node.value or _OCTAL.fullmatch(node.value)):
        raise NotReadError("YAML 1.1 reads another number than it looks: write it in decimal, or text in double quotes")
    try:
        value: str | int | float | bool | None = _StrictLoader("").construct_object(node)
    except (yaml.YAMLError, *_BROKEN) as error:
        raise NotReadError("the value does not fit its tag: put it in double quotes if it is text") from error
    return value


def read_scalar(text: str) -> str | int | float | bool | None:
    """Return the value of a plain YAML scalar with this text, or the text itself when it cannot be read."""
    tag = _StrictLoader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # as above
    try:
        return scalar(yaml.ScalarNode(tag, text))
    except NotReadError:
        return text


def _explain(error: yaml.MarkedYAMLError) -> str:
    context = error.context or ""
    if error.context_mark and error.problem_mark and error.context_mark.line != error.problem_mark.line:
        context += f" that begins on line {error.context_mark.line + 1}"
    said = ", ".join(part for part in (context, error.problem) if part)
    hint = next((f": {hint}" for sign, hint in _HINTS.items() if sign in said), "")
    return f"{NOT_YAML}: {said}{hint}"
