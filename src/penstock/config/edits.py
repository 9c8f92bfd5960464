"""Edit an entry of params.yaml as text: only the lines of changed settings change, and all comments stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

QUOTES = ("'", '"')


def edited(text: str, keys: Sequence[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return a YAML text with other settings in one block.

    Values are replaced where they stand, a new setting follows the last one of its block, and a dropped one goes with
    its line. A list in block style whose length changes is written anew, with its comments lost.

    Args:
        text: The text; it has no anchors.
        keys: Keys of the block.
        old: The settings in the block, as plain values.
        new: Those that it shall have; lists in place of tuples.
    """
    edits = _Edits(text)
    edits.update(_node_at(text, keys)[1], old, new)
    return edits.applied()


def with_copy(text: str, keys: Sequence[str], name: str) -> str:
    """Return a YAML text in which a copy of a block, with its comments, follows it under another name.

    Args:
        text: The text.
        keys: Keys of the block.
        name: Name of the copy.
    """
    key, value = _node_at(text, keys)
    begin = _line_start(text, key.start_mark.index)
    end = _line_end(text, _end(value))
    indent = key.start_mark.index - begin
    copy = text[begin : begin + indent] + name + text[key.end_mark.index : end]
    return f"{text[:end]}\n{copy}{text[end:]}"


def with_entry(text: str, block: str, entry: str) -> str:
    """Return a YAML text in which an entry is the last one of a block at the top level.

    Args:
        text: The text. A block that is missing is added at its end, and an empty one, `{}`, is replaced.
        block: Key of the block.
        entry: The entry as YAML, with its key in the first column.
    """
    lines = "".join(f"  {line}" if line.strip() else line for line in entry.splitlines(keepends=True))
    document = YAML(typ="safe", pure=True).compose(text)
    blocks = {key.value: (key, value) for key, value in document.value} if document else {}
    if block not in blocks:
        return f"{text.rstrip()}\n\n{block}:\n{lines}"
    key, value = blocks[block]
    if isinstance(value, MappingNode) and _is_block(value):
        place = _line_end(text, _end(value)) + 1
        return text[:place] + lines + text[place:]
    start, end = text.index(":", key.end_mark.index) + 1, int(value.end_mark.index)
    line_end = _line_end(text, start)
    comment = text[end if value.start_mark.index != value.end_mark.index else start : line_end]
    return f"{text[:start]}{comment.rstrip()}\n{lines.rstrip()}{text[line_end:]}"


def _node_at(text: str, keys: Sequence[str]) -> tuple[Node, Node]:
    """Return the nodes of a key and of its value."""
    key, node = None, YAML(typ="safe", pure=True).compose(text)
    for name in keys:
        key, node = {key.value: (key, value) for key, value in node.value}[name]
    assert key is not None
    return key, node


