"""YAML text into plain values and the line of each key, by PyYAML's safe loader made strict.

Strict means that nothing is read otherwise than it looks: no key twice, no aliases or merge keys, no tags of foreign
types, no numbers in the octal or sexagesimal forms of YAML 1.1, and dates stay text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from imaged.config.faults import Fault, KeyPath, quote

DEEPEST = 50
"""How deep a document may nest: the loader recurses."""

_TAG = "tag:yaml.org,2002:"
_TEXT, _MERGE = f"{_TAG}str", f"{_TAG}merge"
_ALIAS = "!alias"
_SCALARS = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "str")}
_READ_AS_TEXT = {f"{_TAG}value", f"{_TAG}timestamp", _MERGE}
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_BROKEN_SCALAR = (ValueError, KeyError, IndexError, OverflowError)  # what PyYAML's constructors let through
_DROPPED = object()


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes; an alias becomes a node that is refused where it stands, with its key."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node, as PyYAML's Composer does, within bounds."""
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()
            return yaml.ScalarNode(_ALIAS, "", event.start_mark, event.end_mark)
        if self._depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=self.peek_event().start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


@dataclass(frozen=True, repr=False)
class Document:
    """A document's plain values, without what was faulty, the line of every key, and the faults."""

    data: Any
    lines: Mapping[KeyPath, int]
    faults: tuple[Fault, ...]


def read_document(text: str | bytes, file: str) -> Document:
    """Read a YAML document whose top is a mapping; an empty one is an empty mapping."""
    document = read_value(text, file)
    if document.data is None:
        return Document({}, document.lines, document.faults)
    if not isinstance(document.data, dict):
        fault = Fault(file, 1, (), "expected a mapping of settings, each a line such as `uploader: noop`")
        return Document({}, {}, (*document.faults, fault))
    return document


def read_value(text: str | bytes, file: str) -> Document:
    """Read one YAML value of any kind."""
    reading = _Reading(file)
    data = reading.text(text)
    return Document(None if data is _DROPPED else data, reading.lines, tuple(reading.faults))


def read_scalar(text: str) -> Any:
    """Return what a plain scalar with this text means to YAML, or the text itself where that is not plain."""
    if not text.isprintable():
        return text
    loader = _StrictLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    node = yaml.ScalarNode(tag, text)
    try:
        return text if _misleading(node) else loader.construct_object(node)
    except (yaml.YAMLError, *_BROKEN_SCALAR):
        return text


def _misleading(node: yaml.ScalarNode) -> bool:
    """Say whether YAML 1.1 makes another number of it than people read: 0644 is 420 and 1:30 is 90."""
    number = node.tag in {f"{_TAG}int", f"{_TAG}float"}
    return number and (":" in node.value or _OCTAL.fullmatch(node.value) is not None)


@dataclass
class _Reading:
    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, line: int | None, path: KeyPath, message: str) -> object:
        self.faults.append(Fault(self.file, line, path, message))
        return _DROPPED

    def text(self, text: str | bytes) -> Any:
        if isinstance(text, bytes):
            try:
                text = text.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                line = text.count(b"\n", 0, error.start) + 1
                return self.fault(line, (), "the text is not UTF-8: save it as UTF-8")
        try:
            loader = _StrictLoader(text)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            return self.fault(line, (), f"a character that YAML does not take: U+{ord(error.character):04X}")
        try:
            return self.only_document(loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            return self.fault(mark.line + 1 if mark else None, (), _explain(error))
        except _BROKEN_SCALAR:  # such as "\UFFFFFFFF", which the scanner hands to chr()
            return self.fault(loader.line + 1, (), "not YAML: a broken escape or directive")
        finally:
            loader.dispose()

    def only_document(self, loader: _StrictLoader) -> Any:
        if not loader.check_node():
            return None
        node = loader.get_node()
        if loader.check_node():
            line = loader.peek_event().start_mark.line + 1
            return self.fault(line, (), "a second document begins here: the settings are one document")
        return self.value(loader, node, ())

    def value(self, loader: _StrictLoader, node: yaml.Node, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        if node.tag == _ALIAS:
            return self.fault(line, path, "aliases (*name) are not read: write the value out")
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self.mapping(loader, node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return self.sequence(loader, node, path)
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS | _READ_AS_TEXT:
            return self.scalar(loader, node, path)
        return self.fault(line, path, f"the tag {quote(node.tag.replace(_TAG, '!!'))} is not read: write plain YAML")

    def mapping(self, loader: _StrictLoader, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self.key(key_node, path)
            if key is None:
                continue
            if (*path, key) in self.lines:
                first = self.lines[(*path, key)]
                self.fault(line, (*path, key), f"the key is given twice, first on line {first}: keep one of them")
                continue
            self.lines[(*path, key)] = line
            value = self.value(loader, value_node, (*path, key))
            if value is not _DROPPED:
                values[key] = value
        return values

    def key(self, node: yaml.Node, path: KeyPath) -> str | None:
        line = node.start_mark.line + 1
        if node.tag == _MERGE:
            self.fault(line, path, "merge keys (<<) are not read: write the keys out")
        elif node.tag == _ALIAS or not isinstance(node, yaml.ScalarNode):
            self.fault(line, path, "a key is plain text: this one is not")
        elif node.tag not in {_TEXT, *_READ_AS_TEXT}:
            self.fault(line, path, f"the key {quote(node.value)} is no text to YAML: put it in double quotes")
        elif not _is_unicode(node.value):
            self.fault(line, path, "a key holds half a surrogate pair: write the character itself")
        else:
            return str(node.value)
        return None

    def sequence(self, loader: _StrictLoader, node: yaml.SequenceNode, path: KeyPath) -> Any:
        values = []
        for index, item in enumerate(node.value):
            self.lines[(*path, index)] = item.start_mark.line + 1
            values.append(self.value(loader, item, (*path, index)))
        return _DROPPED if any(value is _DROPPED for value in values) else values

    def scalar(self, loader: _StrictLoader, node: yaml.ScalarNode, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        if node.tag in {_TEXT, *_READ_AS_TEXT}:
            if _is_unicode(node.value):
                return str(node.value)
            return self.fault(line, path, "the text holds half a surrogate pair: write the character itself")
        try:
            value = loader.construct_object(node)
        except (yaml.YAMLError, *_BROKEN_SCALAR):
            return self.fault(line, path, "the value does not fit its tag: put it in double quotes if it is text")
        if _misleading(node):
            meaning = (
                "YAML 1.1 reads another number than it looks: write it in decimal, or in double quotes if it is text"
            )
            return self.fault(line, path, meaning)
        return value


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _explain(error: yaml.MarkedYAMLError) -> str:
    said = ", ".join(part for part in (error.context, error.problem) if part)
    hint = ": indent with spaces" if "'\\t'" in said else ""
    return f"not YAML: {said}{hint}"
