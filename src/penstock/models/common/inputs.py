"""Input layers: convert the processed arrays to the inputs of a network."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from penstock.config.networks import EmbeddingConfig, TokensConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import PADDING, UNKNOWN, DatasetInfo
from penstock.models.common.base import InputSpec
from penstock.models.common.columns import ROW, ColumnFeatures
from penstock.models.common.fitted import FittedLayer


class Standardize(FittedLayer):
    """Standardize features [N, features] to mean 0 and standard deviation 1 over the training rows."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.standard_deviation: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("standard_deviation", torch.ones(features))

    def fit(self, inputs: Tensor, labels: Tensor) -> None:
        """Estimate mean and standard deviation; constant features are only centered."""
        self.mean.copy_(inputs.mean(dim=0))
        deviation = inputs.std(dim=0, correction=0)
        self.standard_deviation.copy_(torch.where(deviation > 0, deviation, 1.0))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs - self.mean) / self.standard_deviation


class Pixels(nn.Module):
    """Scale bytes to 0..1, with channels first.

    Grey images, uint8 [N, height, width], become float32 [N, 1, height, width]; colour images, uint8 [N, height, width,
    3], become float32 [N, 3, height, width].
    """

    def forward(self, inputs: Tensor) -> Tensor:
        channels_first = inputs.unsqueeze(1) if inputs.dim() == 3 else inputs.permute(0, 3, 1, 2)
        return channels_first.float() / 255


def require_grey(kind: str, info: DatasetInfo) -> None:
    """Raise a WrongSettingError if the images of a dataset have colours."""
    if len(info.shape) > 2:
        raise WrongSettingError("network.kind", f"{kind} needs grey images, {info.dataset} has colours")


class WordEmbedding(nn.Module):
    """Embed word ids [N, T] as vectors, float32 [N, max_length, embedding_dim].

    Only the last `max_length` words and the first `vocab_size` ids are used. The vectors are initialized uniformly in
    -0.05..0.05, as in Keras; `init: ppmi` replaces them before training. In training, a share `word_dropout` of the
    words is replaced by the unknown word.
    """

    def __init__(self, settings: EmbeddingConfig) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(settings.vocab_size, settings.embedding_dim)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)

    def forward(self, ids_NT: Tensor) -> Tensor:
        ids_NT = self.ids(ids_NT)
        if self.training and self.settings.word_dropout:
            left_out = (torch.rand(ids_NT.shape, device=ids_NT.device) < self.settings.word_dropout) & (
                ids_NT != PADDING
            )
            ids_NT = torch.where(left_out, UNKNOWN, ids_NT)
        vectors: Tensor = self.embedding(ids_NT)
        return vectors

    def ids(self, ids_NT: Tensor) -> Tensor:
        """Return the ids that are looked up, [N, max_length]."""
        return read(ids_NT, self.settings)


def read(ids_NT: Tensor, settings: TokensConfig) -> Tensor:
    """Select the last `max_length` word ids, [N, max_length]; ids from `vocab_size` on become the unknown word."""
    kept = ids_NT[:, -settings.max_length :]
    return torch.where(kept < settings.vocab_size, kept, UNKNOWN)


def restrict_to_model(words: TokensConfig | None, info: DatasetInfo) -> DatasetInfo:
    """Describe the dataset as a network sees it: texts may be cut to fewer words than were preprocessed.

    Raises:
        WrongSettingError: `tokens` exceeds the preprocessed words, is missing for texts, or is set for other inputs.
    """
    if (words is not None) != (info.kind == "text"):
        problem = "is needed: {} has texts" if words is None else "must be left out: {} has no texts"
        raise WrongSettingError("network.tokens", problem.format(info.dataset))
    if words is None:
        return info
    for key, most in (("vocab_size", info.vocab_size), ("max_length", info.shape[0])):
        if getattr(words, key) > most:
            raise WrongSettingError(
                f"network.tokens.{key}", f"{info.dataset} has {most} (datasets.{info.dataset}.inputs.{key})"
            )
    return replace(info, vocab_size=words.vocab_size, shape=(words.max_length,))


def input_spec(info: DatasetInfo) -> InputSpec:
    """Describe the input that a network gets from a dataset."""
    match info.kind:
        case "table":
            return InputSpec("features", info.shape, torch.float32)
        case "columns":
            return InputSpec(ROW, info.shape, torch.float32)
        case "image":
            return InputSpec("pixels", info.shape, torch.uint8)
        case "text":
            return InputSpec("token_ids", info.shape, torch.int64, vocab_size=info.vocab_size)


def input_layer(info: DatasetInfo) -> nn.Module:
    """Build the input layer for a dataset; texts pass unchanged, because their networks embed them."""
    match info.kind:
        case "table":
            return Standardize(info.shape[0])
        case "columns":
            return ColumnFeatures(info.columns)
        case "image":
            return Pixels()
        case "text":
            return nn.Identity()
