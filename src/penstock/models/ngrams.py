"""Runs of words, each weighed by itself: naive Bayes' ratios, and a logistic regression on them.

imdb_ngrams: the different runs of one to three words in a text -> ratio times trained weight of each -> their sum by
the square root of their number -> sigmoid (Wang and Manning, 2012, "Baselines and Bigrams"). docs/models.md has what
it measures. `dvc repro tuned/dvc.yaml:validate@imdb_ngrams`
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
from penstock.models.common.inputs import FittedLayer, read

# Two linear hashes of a run: where it stands in the table, and what tells it from others that fall there. The factors
# are for its last word, the one before, and so on; ids are below 2^21 (config/networks.py), so every sum below 2^63.
PLACES = (2_654_435_761, 40_503_017, 1_000_003_927)
FINGERPRINTS = (1_597_334_677, 805_459_861, 3_266_489_917)
LARGEST_FINGERPRINT = 2_147_483_647
NONE = 0


def build(settings: NgramsConfig, _manifest: DatasetInfo, outputs: int) -> nn.Module:
    """Word ids [N, T] -> logits [N, 1].

    Raises:
        WrongSettingError: there are more than two classes, or their loss is not that of one sigmoid.
    """
    if outputs != 1:
        raise WrongSettingError("training.loss", "ngrams are of one class against another: binary_cross_entropy")
    return NgramNetwork(settings)


class NgramNetwork(FittedLayer):
    """A table of runs, found by `fit`, and a trained weight for each; slot 0 is that of all others.

    Every run is looked up as itself: the slot at its place in `table` counts only if the fingerprint is the run's own,
    so that runs which were never seen in training weigh nothing (but for one in 2^31 of those that share a place).
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
        """Takes the runs that most votes are about, and the logarithm of how much likelier each is with label 1."""
        keys, votes = _votes(self.settings, read(inputs, self.settings.tokens).numpy(), labels.numpy())
        enough = np.flatnonzero(votes.sum(axis=1) >= self.settings.min_df)
        most = enough[np.argsort(-votes[enough].sum(axis=1), kind="stable")][: self.settings.max_features]
        smoothed = votes[most] + 1.0
        likely = np.log(smoothed / smoothed.sum(axis=0))
        words = torch.from_numpy(_words(self.settings, keys[most]))
        # Of the runs that share a place the first one stays, which has the most votes.
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
        """Word ids to the slot of the run that ends at each word, [N, order * T] with the runs of one word first."""
        found = []
        for is_run_NT, run_NTW in _runs(read(ids_NT, self.settings.tokens), self.settings.max_n):
            slots_NT = self.table[_hashed(run_NTW, PLACES, self.settings.num_buckets)].long()
            own_NT = self.fingerprints[slots_NT] == _hashed(run_NTW, FINGERPRINTS, LARGEST_FINGERPRINT)
            found.append(torch.where(is_run_NT & own_NT, slots_NT, NONE))
        return torch.cat(found, dim=1)


def _runs(ids_NT: Tensor, order: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each length up to `order`: whether so many known words end at each word, and these [N, T, order], the last one
    first and 0 for those that are not in the run."""
    earlier = [functional.pad(ids_NT, (back, 0))[:, : ids_NT.shape[1]] for back in range(order)]
    is_run_NT = ids_NT > UNKNOWN
    for length in range(1, order + 1):
        is_run_NT = is_run_NT & (earlier[length - 1] > UNKNOWN)
        absent = [torch.zeros_like(ids_NT)] * (order - length)
        yield is_run_NT, torch.stack([*earlier[:length], *absent], dim=2).long()


def _hashed(words_W: Tensor, factors: tuple[int, ...], modulus: int) -> Tensor:
    """Runs [..., order] to numbers below `modulus`, [...]."""
    terms = [words_W[..., position] * factors[position] for position in range(words_W.shape[-1])]
    return torch.stack(terms).sum(dim=0) % modulus


def _votes(
    settings: NgramsConfig, ids: NDArray[np.int32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every run in the training rows as a number, ascending, and for how many groups of rows of each label it is in,
    [runs, 2]: `rows_per_vote` rows, one after the other, are a group, since neighbours may be about the same thing."""
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
    """Runs [runs, order] as numbers: digits to the base of the vocabulary."""
    base = settings.tokens.vocab_size ** np.arange(settings.max_n, dtype=np.int64)
    keys: NDArray[np.int64] = words @ base
    return keys


def _words(settings: NgramsConfig, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The way back from `_keys`."""
    vocabulary = settings.tokens.vocab_size
    words: NDArray[np.int64] = np.stack(
        [keys // vocabulary**back % vocabulary for back in range(settings.max_n)], axis=1
    )
    return words
