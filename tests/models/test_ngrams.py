"""Runs of words are looked up exactly: the network equals a dictionary of them."""

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

LENGTH, VOCABULARY, ROWS_PER_VOTE = 6, 9, 2
# Padding in front, then words, unknown ones among them.
TEXTS = st.lists(st.integers(1, VOCABULARY + 1), max_size=LENGTH).map(lambda words: [0] * (LENGTH - len(words)) + words)


def network(**changes):
    settings = {
        "kind": "ngrams",
        "tokens": {"vocab_size": VOCABULARY, "max_length": LENGTH},
        "max_n": 3,
        "max_features": 500,
        "num_buckets": 1_000_003,
        "group_size": ROWS_PER_VOTE,
        "min_df": 1,
        "dropout": 0.5,
    }
    net = NgramNetwork(NgramsConfig.model_validate(settings | changes)).eval()
    nn.init.ones_(net.weights.weight)
    return net


def runs_of(text, order=3):
    """The different runs of known words in a text."""
    known = [word if 1 < word < VOCABULARY else None for word in text]
    parts = [tuple(known[start : start + size]) for size in range(1, order + 1) for start in range(LENGTH - size + 1)]
    return {run for run in parts if None not in run}


def ratios_of(texts, labels, least_votes=1):
    """Naive Bayes over groups of rows, out of sets and dictionaries."""
    votes = {
        (row // ROWS_PER_VOTE, label, run)
        for row, (text, label) in enumerate(zip(texts, labels, strict=True))
        for run in runs_of(text)
    }
    counts: dict[tuple[int, ...], list[int]] = {}
    for _, label, run in votes:
        counts.setdefault(run, [1, 1])[label] += 1
    counts = {run: count for run, count in counts.items() if sum(count) - 2 >= least_votes}
    totals = [sum(count[label] for count in counts.values()) for label in (0, 1)]
    return {run: math.log(count[1] / totals[1] * totals[0] / count[0]) for run, count in counts.items()}


@hypothesis_settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(TEXTS, st.integers(0, 1)), min_size=1, max_size=12),
    st.lists(TEXTS, min_size=1, max_size=5),
    st.integers(1, 2),
)
def test_it_is_a_dictionary_of_runs(rows, asked, least_votes):
    texts, labels = [text for text, _ in rows], [label for _, label in rows]
    net = network(min_df=least_votes)
    net.fit(torch.tensor(texts, dtype=torch.int32), torch.tensor(labels))
    known = ratios_of(texts, labels, least_votes)
    for text, logit in zip(asked, net(torch.tensor(asked)).squeeze(1).tolist(), strict=True):
        found = [known[run] for run in runs_of(text) if run in known]
        assert logit == pytest.approx(sum(found) / math.sqrt(max(len(found), 1)), abs=1e-4)


def test_in_a_crowded_table_a_run_is_known_or_not_but_never_another_one():
    texts = torch.randint(2, VOCABULARY, (40, LENGTH), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 2
    roomy, crowded = network(), network(num_buckets=97)
    for net in (roomy, crowded):
        net.fit(texts, labels)
    slots = [net.slots(texts) for net in (roomy, crowded)]
    assert ((slots[1] == slots[0]) | (slots[1] == 0)).all()
    assert 0 < (slots[1] > 0).sum() < (slots[0] > 0).sum()


def test_of_the_runs_that_share_a_place_the_most_frequent_stays():
    """Of so many runs that torch would write several at once."""
    texts = torch.randint(2, 2_000, (40_000, LENGTH), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(len(texts)) % 2
    net = network(tokens={"vocab_size": 2_000, "max_length": LENGTH}, max_features=200_000, num_buckets=100_003)
    net.fit(texts, labels)
    keys, votes = _votes(net.settings, texts.numpy(), labels.numpy())
    most = np.argsort(-votes.sum(axis=1), kind="stable")[:200_000]
    first: dict[int, int] = {}
    for slot, place in enumerate(
        _hashed(torch.from_numpy(_words(net.settings, keys[most])), PLACES, 100_003).tolist(), 1
    ):
        first.setdefault(place, slot)
    assert net.table[list(first)].tolist() == list(first.values())


def test_only_the_most_frequent_runs_are_kept():
    texts = torch.tensor([[0, 0, 0, 2, 2, other] for other in range(3, 9)])
    net = network(max_features=2)
    net.fit(texts, torch.arange(6) % 2)
    seen = net.slots(texts[:1]).squeeze(0)
    assert seen.nonzero().squeeze(1).tolist() == [3, 4, LENGTH + 4]  # both words, and the run of both
    assert seen[3] == seen[4] != seen[LENGTH + 4]


def test_it_is_one_class_against_another(config):
    with pytest.raises(WrongSettingError, match=r"training\.loss: ngrams are of one class against another"):
        build(network().settings, DATA["imdb"], 2)
