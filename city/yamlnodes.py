"""YAML read strictly: every value knows its line, keys are known and single, and a refusal says file, line, reason."""

import math
import re
from collections.abc import Set
from pathlib import Path
from typing import Final, NoReturn
from unicodedata import normalize

import yaml

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_TAG: Final = "tag:yaml.org,2002:"
_UNKEEPABLE: Final = re.compile("[\0\ud800-\udfff]")
"""NUL, and halves of characters: no database and no UTF-8 takes them."""
LONGEST_S: Final = 36_525 * 86_400.0


class SourceError(Exception):
    """A file written by people that does not parse or makes no sense; the text is `file:line: reason`."""

    code = "bad_source"

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


class Node:
    """One value of a YAML file; each reader refuses, with the family's own error, what is not of its kind."""

    def __init__(self, file: str, node: yaml.Node, error: type[SourceError]) -> None:
        self._file = file
        self._node = node
        self._error = error

    @property
    def line(self) -> int:
        """Line in the file, from 1."""
        return int(self._node.start_mark.line) + 1

    @property
    def is_mapping(self) -> bool:
        """Whether `mapping` and `entries` can read it."""
        return isinstance(self._node, yaml.MappingNode)

    @property
    def is_sequence(self) -> bool:
        """Whether `items` can read it."""
        return isinstance(self._node, yaml.SequenceNode)

    def refuse(self, reason: str) -> NoReturn:
        """Raise the family's error at this value's place."""
        raise self._error(self._file, self.line, reason)

    def entries(self, name: str) -> "dict[str, tuple[Node, Node]]":
        """Any keys, each once: name to (key, value)."""
        if not isinstance(self._node, yaml.MappingNode):
            self.refuse(f"{name} must be a mapping")
        found: dict[str, tuple[Node, Node]] = {}
        for key_node, value_node in self._node.value:
            key = self._child(key_node)
            word = key.text(f"a key of {name}")
            if word in found:
                key.refuse(f"{name} has '{word}' twice; keep one")
            found[word] = key, self._child(value_node)
        return found

    def mapping(self, name: str, required: Set[str], optional: Set[str] = frozenset()) -> "dict[str, Node]":
        """Values by key; unknown, repeated and missing keys are refused by name."""
        found = self.entries(name)
        for word, (key, _) in found.items():
            if word not in required | optional:
                key.refuse(f"{name} has no key '{word}'; known: {', '.join(sorted(required | optional))}")
        missing = sorted(required - set(found))
        if missing:
            self.refuse(f"{name} needs {', '.join(missing)}")
        return {word: value for word, (_, value) in found.items()}

    def items(self, name: str) -> "list[Node]":
        """The members of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.refuse(f"{name} must be a list")
        return [self._child(item) for item in self._node.value]

    def text(self, name: str, longest: int = 1000) -> str:
        """A text that is not empty, normalised to NFC."""
        if not isinstance(self._node, yaml.ScalarNode):
            self.refuse(f"{name} must be a text")
        value = normalize("NFC", str(self._node.value).strip())
        if not value or self._node.tag == _TAG + "null":
            self.refuse(f"{name} is empty")
        if strange := _UNKEEPABLE.search(value):
            self.refuse(f"{name} has the character U+{ord(strange[0]):04X}, which nothing can keep; leave it out")
        if len(value) > longest:
            self.refuse(f"{name} '{value}' has {len(value)} characters; at most {longest} fit")
        return value

    def number(self, name: str) -> float:
        """A finite number; quoted digits are a text, not a number."""
        if not isinstance(self._node, yaml.ScalarNode) or self._node.tag not in (_TAG + "int", _TAG + "float"):
            self.refuse(f"{name} must be a number")
        try:
            value = float(self._node.value)
        except ValueError:
            self.refuse(f"{name} must be a plain decimal number, not {self._node.value}")
        if not math.isfinite(value):
            self.refuse(f"{name} must be finite")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number from low to high."""
        value = self.number(name)
        if value != int(value) or not low <= value <= high:
            self.refuse(f"{name} must be a whole number from {low} to {high}, not {value:g}")
        return int(value)

    def flag(self, name: str) -> bool:
        """true or false."""
        if not isinstance(self._node, yaml.ScalarNode) or self._node.tag != _TAG + "bool":
            self.refuse(f"{name} must be true or false")
        return str(self._node.value).lower() in ("true", "yes", "on")

    def seconds(self, name: str) -> float:
        """A duration such as 30s, 2m, 1h, 7d, in seconds."""
        text = self.text(name)
        form = _DURATION.fullmatch(text)
        if form is None or float(form[1]) == 0:
            self.refuse(f"{name} is no duration: '{text}'; write a number and ms, s, m, h, d or w, such as 2m")
        seconds = float(form[1]) * _SECONDS[form[2]]
        if seconds > LONGEST_S:
            self.refuse(f"{name} is longer than a hundred years: '{text[:40]}'")
        return seconds

    def bilingual(self, name: str, longest: int = 200) -> dict[str, str]:
        """The same words in Vietnamese and English."""
        return {
            language: value.text(f"{name}.{language}", longest)
            for language, value in self.mapping(name, {"vi", "en"}).items()
        }

    def _child(self, node: yaml.Node) -> "Node":
        return Node(self._file, node, self._error)


def read(path: Path, error: type[SourceError]) -> Node:
    """The single document of a file. Raises `error` where it can't be read, has no document, or is no YAML."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as broken:
        line = broken.problem_mark.line + 1 if broken.problem_mark else 1
        raise error(str(path), line, f"is no YAML: {broken.problem or broken.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as broken:
        raise error(str(path), 1, f"is no YAML: {broken}") from None
    except OSError as missing:
        raise error(str(path), 1, f"can't be read: {missing.strerror}") from None
    if node is None:
        raise error(str(path), 1, "is empty")
    return Node(str(path), node, error)
