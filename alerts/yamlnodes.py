"""YAML read strictly: every value keeps its line, keys are known and single, and a refusal says file, line, reason."""

import math
import re
from collections.abc import Set
from pathlib import Path
from typing import Final, NoReturn

import yaml

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_UNIT_US: Final = {
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 7 * 86_400_000_000,
}


class RuleError(Exception):
    """A rule that does not parse or makes no sense; the text names file, line and reason."""

    code = "bad_rule"

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


class Node:
    """One value of a YAML document that knows where it stands; each reader refuses what is not of its kind."""

    def __init__(self, file: str, node: yaml.Node, text: str = "") -> None:
        self._file = file
        self._node = node
        self._text = text

    @property
    def line(self) -> int:
        """Line in the file, from 1."""
        return int(self._node.start_mark.line) + 1

    @property
    def source(self) -> str:
        """The text of a document's value, as it was written."""
        return self._text[self._node.start_mark.index : self._node.end_mark.index]

    def refuse(self, reason: str) -> NoReturn:
        """Raise RuleError at this value's place."""
        raise RuleError(self._file, self.line, reason)

    def mapping(self, name: str, known: Set[str], required: Set[str] = frozenset()) -> "dict[str, Node]":
        """Keys and values; unknown, repeated and missing keys are refused by name."""
        if not isinstance(self._node, yaml.MappingNode):
            self.refuse(f"{name} must be a mapping with {_list(sorted(known))}")
        entries: dict[str, Node] = {}
        for key_node, value_node in self._node.value:
            key = Node(self._file, key_node)
            word = key.text(f"a key of {name}")
            if word not in known:
                key.refuse(f"{name} has no key '{word}'; known: {_list(sorted(known))}")
            if word in entries:
                key.refuse(f"{name} has '{word}' twice; keep one")
            entries[word] = Node(self._file, value_node)
        missing = sorted(required - set(entries))
        if missing:
            self.refuse(f"{name} needs {_list(missing)}")
        return entries

    def items(self, name: str) -> "list[Node]":
        """The members of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.refuse(f"{name} must be a list")
        return [Node(self._file, item) for item in self._node.value]

    def text(self, name: str) -> str:
        """A text that is not empty."""
        if not isinstance(self._node, yaml.ScalarNode):
            self.refuse(f"{name} must be a text")
        value = str(self._node.value).strip()
        if not value or self._node.tag == "tag:yaml.org,2002:null":
            self.refuse(f"{name} is empty")
        return value

    def number(self, name: str) -> float:
        """A finite number; quoted digits are a text, not a number."""
        if not isinstance(self._node, yaml.ScalarNode) or self._node.tag not in {
            "tag:yaml.org,2002:int",
            "tag:yaml.org,2002:float",
        }:
            self.refuse(f"{name} must be a number")
        try:
            value = float(self._node.value)
        except ValueError:
            self.refuse(f"{name} must be a plain decimal number, not {self._node.value}")
        if not math.isfinite(value):
            self.refuse(f"{name} must be finite")
        return value

    def duration(self, name: str) -> int:
        """A duration such as 30s, 2m, 1h, 7d, in microseconds."""
        text = self.text(name)
        form = _DURATION.fullmatch(text)
        if form is None:
            self.refuse(f"{name} is no duration: '{text}'; write a number and ms, s, m, h, d or w, such as 2m")
        return round(float(form[1]) * _UNIT_US[form[2]])


def documents(file: Path, text: str) -> list[Node]:
    """The documents of one file; a syntax error is refused with its line."""
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleError(str(file), line, f"is no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise RuleError(str(file), 1, f"is no YAML: {error}") from None
    return [Node(str(file), node, text) for node in nodes if node is not None]


def _list(words: list[str]) -> str:
    return ", ".join(words)
