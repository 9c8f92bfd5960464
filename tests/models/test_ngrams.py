"""Test the n-gram network: its lookup equals a dictionary of n-grams."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import nn

from penstock.config.networks import NgramsConfig
from penstock.core.errors import WrongSettingError
from penstock.models.ngrams import PLACES, NgramNetwork, _hashed, _votes, _words, build
from tests.models.documented import DATA

MAX_LENGTH, VOCAB_SIZE, GROUP_SIZE = 6, 9, 2
# Padding on the left, then words, including unknown ones.
TEXTS = st.lists(st.integers(1, VOCAB_SIZE + 1), max_size=MAX_LENGTH).map(
    lambda words: [0] * (MAX_LENGTH - len(words)) + words
)


def network(**changes):
    settings = {
        "kind": "ngrams",
        "tokens": {"vocab_size": VOCAB_SIZE, "max_length": MAX_LENGTH},
        "max_n": 3,
        "max_features": 500,
        "num_buckets": 1_000_003,
        "group_size": GROUP_SIZE,
        "min_df": 1,
        "dropout": 0.5,
    }
    net = NgramNetwork(NgramsConfig.model_validate(settings | changes)).eval()
    nn.init.ones_(net.weights.weight)
    return net


def ngrams_of(text, order=3):
    """Return the distinct n-grams of known words in a text."""
    known = [word if 1 < word < VOCAB_SIZE else None for word in text]
    parts = [
        tuple(known[start : start + size]) for size in range(1, order + 1) for start in range(MAX_LENGTH - size + 1)
    ]
    return {ngram for ngram in parts if None not in ngram}


def ratios_of(texts, labels, min_df=1):
    """Compute naive Bayes log-count ratios over groups of rows with sets and dictionaries."""
    votes = {
        (row // GROUP_SIZE, label, ngram)
        for row, (text, label) in enumerate(zip(texts, labels, strict=True))
        for ngram in ngrams_of(text)
    }
    counts: dict[tuple[int, ...], list[int]] = {}
    for _, label, ngram in votes:
        counts.setdefault(ngram, [1, 1])[label] += 1
    counts = {ngram: count for ngram, count in counts.items() if sum(count) - 2 >= min_df}
    totals = [sum(count[label] for count in counts.values()) for label in (0, 1)]
    return {ngram: math.log(count[1] / totals[1] * totals[0] / count[0]) for ngram, count in counts.items()}


@hypothesis_settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(TEXTS, st.integers(0, 1)), min_size=1, max_size=12),
    st.lists(TEXTS, min_size=1, max_size=5),
    st.integers(1, 2),
)
def test_network_equals_dictionary_of_ngrams(rows, queries, min_df):
    texts, labels = [text for text, _ in rows], [label for _, label in rows]
    net = network(min_df=min_df)
    net.fit(torch.tensor(texts, dtype=torch.int32), torch.tensor(labels))
    known = ratios_of(texts, labels, min_df)
    for text, logit in zip(queries, net(torch.tensor(queries)).squeeze(1).tolist(), strict=True):
        found = [known[ngram] for ngram in ngrams_of(text) if ngram in known]
        assert logit == pytest.approx(sum(found) / math.sqrt(max(len(found), 1)), abs=1e-4)


def test_colliding_ngram_is_never_mistaken_for_another():
    texts = torch.randint(2, VOCAB_SIZE, (40, MAX_LENGTH), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 2
    roomy, crowded = network(), network(num_buckets=97)
    for net in (roomy, crowded):
        net.fit(texts, labels)
    slots = [net.slots(texts) for net in (roomy, crowded)]
    assert ((slots[1] == slots[0]) | (slots[1] == 0)).all()
    assert 0 < (slots[1] > 0).sum() < (slots[0] > 0).sum()


def test_most_frequent_ngram_of_a_bucket_is_kept():
    """There are enough n-grams for torch to write several in parallel."""
    texts = torch.randint(2, 2_000, (40_000, MAX_LENGTH), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(len(texts)) % 2
    net = network(tokens={"vocab_size": 2_000, "max_length": MAX_LENGTH}, max_features=200_000, num_buckets=100_003)
    net.fit(texts, labels)
    keys, votes = _votes(net.settings, texts.numpy(), labels.numpy())
    most = np.argsort(-votes.sum(axis=1), kind="stable")[:200_000]
    first: dict[int, int] = {}
    for slot, place in enumerate(
        _hashed(torch.from_numpy(_words(net.settings, keys[most])), PLACES, 100_003).tolist(), 1
    ):
        first.setdefault(place, slot)
    assert net.table[list(first)].tolist() == list(first.values())


def test_only_most_frequent_ngrams_are_kept():
    texts = torch.tensor([[0, 0, 0, 2, 2, other] for other in range(3, 9)])
    net = network(max_features=2)
    net.fit(texts, torch.arange(6) % 2)
    seen = net.slots(texts[:1]).squeeze(0)
    assert seen.nonzero().squeeze(1).tolist() == [3, 4, MAX_LENGTH + 4]  # both unigrams, and their bigram
    assert seen[3] == seen[4] != seen[MAX_LENGTH + 4]


def test_ngrams_require_binary_cross_entropy(config):
    with pytest.raises(WrongSettingError, match=r"training\.loss: ngrams needs loss: binary_cross_entropy"):
        build(network().settings, DATA["imdb"], 2)
