"""Write a first network of one's own: a small file to edit, and the settings that call it."""

from __future__ import annotations

from typing import Any

from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.io.files import write_text

HEAD = '''\
"""The network of {name}. `penstock check {name}` tries it in seconds."""

{imports}

def build(inputs, outputs, hidden):
    """Return the network: an nn.Module, or a whole LightningModule.

    Args:
        inputs: What the network reads: `inputs.shape` of one row, {shape}.
        outputs: Values that it returns for each row: float32 [rows, outputs], without softmax or sigmoid.
        hidden: From `models.{name}.network` in params.yaml, as any other key that you add there.
    """
'''
FEATURES = """\
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(prod(inputs.shape), hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )
"""
WORDS = """\
    return Words(inputs.vocab_size, hidden, outputs)


class Words(nn.Module):
    def __init__(self, words, hidden, outputs):
        super().__init__()
        self.embedding = nn.Embedding(words, hidden, padding_idx=0)
        self.output = nn.Linear(hidden, outputs)

    def forward(self, ids):  # int64 [rows, words]; 0 is padding, on the left
        return self.output(self.embedding(ids).mean(dim=1))
"""
SHAPES = {
    "image": "(channels, height, width), pixels of 0..1",
    "text": "(words,), word ids below `inputs.vocab_size`",
}


def own_settings(name: str) -> dict[str, Any]:
    """Return `network` of a model for the file that `write_own_network` writes."""
    return {"kind": "module", "path": f"{name}.py:build", "hidden": 32}


def require_no_file(project: Project, name: str) -> None:
    """Require that the file is not there yet."""
    if (project.root / f"{name}.py").exists():
        raise ConfigError(f"{name}.py: is there already, and nothing was written; choose another name for the model")


def write_own_network(project: Project, name: str, inputs: str) -> None:
    """Write NAME.py.

    Args:
        project: The project.
        name: Name of the model.
        inputs: Kind of the dataset's inputs.
    """
    shape = SHAPES.get(inputs, "(features,), standardized")
    imports = "from torch import nn\n" if inputs == "text" else "from math import prod\n\nfrom torch import nn\n"
    body = WORDS if inputs == "text" else FEATURES
    write_text(project.root / f"{name}.py", HEAD.format(name=name, shape=shape, imports=imports) + body)
