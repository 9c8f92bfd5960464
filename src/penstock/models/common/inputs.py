"""The first layer of every network: from what lies in the processed arrays to what a network likes to see."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from penstock.config.networks import EmbeddingConfig, TokensConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import PADDING, UNKNOWN, DatasetInfo
from penstock.models.common.base import InputSpec


class FittedLayer(nn.Module):
    """A layer that takes its numbers from the training rows, before training.

    They are buffers: they travel with the weights into the exported graph.
    """

    def fit(self, inputs: Tensor, labels: Tensor) -> None:
        """Takes them from inputs [N, ...] as the layer is given them, and labels int64 [N]."""
        raise NotImplementedError


class Standardize(FittedLayer):
    """Numbers [N, features] to mean 0 and standard deviation 1, as in the training rows."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.standard_deviation: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("standard_deviation", torch.ones(features))

    def fit(self, inputs: Tensor, labels: Tensor) -> None:
        """A constant feature stays as it is, centred."""
        self.mean.copy_(inputs.mean(dim=0))
        deviation = inputs.std(dim=0, correction=0)
        self.standard_deviation.copy_(torch.where(deviation > 0, deviation, 1.0))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs - self.mean) / self.standard_deviation


class Pixels(nn.Module):
    """Bytes [N, height, width] to one channel of 0..1, [N, 1, height, width]."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.unsqueeze(1).float() / 255


class WordEmbedding(nn.Module):
    """Word ids [N, T] to their vectors [N, T, width], of the last `length` words and the first `vocabulary` ids.

    The vectors begin as Keras' do, small and uniform, or as training finds others to begin with. In training, `dropout`
    of the words are unknown ones instead.
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
        """The ids that are looked up, [N, length]."""
        return read(ids_NT, self.settings)


def read(ids_NT: Tensor, settings: TokensConfig) -> Tensor:
    """What a network takes of word ids, [N, length]: a word beyond its vocabulary is an unknown one."""
    kept = ids_NT[:, -settings.max_length :]
    return torch.where(kept < settings.vocab_size, kept, UNKNOWN)


def restrict_to_model(words: TokensConfig | None, info: DatasetInfo) -> DatasetInfo:
    """The dataset as a network sees it: of texts it may take fewer words than were preprocessed.

    Raises:
        WrongSettingError: it would take more than there are, or words of a dataset that has none, or none of texts.
    """
    if (words is not None) != (info.kind == "text"):
        problem = "is needed: {} has texts" if words is None else "must be left out: {} has no texts"
        raise WrongSettingError("network.tokens", problem.format(info.dataset))
    if words is None:
        return info
    for key, most in (("vocab_size", info.vocabulary), ("max_length", info.shape[0])):
        if getattr(words, key) > most:
            raise WrongSettingError(
                f"network.tokens.{key}", f"{info.dataset} has {most} (datasets.{info.dataset}.inputs.{key})"
            )
    return replace(info, vocabulary=words.vocab_size, shape=(words.max_length,))


def input_spec(info: DatasetInfo) -> InputSpec:
    """What a network is given of a dataset."""
    match info.kind:
        case "table":
            return InputSpec("features", info.shape, torch.float32)
        case "image":
            return InputSpec("pixels", info.shape, torch.uint8)
        case "text":
            return InputSpec("token_ids", info.shape, torch.int64, vocabulary=info.vocabulary)


def input_layer(info: DatasetInfo) -> nn.Module:
    match info.kind:
        case "table":
            return Standardize(info.shape[0])
        case "image":
            return Pixels()
        case "text":
            return nn.Identity()
