"""Architecture of a model: `models.<name>.network`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from penstock.config.base import BaseConfig, Document, Dropout, Positive, Share, mistake, not_empty

Activation = Literal["step", "sigmoid", "tanh", "relu", "leaky_relu"]
Normalization = Literal["batch", "layer"]
Pooling = Literal["last", "mean", "max"]
Sizes = tuple[Positive, ...]

ACTIVATION = "Activation between layers. step trains as a sigmoid and predicts as a step function."
NORMALIZATION = (
    "Normalisation before each activation: batch or layer. None does not normalise. batch needs two rows in each "
    "process: a smaller last batch is merged into the batch before it."
)


class MlpConfig(BaseConfig):
    """Multilayer perceptron."""

    kind: Literal["mlp"] = Field(description="Multilayer perceptron.")
    hidden_sizes: Sizes = Field(default=(), description="Widths of the layers between input and output.")
    activation: Activation = Field(default="relu", description=ACTIVATION)
    normalization: Normalization | None = Field(default=None, description=NORMALIZATION)
    dropout: Dropout = Field(default=0.0, description="Dropout after each hidden layer, 0..1.")


class ConvBlockConfig(BaseConfig):
    """A convolution, then max-pooling."""

    filters: Positive = Field(description="Output channels of the convolution.")
    pool: Positive = Field(default=1, description="Edge of the max-pooling window, in pixels; 1 does not pool.")


class ConvolutionalConfig(BaseConfig):
    """Convolutions with max-pooling, then dense layers."""

    kind: Literal["convolutional"] = Field(description="Convolutional network.")
    kernel_size: Positive = Field(default=3, description="Edge of the kernels, in pixels.")
    padding: Literal["valid", "same"] = Field(
        default="valid", description="valid shrinks each edge by kernel_size - 1 pixels; same keeps the size."
    )
    blocks: Annotated[tuple[ConvBlockConfig, ...], AfterValidator(not_empty)] = Field(
        description="Convolutions in order, each with its max-pooling."
    )
    dense: Sizes = Field(default=(), description="Widths of the dense layers between the last block and the output.")
    activation: Activation = Field(default="relu", description=ACTIVATION)
    normalization: Normalization | None = Field(default=None, description=NORMALIZATION)
    block_dropout: Dropout = Field(default=0.0, description="Dropout after each pooling, 0..1.")
    dropout: Dropout = Field(default=0.0, description="Dropout before each dense layer, 0..1.")


class TokensConfig(BaseConfig):
    """The words of a text that a network reads."""

    vocab_size: Annotated[int, Field(ge=3)] = Field(
        description="Word ids known to the network: padding, unknown, and the most frequent words. At most that of the "
        "dataset."
    )
    max_length: Positive = Field(description="Words read of each text, the last ones. At most that of the dataset.")


class EmbeddingConfig(TokensConfig):
    """The words of a text that a network reads, and their embedding."""

    embedding_dim: Positive = Field(description="Width of the word vectors.")
    init: Literal["uniform", "ppmi"] = Field(
        default="uniform",
        description="Initial word vectors: uniform, or ppmi (SVD of the PPMI co-occurrence matrix of the training "
        "texts; Levy and Goldberg, 2014).",
    )
    word_dropout: Dropout = Field(
        default=0.0, description="Share of words that training replaces by the unknown word, 0..1."
    )

    @model_validator(mode="after")
    def _no_more_directions_than_words(self) -> Self:
        if self.init == "ppmi" and self.embedding_dim > self.vocab_size:
            raise mistake("must be at most vocab_size with init: ppmi", at=["embedding_dim"])
        return self


class RecurrentConfig(BaseConfig):
    """Recurrent layers over the words of a text or the rows of an image."""

    kind: Literal["recurrent"] = Field(description="Recurrent network.")
    cell: Literal["rnn", "gru", "lstm"] = Field(description="Kind of recurrent layer: rnn (tanh), gru or lstm.")
    tokens: EmbeddingConfig | None = Field(
        default=None, description="Words and embedding of a text. None reads an image row by row."
    )
    hidden_size: Positive = Field(description="Width of the state of each layer and direction.")
    num_layers: Positive = Field(default=1, description="Stacked recurrent layers.")
    bidirectional: Literal["product", "concatenation"] | None = Field(
        default=None, description="How the two directions are combined. None runs one direction."
    )
    pooling: Pooling = Field(
        default="last", description="Reduction over the steps: last state, or mean or max of all states."
    )
    dropout: Dropout = Field(
        default=0.0, description="Dropout on the inputs of every step, one mask for each sequence, 0..1 (Gal, 2016)."
    )
    recurrent_dropout: Dropout = Field(
        default=0.0,
        description="Dropout on the state that enters each step, one mask for each sequence, 0..1 (Gal, 2016).",
    )
    output_dropout: Dropout = Field(default=0.0, description="Dropout before the output layer, 0..1.")


class AttentionConfig(BaseConfig):
    """Scaled dot-product self-attention over words with position embeddings (Vaswani et al., 2017)."""

    kind: Literal["attention"] = Field(description="Self-attention network.")
    tokens: EmbeddingConfig = Field(description="Words and embedding of a text.")
    num_heads: Positive = Field(default=1, description="Attention heads; must divide embedding_dim.")
    residual: bool = Field(default=True, description="Add the word vectors to the output of the attention.")
    pooling: Literal["mean", "max"] = Field(default="mean", description="Reduction over the words.")
    dropout: Dropout = Field(default=0.0, description="Dropout on the embedded words, 0..1.")
    output_dropout: Dropout = Field(default=0.0, description="Dropout before the output layer, 0..1.")


class NgramsConfig(BaseConfig):
    """Linear classifier on n-grams scaled by naive Bayes log-count ratios (NBSVM; Wang and Manning, 2012)."""

    kind: Literal["ngrams"] = Field(description="Linear classifier on n-grams (NBSVM).")
    tokens: TokensConfig = Field(description="Words of a text.")
    max_n: Annotated[int, Field(ge=1, le=3)] = Field(description="Longest n-gram, 1..3 words; all shorter ones count.")
    max_features: Positive = Field(description="Number of n-grams kept, the most frequent ones.")
    num_buckets: Positive = Field(
        description="Size of the hash table of n-grams; a prime spreads them best. In a collision the more frequent "
        "n-gram stays."
    )
    group_size: Positive = Field(
        default=1,
        description="Consecutive training rows that are counted as one document, as `split.group_size` keeps them.",
    )
    min_df: Positive = Field(default=1, description="Fewest documents (groups) that an n-gram must be in.")
    dropout: Dropout = Field(default=0.0, description="Share of n-grams that training leaves out, 0..1.")

    @model_validator(mode="after")
    def _count_ngrams_in_64_bits(self) -> Self:
        if self.tokens.vocab_size**self.max_n >= 2**63:
            raise mistake("has more n-grams of max_n words than 64 bits can number", at=["tokens", "vocab_size"])
        return self


class TabularConfig(BaseConfig):
    """Ensemble of multilayer perceptrons with shared weights, for tables (TabM; Gorishniy et al., 2025)."""

    kind: Literal["tabular"] = Field(description="Ensemble of multilayer perceptrons for tables.")
    members: Positive = Field(default=16, description="Members of the ensemble; 1 is one perceptron.")
    hidden_sizes: Annotated[Sizes, AfterValidator(not_empty)] = Field(
        default=(128, 128), description="Widths of the layers between inputs and output."
    )
    bins: Annotated[int, Field(ge=2)] | None = Field(
        default=16,
        description="Bins of the piecewise-linear encoding of each number (Gorishniy et al., 2022), at quantiles of "
        "the training rows, beside the standardized number. None leaves it out.",
    )
    dropout: Dropout = Field(default=0.1, description="Dropout after each hidden layer, 0..1.")


# Folders that the stages, `penstock` or MLflow write into; git ignores some of them.
TAKEN_FOLDERS = (
    "baselines",
    "data",
    "docs",
    "dvc_plots",
    "mlruns",
    "models",
    "pipelines",
    "reports",
    "results",
    "tuned",
)


def _inside_the_project(path: str) -> str:
    """Require a path that stays below the project's folder, in a folder that no stage writes into."""
    parts = PurePosixPath(path.partition(":")[0]).parts
    if ".." in parts or path.startswith("/"):
        raise mistake("must be below the folder of params.yaml: DVC and git track it there", at=[])
    if len(parts) > 1 and parts[0] in TAKEN_FOLDERS:
        problem = f"{parts[0]}/ is a folder that Penstock writes into; choose another, such as networks/{parts[-1]}"
        raise mistake(problem, at=[])
    return path


