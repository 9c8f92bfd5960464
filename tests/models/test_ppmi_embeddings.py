"""Test the initialization `ppmi`: words with the same neighbors have similar vectors."""

import numpy as np
import pytest
import torch

from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.ppmi_embeddings import SPREAD, ppmi_embeddings
from penstock.tasks.build import build_module
from penstock.training.fit import TrainingSetup, fit
from tests.models.documented import DATA

GOOD, FINE, BAD, POOR, FILM = 2, 3, 4, 5, 6


@pytest.fixture
def texts():
    """Return texts with two topics: GOOD and FINE, BAD and POOR. Only FILM occurs in both topics."""
    generator = np.random.default_rng(0)
    topics = [[GOOD, FINE, 7, 8], [BAD, POOR, 9, 10]]
    rows = [generator.choice([*topics[row % 2], FILM], 12) for row in range(400)]
    return np.array(rows, dtype=np.int32)


def cosine_similarity(vectors, one, other):
    return vectors[one] @ vectors[other] / np.linalg.norm(vectors[one]) / np.linalg.norm(vectors[other])


def test_words_with_same_neighbors_are_similar(texts):
    vectors = ppmi_embeddings(texts, 11, 4)
    assert cosine_similarity(vectors, GOOD, FINE) > 0.9
    assert cosine_similarity(vectors, GOOD, POOR) < 0.3


def test_padding_and_unknown_word_are_zero(texts):
    texts[:, :4], texts[:, 4] = 0, 1
    vectors = ppmi_embeddings(texts, 11, 4)
    assert np.allclose(vectors[:2], 0, atol=1e-5)
    assert vectors.std() == pytest.approx(SPREAD)


def test_vectors_are_zero_without_word_pairs():
    assert not ppmi_embeddings(np.array([[0, 2], [0, 3]], dtype=np.int32), 4, 2).any()


def test_vectors_do_not_depend_on_row_order_or_random_state(texts):
    assert np.array_equal(ppmi_embeddings(texts, 11, 4), ppmi_embeddings(texts[::-1], 11, 4))


def test_training_starts_from_ppmi_embeddings(config, texts):
    """Two steps with a learning rate close to zero keep the initial vectors."""
    model = config.model("imdb_attention")
    tokens = model.network.tokens.model_copy(
        update={"vocab_size": 11, "max_length": 12, "embedding_dim": 4, "init": "ppmi"}
    )
    changes = {
        "network": model.network.model_copy(update={"tokens": tokens}),
        "training": model.training.model_copy(
            update={
                "epochs": 2,
                "batch_size": 400,
                "optimizer": model.training.optimizer.model_copy(update={"learning_rate": 1e-9}),
                "schedule": config.model("mnist_gan").training.schedule,
            }
        ),
    }
    rows = ArraySplit(inputs=np.pad(texts, ((0, 0), (488, 0))), labels=np.arange(400) % 2)
    fitted = fit(
        TrainingSetup(build_module, model.model_copy(update=changes), config.trainer, DATA["imdb"]), rows, rows
    )
    initial = torch.from_numpy(ppmi_embeddings(texts, 11, 4))
    assert torch.allclose(fitted.weights["network.words.embedding.weight"], initial, atol=1e-5)
