"""Reads a YAML document: plain values, the line of each key, and the faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from imaged.config.faults import Fault, KeyPath, quote
from imaged.config.strict_yaml import MAP, MERGE, SEQUENCE, TEXTS, NotReadError, compose, scalar

_DROPPED = object()


@dataclass(frozen=True, repr=False)
class Document:
    """The sound values of a document, the line of every key and list item, and the faults."""

    data: Any
    lines: Mapping[KeyPath, int]
    faults: tuple[Fault, ...]


def read_document(text: str | bytes, file: str) -> Document:
    """Read a YAML document whose top level is a mapping. An empty document is an empty mapping."""
    document = read_value(text, file)
    if document.data is None:
        return Document({}, document.lines, document.faults)
    if not isinstance(document.data, dict):
        fault = Fault(file, 1, (), "expected a mapping of settings, each a line such as `uploader: noop`")
        return Document({}, {}, (*document.faults, fault))
    return document


def read_value(text: str | bytes, file: str) -> Document:
    """Read one YAML value of any kind. Bytes are UTF-8."""
    reading = _Reading(file)
    data: Any = None
    try:
        node = compose(text if isinstance(text, str) else _decode(text))
        data = None if node is None else reading.value(node, ())
    except NotReadError as error:
        reading.fault(error.line, (), str(error))
    return Document(None if data is _DROPPED else data, reading.lines, tuple(reading.faults))


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise NotReadError("the text is not UTF-8: save it as UTF-8", line) from error


@dataclass
class _Reading:
    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, line: int | None, path: KeyPath, message: str) -> None:
        self.faults.append(Fault(self.file, line, path, message))

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == MAP:
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == SEQUENCE:
            return self.sequence(node, path)
        try:
            return scalar(node)
        except NotReadError as error:
            self.fault(_line(node), path, str(error))
            return _DROPPED

    def mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        values = {}
        for key_node, value_node in node.value:
            key, line = self.key(key_node, path), _line(key_node)
            if key is None:
                continue
            inner = (*path, key)
            if inner in self.lines:
                self.fault(line, inner, f"the key is given twice, first on line {self.lines[inner]}: keep one of them")
                continue
            self.lines[inner] = line
            value = self.value(value_node, inner)
            if value is not _DROPPED:
                values[key] = value
        return values

    def key(self, node: yaml.Node, path: KeyPath) -> str | None:
        try:
            key = scalar(node)
        except NotReadError as error:
            self.fault(_line(node), path, f"a key here cannot be read: {error}")
            return None
        if node.tag == MERGE:
            self.fault(_line(node), path, "merge keys (<<) are not read: write the keys out")
            return None
        if node.tag not in TEXTS:
            self.fault(_line(node), path, f"the key {quote(node.value)} is no text to YAML: put it in double quotes")
            return None
        return str(key)

    def sequence(self, node: yaml.Node, path: KeyPath) -> Any:
        values = []
        for index, item in enumerate(node.value):
            self.lines[(*path, index)] = _line(item)
            values.append(self.value(item, (*path, index)))
        return _DROPPED if any(value is _DROPPED for value in values) else values


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
