"""Scaled dot-product self-attention over words with position embeddings (Vaswani et al., 2017, arXiv:1706.03762).

imdb_attention: embeddings with positions -> softmax(Q K^T / sqrt(d)) V -> pooling -> Dense 1 sigmoid. Its results are
in docs/models.md. `dvc repro validate@imdb_attention` reproduces them.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from penstock.config.networks import AttentionConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import PADDING, DatasetInfo
from penstock.models.common.inputs import WordEmbedding
from penstock.models.common.layers import glorot_dense, masked_max, masked_mean


def build(settings: AttentionConfig, _manifest: DatasetInfo, outputs: int) -> nn.Module:
    """Build a network from word ids, integers [N, T], to logits, float32 [N, outputs].

    Raises:
        WrongSettingError: `num_heads` does not divide `embedding_dim`.
    """
    if settings.tokens.embedding_dim % settings.num_heads:
        raise WrongSettingError(
            "network.num_heads",
            f"{settings.num_heads} do not divide {settings.tokens.embedding_dim}, tokens.embedding_dim",
        )
    return AttentionNetwork(settings, outputs)


class AttentionNetwork(nn.Module):
    """Classify texts: word and position embeddings -> self-attention -> pooling over the words -> Dense.

    Position embeddings are learned. They count from the end of the text, because texts are padded at the start.
    """

    def __init__(self, settings: AttentionConfig, outputs: int) -> None:
        super().__init__()
        width = settings.tokens.embedding_dim
        self.words = WordEmbedding(settings.tokens)
        self.positions = nn.Parameter(torch.empty(settings.tokens.max_length, width).uniform_(-0.05, 0.05))
        self.attention = SelfAttention(width, settings.num_heads)
        self.residual = settings.residual
        self.pool = masked_mean if settings.pooling == "mean" else masked_max
        self.dropout = nn.Dropout(settings.dropout)
        self.output_dropout = nn.Dropout(settings.output_dropout)
        self.output = glorot_dense(width, outputs)

    def forward(self, ids_NT: Tensor) -> Tensor:
        real_NT = self.words.ids(ids_NT) != PADDING
        vectors_NTD = self.dropout(self.words(ids_NT) + self.positions)
        attended_NTD = self.attention(vectors_NTD, real_NT)
        pooled_ND = self.pool(vectors_NTD + attended_NTD if self.residual else attended_NTD, real_NT)
        logits: Tensor = self.output(self.output_dropout(pooled_ND))
        return logits


class SelfAttention(nn.Module):
    """Compute softmax(Q K^T / sqrt(d)) V per head, with padding masked: [N, T, D] -> [N, T, D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = glorot_dense(width, width)
        self.keys = glorot_dense(width, width)
        self.values = glorot_dense(width, width)

    def forward(self, vectors_NTD: Tensor, real_NT: Tensor) -> Tensor:
        queries, keys, values = (
            layer(vectors_NTD).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.queries, self.keys, self.values)
        )
        # Finite instead of -inf: a text without words gets uniform weights instead of NaN.
        lowest = torch.finfo(queries.dtype).min
        mask_N11T = torch.zeros_like(real_NT, dtype=queries.dtype).masked_fill(~real_NT, lowest)[:, None, None, :]
        # torch's fused GPU kernels sum gradients in no fixed order, so results would not be reproducible.
        with sdpa_kernel(SDPBackend.MATH) if queries.is_cuda else nullcontext():
            attended_NHTD = functional.scaled_dot_product_attention(queries, keys, values, mask_N11T)
        joined_NTD: Tensor = attended_NHTD.transpose(1, 2).flatten(2)
        return joined_NTD
