"""Keys and values of params.yaml before 0.2 and what they are called now: the only place for old names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

# Old key: new key. * is the name of an entry, and `models` stands for `tuned` as well. A key that ends in [] had a
# list, one that ends in $ a plain value; network:gan is a network of kind gan.
RENAMED = {
    "judges": "fid_references",
    "seeds": "num_seeds",
    "datasets.*.official": "urls",
    "datasets.*.expect": "checks",
    "datasets.*.limit": "split.max_rows",
    "datasets.*.inputs.vocabulary": "vocab_size",
    "datasets.*.inputs.length": "max_length",
    "datasets.*.split.block": "group_size",
    "models.*.documented": "reference",
    "models.*.training.weight_average": "ema_decay",
    "models.*.training.optimizer.smoothing": "alpha",
    "models.*.training.generator.smoothing": "alpha",
    "models.*.training.discriminator.smoothing": "alpha",
    "models.*.training.schedule.warm_up": "warmup_fraction",
    "models.*.training.schedule.decay": "gamma",
    "models.*.network.hidden": "hidden_size",
    "models.*.network.hidden[]": "hidden_sizes",
    "models.*.network.layers": "num_layers",
    "models.*.network.kernel": "kernel_size",
    "models.*.network.heads": "num_heads",
    "models.*.network.words": "tokens",
    "models.*.network.words.vocabulary": "vocab_size",
    "models.*.network.words.length": "max_length",
    "models.*.network.words.width": "embedding_dim",
    "models.*.network.words.begin": "init",
    "models.*.network.words.dropout": "word_dropout",
    "models.*.network.order": "max_n",
    "models.*.network.runs": "max_features",
    "models.*.network.places": "num_buckets",
    "models.*.network.rows_per_vote": "group_size",
    "models.*.network.least_votes": "min_df",
    "models.*.network.code": "latent_dim",
    "models.*.network.noise": "latent_dim",
    "models.*.network.slope": "negative_slope",
    "models.*.network:gan.dropout": "discriminator.dropout",
    "models.*.network.generator[]": "generator.hidden_sizes",
    "models.*.network.discriminator[]": "discriminator.hidden_sizes",
}
# Old key, or old key: old value. What has become of the value.
CHANGED = {
    "common": "removed: the defaults are those of src/penstock/config/ (`penstock config` prints them)",
    "datasets.*.expect.class_share[]": "now {min: ..., max: ...}",
    "datasets.*.expect.values[]": "now {min: ..., max: ...}",
    "baselines.*.kind: components": "components is renamed to pca",
    "models.*.network.words.begin: neighbours": "renamed to init, and neighbours to ppmi",
    "models.*.network.tokens.init: neighbours": "neighbours is renamed to ppmi",
    "models.*.int8$": "now a block: {serve: true}, or {serve: false, reason: slower}",
}
ANCHORS = (
    "anchors and merge keys are not supported: DVC expands them when it writes the file, so that `dvc exp run -S` "
    "changes other models. Write out the keys of each model that differ from the defaults"
)
OWN_NETWORK = "module"
NOT_DESCRIBED = (
    "no file in src/penstock/data/datasets/ reads it any more; add {keys}, which describe how its files are read and "
    "what is predicted (README.md, Add a dataset)"
)
# Quick, and sometimes wrong: text in a comment or a string looks the same.
LIKE_ANCHOR = re.compile(r"(?m)(?:^|[\s\[{,])(?:[&*][\w-]|<<\s*:)")


def has_anchors(text: str) -> bool:
    """Return whether a YAML text has an anchor or a merge key."""
    return bool(LIKE_ANCHOR.search(text)) and bool(_anchor_lines(text))


def outdated(file: str, text: str) -> list[str]:
    """Return a line for each key or value of an earlier version, in the order of the file.

    Args:
        file: Name of the file, for the messages.
        text: Its content, valid YAML.
    """
    node = _compose(text)
    found = [*_old_keys(node, (), set()), *_old_datasets(node)]
    problems = [(line, f"{key}: {problem}") for line, key, problem in found]
    if lines := _anchor_lines(text):
        others = f" (lines {', '.join(map(str, lines))})" if len(lines) > 1 else ""
        problems.append((lines[0], f"{ANCHORS}{others}"))
    return [f"{file}:{line}: {problem}" for line, problem in sorted(problems)]


def _compose(text: str) -> Node | None:
    node: Node | None = YAML(typ="safe", pure=True).compose(text)
    return node


def _anchor_lines(text: str) -> list[int]:
    """Return the lines with an anchor, an alias or a merge key, counted from 1."""
    yaml = YAML(typ="safe", pure=True)
    lines = set()
    try:
        for event in yaml.parse(text):
            merges = getattr(event, "value", None) == "<<" and event.style is None
            if getattr(event, "anchor", None) or merges:
                lines.add(event.start_mark.line + 1)
    except YAMLError:
        return []
    return sorted(lines)


def _old_keys(node: Node | None, keys: tuple[str, ...], seen: set[int]) -> Iterator[tuple[int, str, str]]:
    """Yield line, dotted key and problem of every old key in a block, once however often it is merged."""
    if not isinstance(node, MappingNode) or id(node) in seen:
        return
    seen.add(id(node))
    plain = [(key, value) for key, value in node.value if isinstance(key, ScalarNode) and key.value != "<<"]
    kind = next((value.value for key, value in plain if key.value == "kind"), None)
    if kind == OWN_NETWORK:
        return  # its keys are the user's
    for key, value in plain:
        below = (*keys, key.value)
        problem = _problem(below, value, kind)
        if problem:
            yield key.start_mark.line + 1, ".".join(below), problem
        if below != ("common",):
            yield from _old_keys(value, below, seen)


def _old_datasets(node: Node | None) -> Iterator[tuple[int, str, str]]:
    """Yield line, dotted key and problem of every entry of `datasets` that a Python file was to read."""
    for key, entry in _pairs(_pairs_by_name(node).get("datasets")):
        blocks = _pairs_by_name(entry)
        if "inputs" in blocks and not blocks.keys() & {"source", "target"}:
            inputs = _pairs_by_name(blocks["inputs"])
            is_table = "kind" in inputs and inputs["kind"].value == "table" and "columns" not in inputs
            keys = "`source`, `inputs.columns` and `target`" if is_table else "`source` and `target`"
            yield key.start_mark.line + 1, f"datasets.{key.value}", NOT_DESCRIBED.format(keys=keys)


def _pairs(node: Node | None) -> list[tuple[ScalarNode, Node]]:
    """Return the keys of a block with their values; none if it is no block."""
    pairs = node.value if isinstance(node, MappingNode) else []
    return [(key, value) for key, value in pairs if isinstance(key, ScalarNode)]


def _pairs_by_name(node: Node | None) -> dict[str, Node]:
    return {key.value: value for key, value in _pairs(node)}


def _problem(keys: tuple[str, ...], value: Node, kind: str | None) -> str | None:
    """Return what has become of a key in a block of this kind, or None where it is as it was."""
    block, *below = keys
    *parents, last = ["models" if block == "tuned" else block, *("*" for _ in below[:1]), *below[1:]]
    old = ".".join((*parents, last))
    suffix = "[]" if isinstance(value, SequenceNode) else "$" if isinstance(value, ScalarNode) else ""
    for form in (f"{old}: {value.value}", f"{old}{suffix}", f"{'.'.join(parents)}:{kind}.{last}", old):
        if form in CHANGED:
            return CHANGED[form]
        if form in RENAMED:
            return f"renamed to {RENAMED[form]}"
    return None