class ModuleConfig(BaseConfig):
    """A network, or a whole LightningModule, of one's own. Every other key is a setting of that network."""

    model_config = ConfigDict(extra="allow")

    kind: Literal["module"] = Field(description="A network of one's own.")
    path: Annotated[str, Field(pattern=r"^[\w./-]+\.py:[A-Za-z_]\w*$"), AfterValidator(_inside_the_project)] = Field(
        description="FILE.py:NAME, relative to params.yaml. NAME(inputs, outputs, **settings) returns an nn.Module."
    )

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, block: Document) -> Document:
        for key in block if isinstance(block, Mapping) else ():
            if not str(key).isidentifier():
                raise mistake("is passed as a keyword argument, so it must be a Python name", at=[key])
        return block

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword arguments."""
        return dict(self.model_extra or {})

    @property
    def file(self) -> str:
        """The file, relative to the project."""
        return PurePosixPath(self.path.partition(":")[0]).as_posix()

    @property
    def name(self) -> str:
        """The function or class in the file."""
        return self.path.partition(":")[2]

    @property
    def code(self) -> str:
        """What the stages of the model depend on: the folder of the file, or the file in the project's own folder."""
        folder = PurePosixPath(self.file).parent
        return self.file if folder == PurePosixPath() else folder.as_posix()


