"""Logistic regression on n-grams scaled by naive Bayes log-count ratios (NBSVM).

imdb_ngrams: distinct n-grams of one to three words -> ratio times trained weight of each -> sum divided by the square
root of their number -> sigmoid (Wang and Manning, 2012, "Baselines and Bigrams"). Its results are in docs/models.md.
`dvc repro tuned/dvc.yaml:validate@imdb_ngrams` reproduces them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from penstock.config.networks import NgramsConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import UNKNOWN, DatasetInfo
from penstock.models.common.fitted import FittedLayer
from penstock.models.common.inputs import read

# Two linear hashes of an n-gram: its bucket in the table, and a fingerprint that detects collisions in the bucket. The
# first factor is for the last word, the next for the word before it. Ids are below 2^21 (config/networks.py), so sums
# stay below 2^63.
PLACES = (2_654_435_761, 40_503_017, 1_000_003_927)
FINGERPRINTS = (1_597_334_677, 805_459_861, 3_266_489_917)
LARGEST_FINGERPRINT = 2_147_483_647
NONE = 0


def build(settings: NgramsConfig, _manifest: DatasetInfo, outputs: int) -> nn.Module:
    """Build a network from word ids, integers [N, T], to logits, float32 [N, 1].

    Raises:
        WrongSettingError: The loss is not binary cross-entropy, for two classes.
    """
    if outputs != 1:
        raise WrongSettingError("training.loss", "ngrams needs loss: binary_cross_entropy")
    return NgramNetwork(settings)


class NgramNetwork(FittedLayer):
    """Classify texts by a hash table of n-grams, which `fit` fills, and a trained weight per n-gram.

    Slot 0 stands for all other n-grams. A bucket counts only if the fingerprint matches too. So n-grams that are not in
    the table have no weight, except for one in 2^31 of those that share a bucket.
    """

    def __init__(self, settings: NgramsConfig) -> None:
        super().__init__()
        self.settings = settings
        self.table: Tensor
        self.fingerprints: Tensor
        self.ratios: Tensor
        self.register_buffer("table", torch.zeros(settings.num_buckets, dtype=torch.int32))
        self.register_buffer("fingerprints", torch.full((settings.max_features + 1,), -1, dtype=torch.int32))
        self.register_buffer("ratios", torch.zeros(settings.max_features + 1))
        self.weights = nn.Embedding(settings.max_features + 1, 1)
        nn.init.zeros_(self.weights.weight)
        self.bias = nn.Parameter(torch.zeros(1))
        self.dropout = nn.Dropout(settings.dropout)

    def fit(self, inputs: Tensor, labels: Tensor) -> None:
        """Select the n-grams with the highest document frequency, and compute their log-count ratios for label 1."""
        keys, votes = _votes(self.settings, read(inputs, self.settings.tokens).numpy(), labels.numpy())
        enough = np.flatnonzero(votes.sum(axis=1) >= self.settings.min_df)
        most = enough[np.argsort(-votes[enough].sum(axis=1), kind="stable")][: self.settings.max_features]
        smoothed = votes[most] + 1.0
        likely = np.log(smoothed / smoothed.sum(axis=0))
        words = torch.from_numpy(_words(self.settings, keys[most]))
        # `return_index` gives the first n-gram of a bucket: in a collision, the most frequent one stays.
        places, first = np.unique(_hashed(words, PLACES, self.settings.num_buckets).numpy(), return_index=True)
        self.table[torch.from_numpy(places)] = torch.from_numpy(first + 1).int()
        known = slice(1, len(most) + 1)
        self.fingerprints[known] = _hashed(words, FINGERPRINTS, LARGEST_FINGERPRINT).int()
        self.ratios[known] = torch.from_numpy(likely[:, 1] - likely[:, 0]).float()

    def forward(self, ids_NT: Tensor) -> Tensor:
        slots_NR = self.slots(ids_NT).sort(dim=1).values
        is_first_NR = slots_NR != functional.pad(slots_NR, (1, 0), value=NONE)[:, :-1]
        weighed_NR = self.ratios[slots_NR] * self.weights(slots_NR).squeeze(2) * is_first_NR
        different_N1 = is_first_NR.sum(dim=1, keepdim=True).clamp(min=1)
        logits: Tensor = self.dropout(weighed_NR).sum(dim=1, keepdim=True) / different_N1.sqrt() + self.bias
        return logits

    def slots(self, ids_NT: Tensor) -> Tensor:
        """Look up the slot of the n-gram that ends at each word.

        Args:
            ids_NT: Word ids, [N, T].

        Returns:
            Slots, int64 [N, max_n * max_length], unigrams first.
        """
        found = []
        for is_run_NT, run_NTW in _runs(read(ids_NT, self.settings.tokens), self.settings.max_n):
            slots_NT = self.table[_hashed(run_NTW, PLACES, self.settings.num_buckets)].long()
            own_NT = self.fingerprints[slots_NT] == _hashed(run_NTW, FINGERPRINTS, LARGEST_FINGERPRINT)
            found.append(torch.where(is_run_NT & own_NT, slots_NT, NONE))
        return torch.cat(found, dim=1)


def _runs(ids_NT: Tensor, order: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Iterate over the n-grams of each length from 1 to `order`.

    Yields:
        Whether an n-gram of known words ends at each word, bool [N, T], and its words, int64 [N, T, order]. The last
        word comes first. Shorter n-grams are padded with 0.
    """
    earlier = [functional.pad(ids_NT, (back, 0))[:, : ids_NT.shape[1]] for back in range(order)]
    is_run_NT = ids_NT > UNKNOWN
    for length in range(1, order + 1):
        is_run_NT = is_run_NT & (earlier[length - 1] > UNKNOWN)
        absent = [torch.zeros_like(ids_NT)] * (order - length)
        yield is_run_NT, torch.stack([*earlier[:length], *absent], dim=2).long()