@dataclass
class _Edits:
    """Replacements in a text.

    Args:
        text: The text.
    """

    text: str
    replacements: list[tuple[int, int, str]] = field(default_factory=list)

    def applied(self) -> str:
        text = self.text
        for start, end, other in sorted(self.replacements, key=lambda one: one[0], reverse=True):
            text = text[:start] + other + text[end:]
        return text

    def update(self, node: Node, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Replace what differs in a mapping."""
        entries = {key.value: (key, value) for key, value in node.value}
        for name, value in new.items():
            if name in entries and name in old:
                self._replace(entries[name], old[name], value, in_flow=not _is_block(node))
        self._drop(node, [name for name in entries if name not in new])
        self._add(node, {name: value for name, value in new.items() if name not in entries}, set(entries) & set(new))

    def _replace(self, entry: tuple[Node, Node], old: Any, new: Any, *, in_flow: bool) -> None:  # noqa: ANN401
        """Replace a value, or those of its parts that differ."""
        key, node = entry
        if old == new and isinstance(old, bool) == isinstance(new, bool):
            return
        if isinstance(node, MappingNode) and isinstance(old, dict) and isinstance(new, dict) and new:
            self.update(node, old, new)
        elif isinstance(node, SequenceNode) and _are_as_long(old, new):
            for one, before, after in zip(node.value, old, new, strict=True):
                self._replace((key, one), before, after, in_flow=True)
        elif _is_block(node) or (isinstance(new, list) and new and not in_flow):
            self._replace_block(key, node, new)
        elif node.start_mark.index == node.end_mark.index:  # nothing stands behind the key
            place = self.text.index(":", key.end_mark.index) + 1
            self.replacements.append((place, place, f" {_flow(new)}"))
        else:
            style = node.style if isinstance(node, ScalarNode) and node.style in QUOTES else None
            self.replacements.append((node.start_mark.index, node.end_mark.index, _quoted(new, style)))

    def _replace_block(self, key: Node, node: Node, new: object) -> None:
        """Replace a value that stands below its key, or shall stand there."""
        start = self.text.index(":", key.end_mark.index) + 1
        lines = _after_key(new, key.start_mark.column)
        below = node.start_mark.line > key.start_mark.line
        comment_end = _line_end(self.text, key.end_mark.index)
        if below and lines.startswith("\n"):
            start = comment_end  # a comment behind the key stays
        self.replacements.append((start, _end(node), lines))

    def _drop(self, node: Node, names: list[str]) -> None:
        entries = node.value
        kept = [position for position, (key, _) in enumerate(entries) if key.value not in names]
        for position, (key, value) in enumerate(entries):
            if key.value not in names:
                continue
            if _is_block(node):
                begin, end = _line_start(self.text, key.start_mark.index), _line_end(self.text, _end(value))
                self.replacements.append((begin, end + 1, ""))
            elif kept and position < kept[0]:
                self.replacements.append((key.start_mark.index, entries[position + 1][0].start_mark.index, ""))
            else:
                before = _end(entries[position - 1][1]) if position else key.start_mark.index
                self.replacements.append((before, _end(value), ""))

    def _add(self, node: Node, settings: Mapping[str, Any], kept: set[str]) -> None:
        if not settings:
            return
        last = max((position for position, (key, _) in enumerate(node.value) if key.value in kept), default=None)
        if not _is_block(node):
            listed = ", ".join(f"{name}: {_flow(value)}" for name, value in settings.items())
            place = node.start_mark.index + 1 if last is None else _end(node.value[last][1])
            self.replacements.append((place, place, listed if last is None else f", {listed}"))
            return
        column = node.value[0][0].start_mark.column
        lines = "".join(f"\n{' ' * column}{name}:{_after_key(value, column)}" for name, value in settings.items())
        place = _line_end(self.text, _end(node.value[-1 if last is None else last][1]))
        self.replacements.append((place, place, lines))


def _are_as_long(old: object, new: object) -> bool:
    return isinstance(old, list) and isinstance(new, list) and len(old) == len(new)


def _is_block(node: Node) -> bool:
    return isinstance(node, CollectionNode) and not node.flow_style


def _end(node: Node) -> int:
    """Return where the text of a node ends; the mark of a block is behind the comments that follow it."""
    if _is_block(node) and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _after_key(value: object, column: int) -> str:
    """Return a value as it follows `key:` in a block; a list is one entry a line, as DVC writes it."""
    if isinstance(value, list) and value:
        return "".join(f"\n{' ' * column}- {_entry(one, column + 2)}" for one in value)
    return f" {_flow(value)}"


def _entry(value: object, column: int) -> str:
    if isinstance(value, dict) and value:
        lines = [f"{name}:{_after_key(one, column)}" for name, one in value.items()]
        return f"\n{' ' * column}".join(lines)
    return _flow(value)


def _quoted(value: object, style: str | None) -> str:
    """Return a value on one line; a text in the quotes that were there, if they change none of its characters."""
    written = _flow(value)
    needs_none = written == value and not set(written) & set("'\"\\")
    return f"{style}{written}{style}" if style and needs_none else written


def _flow(value: object) -> str:
    """Return a value on one line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.width = 1_000_000
    written = StringIO()
    yaml.dump(value, written)
    return written.getvalue().removesuffix("\n").removesuffix("...").removesuffix("\n")
