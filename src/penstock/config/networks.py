"""What a model is made of: `models.<name>.network`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from penstock.config.base import BaseConfig, Dropout, Positive, Share, mistake, not_empty

Activation = Literal["step", "sigmoid", "tanh", "relu", "leaky_relu"]
Normalization = Literal["batch", "layer"]
Pooling = Literal["last", "mean", "max"]


class MlpConfig(BaseConfig):
    """`hidden`: widths of the layers between input and output."""

    kind: Literal["mlp"]
    hidden: tuple[Positive, ...]
    activation: Activation
    normalization: Normalization | None
    dropout: Dropout


class ConvBlockConfig(BaseConfig):
    """One convolution of `filters` channels, then max-pooling over `pool` x `pool` pixels."""

    filters: Positive
    pool: Positive


class ConvolutionalConfig(BaseConfig):
    """`kernel`: edge of the filters in pixels; `dense`: widths of the layers between the last block and output.

    `padding`: valid takes kernel - 1 off both edges of the image, same keeps its size. `dropout` is that before each
    dense layer, `block_dropout` that after each pooling.
    """

    kind: Literal["convolutional"]
    kernel: Positive
    padding: Literal["valid", "same"]
    blocks: Annotated[tuple[ConvBlockConfig, ...], AfterValidator(not_empty)]
    dense: tuple[Positive, ...]
    activation: Activation
    normalization: Normalization | None
    block_dropout: Dropout
    dropout: Dropout


class TokensConfig(BaseConfig):
    """What a network takes of a text: the last `length` words, of which it knows the most frequent `vocabulary` - 2."""

    vocabulary: Annotated[int, Field(ge=3)]
    length: Positive


class EmbeddingConfig(TokensConfig):
    """Words as vectors of `width` numbers, which begin as `begin` says: small and random (uniform), or alike where the
    training texts use the words alike (neighbours). `dropout` is the share of words that training leaves out."""

    width: Positive
    begin: Literal["uniform", "neighbours"]
    dropout: Dropout

    @model_validator(mode="after")
    def _no_more_directions_than_words(self) -> Self:
        if self.begin == "neighbours" and self.width > self.vocabulary:
            raise mistake("must be at most the vocabulary to begin from neighbours", at=["width"])
        return self


class RecurrentConfig(BaseConfig):
    """`words` is null where the steps are the rows of an image; `hidden` is the width of each of the `layers`.

    `bidirectional`: how the two directions are joined, null is one direction. `dropout` masks the inputs of every
    step of every layer, `recurrent_dropout` the state that enters it; a mask holds for a whole sequence.
    """

    kind: Literal["recurrent"]
    cell: Literal["rnn", "gru", "lstm"]
    words: EmbeddingConfig | None
    hidden: Positive
    layers: Positive
    bidirectional: Literal["product", "concatenation"] | None
    pooling: Pooling
    dropout: Dropout
    recurrent_dropout: Dropout
    output_dropout: Dropout


class AttentionConfig(BaseConfig):
    """Scaled dot-product self-attention over words with positions; `heads` divide the words' width.

    `residual`: what is attended to is added to the words themselves."""

    kind: Literal["attention"]
    words: EmbeddingConfig
    heads: Positive
    residual: bool
    pooling: Literal["mean", "max"]
    dropout: Dropout
    output_dropout: Dropout


class NgramsConfig(BaseConfig):
    """Weights of runs of one to `order` words, the most frequent `runs` of them, found by a table of so many `places`
    (a prime number spreads them best; of runs that share one, the most frequent stays).

    `rows_per_vote`: training rows, one after the other, that say only once whether a run is in them; `least_votes`:
    how often that must be said of a run. `dropout` is the share of runs that training leaves out."""

    kind: Literal["ngrams"]
    words: TokensConfig
    order: Annotated[int, Field(ge=1, le=3)]
    runs: Positive
    places: Positive
    rows_per_vote: Positive
    least_votes: Positive
    dropout: Dropout

    @model_validator(mode="after")
    def _count_runs_in_64_bits(self) -> Self:
        if self.words.vocabulary**self.order >= 2**63:
            raise mistake("so many words make more runs than 64 bits can number", at=["words", "vocabulary"])
        return self


TextNetworkConfig = RecurrentConfig | AttentionConfig | NgramsConfig
ClassifierNetworkConfig = Annotated[MlpConfig | ConvolutionalConfig | TextNetworkConfig, Field(discriminator="kind")]


class AutoencoderConfig(BaseConfig):
    """`hidden`: widths of the layers between input and code, and mirrored between code and output.

    `dropout` masks the code, in training."""

    kind: Literal["autoencoder"]
    hidden: tuple[Positive, ...]
    code: Positive
    activation: Activation
    dropout: Dropout


class GanConfig(BaseConfig):
    """`noise`: numbers that an image is made from; `generator`, `discriminator`: widths of the layers between.

    `slope` is LeakyReLU's below zero; `dropout` masks the discriminator's layers."""

    kind: Literal["gan"]
    noise: Positive
    generator: tuple[Positive, ...]
    discriminator: tuple[Positive, ...]
    slope: Share
    dropout: Dropout