TextNetworkConfig = RecurrentConfig | AttentionConfig | NgramsConfig
PredictorNetworkConfig = Annotated[
    MlpConfig | TabularConfig | ConvolutionalConfig | TextNetworkConfig | ModuleConfig, Field(discriminator="kind")
]


class AutoencoderConfig(BaseConfig):
    """Dense encoder and mirrored decoder."""

    kind: Literal["autoencoder"] = Field(description="Dense autoencoder.")
    hidden_sizes: Sizes = Field(
        default=(), description="Widths of the layers between input and latent vector, mirrored behind it."
    )
    latent_dim: Positive = Field(description="Size of the latent vector.")
    activation: Activation = Field(default="relu", description=ACTIVATION)
    dropout: Dropout = Field(default=0.0, description="Dropout on the latent vector, 0..1.")


class GeneratorConfig(BaseConfig):
    """The network that draws images from noise."""

    hidden_sizes: Sizes = Field(description="Widths of the layers between noise and image.")


class DiscriminatorConfig(BaseConfig):
    """The network that tells real images from generated ones."""

    hidden_sizes: Sizes = Field(description="Widths of the layers between image and score.")
    dropout: Dropout = Field(default=0.0, description="Dropout after each hidden layer, 0..1.")


class GanConfig(BaseConfig):
    """Generative adversarial network of dense layers (Goodfellow et al., 2014)."""

    kind: Literal["gan"] = Field(description="Generative adversarial network.")
    latent_dim: Positive = Field(description="Length of the noise vector that an image is generated from.")
    generator: GeneratorConfig = Field(description="Generator.")
    discriminator: DiscriminatorConfig = Field(description="Discriminator.")
    negative_slope: Share = Field(default=0.2, description="LeakyReLU's slope below zero, 0..1.")