def _hashed(words_W: Tensor, factors: tuple[int, ...], modulus: int) -> Tensor:
    """Hash n-grams, int64 [..., order], to numbers below `modulus`, int64 [...]."""
    terms = [words_W[..., position] * factors[position] for position in range(words_W.shape[-1])]
    return torch.stack(terms).sum(dim=0) % modulus


def _votes(
    settings: NgramsConfig, ids: NDArray[np.int32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count in how many documents of each label an n-gram occurs.

    `group_size` consecutive rows count as one document, because neighboring rows may be about the same subject.

    Args:
        settings: The settings of the network.
        ids: Word ids of the training rows, int32 [N, T].
        labels: Their labels, 0 or 1, int64 [N].

    Returns:
        The keys of all n-grams, ascending, int64 [n-grams], and their counts per label, int64 [n-grams, 2].
    """
    groups = len(ids) // settings.group_size + 1
    group = np.repeat(np.arange(len(ids)) // settings.group_size * 2 + labels, ids.shape[1])
    all_keys, all_groups = [], []
    for is_run, words in _runs(torch.from_numpy(ids), settings.max_n):
        chosen = is_run.numpy().ravel()
        all_keys.append(_keys(settings, words.numpy().reshape(-1, settings.max_n)[chosen]))
        all_groups.append(group[chosen])
    keys, run = np.unique(np.concatenate(all_keys), return_inverse=True)
    pairs = np.unique(run * (2 * groups) + np.concatenate(all_groups))
    votes = np.bincount(pairs // (2 * groups) * 2 + pairs % 2, minlength=2 * len(keys))
    return keys, votes.reshape(-1, 2)


def _keys(settings: NgramsConfig, words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Encode n-grams [n-grams, max_n] as integers [n-grams]: the ids are digits to the base `vocab_size`."""
    base = settings.tokens.vocab_size ** np.arange(settings.max_n, dtype=np.int64)
    keys: NDArray[np.int64] = words @ base
    return keys


def _words(settings: NgramsConfig, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Decode keys, int64 [n-grams], to word ids, int64 [n-grams, max_n]; the inverse of `_keys`."""
    vocab_size = settings.tokens.vocab_size
    words: NDArray[np.int64] = np.stack(
        [keys // vocab_size**back % vocab_size for back in range(settings.max_n)], axis=1
    )
    return words
