"""YAML with line numbers: every complaint names the file, the line and the field."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml

from hilbench.errors import ConfigError

Scalar = TypeVar("Scalar", str, int, bool, float)
TYPE_NAMES = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}


class Mapping:
    """A YAML mapping whose fields are taken one by one; what is left over is an error."""

    def __init__(self, path: Path, node: yaml.Node, where: str) -> None:
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path}:{_line(node)}: {where} must be a mapping")
        self.path, self.node, self.where = path, node, where
        self._fields: dict[str, yaml.Node] = {}
        self._lines: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in self._fields:
                raise self.error(f"{name} is given twice", key)
            self._fields[name] = value
            self._lines[name] = _line(key)

    def error(self, text: str, node: yaml.Node | None = None) -> ConfigError:
        return ConfigError(f"{self.path}:{_line(node or self.node)}: {self.where}: {text}")

    def names(self) -> list[str]:
        return list(self._fields)

    def take(
        self,
        name: str,
        kind: type[Scalar],
        default: Scalar | None = None,
        choices: tuple[Scalar, ...] = (),
        minimum: int | None = None,
    ) -> Scalar:
        """One scalar of the given type; required unless there is a default."""
        node = self._fields.pop(name, None)
        if node is None:
            if default is None:
                raise self.error(f"{name} is missing")
            return default
        value = _construct(node)
        if type(value) is not kind:
            raise self.error(f"{name} must be {TYPE_NAMES[kind]}, not {value!r}", node)
        if choices and value not in choices:
            raise self.error(
                f"{name} is {value!r}, must be one of {', '.join(map(str, choices))}", node
            )
        if minimum is not None and value < minimum:  # type: ignore[operator]
            raise self.error(f"{name} is {value}, must be at least {minimum}", node)
        return value

    def take_list(
        self, name: str, kind: type[Scalar], length: int | None = None, optional: bool = False
    ) -> tuple[Scalar, ...]:
        """A list of scalars of one type."""
        node = self._fields.pop(name, None)
        if node is None and optional:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(f"{name} must be a list", node)
        values: list[Scalar] = []
        for item in node.value:
            value = _construct(item)
            if type(value) is not kind:
                raise self.error(f"each of {name} must be {TYPE_NAMES[kind]}, not {value!r}", item)
            values.append(value)
        if length is not None and len(values) != length:
            raise self.error(f"{name} must have {length} entries", node)
        return tuple(values)

    def take_mapping(self, name: str) -> Mapping:
        node = self._fields.pop(name, None)
        if node is None:
            raise self.error(f"{name} is missing")
        return Mapping(self.path, node, f"{self.where}.{name}")

    def take_optional_mapping(self, name: str) -> Mapping | None:
        return self.take_mapping(name) if name in self._fields else None

    def done(self) -> None:
        """Raise when fields are left that nobody asked for."""
        for name, node in self._fields.items():
            raise self.error(f"unknown field {name!r}", node)


def read_mapping(path: Path) -> Mapping:
    """Parse one YAML file whose top is a mapping; raises ConfigError with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{path}{line}: not valid YAML: {problem}") from error
    if node is None:
        raise ConfigError(f"{path}: the file is empty")
    return Mapping(path, node, path.name)


def _construct(node: yaml.Node) -> object:
    if not isinstance(node, yaml.ScalarNode):
        return None
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError):
        return None
    finally:
        loader.dispose()


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
