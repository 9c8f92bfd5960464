"""Initialize word embeddings from co-occurrences in the training texts, before training.

The embeddings are a truncated SVD of the positive pointwise mutual information (PPMI) of words and contexts, with
smoothed contexts (Levy and Goldberg, 2014, "Neural Word Embedding as Implicit Matrix Factorization").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from sklearn.utils.extmath import randomized_svd

from penstock.io.dataset_info import UNKNOWN

WINDOW = 5  # words on each side; a word at distance k counts (WINDOW + 1 - k) / WINDOW
CONTEXT_SMOOTHING = 0.75
SPREAD = 0.3  # standard deviation over all elements of all vectors


def ppmi_embeddings(ids: NDArray[np.int32], vocab_size: int, width: int) -> NDArray[np.float32]:
    """Compute a vector for each word id.

    Args:
        ids: Word ids of the training texts, int32 [N, T].
        vocab_size: Number of ids.
        width: Dimension of the embedding.

    Returns:
        Vectors, float32 [vocab_size, width]. Padding and the unknown word have zeros. All vectors are zero if no two
        words co-occur more often than by chance.
    """
    counts = _counts(ids, vocab_size)
    likelier = _mutual_information(counts) if counts.nnz else counts
    if not likelier.nnz:
        return np.zeros((vocab_size, width), dtype=np.float32)
    left, strengths, _ = randomized_svd(likelier, width, n_iter=3, random_state=0)
    vectors = left * np.sqrt(strengths)
    scaled: NDArray[np.float32] = (vectors * (SPREAD / vectors.std())).astype(np.float32)
    return scaled


def _counts(ids: NDArray[np.int32], vocab_size: int) -> csr_array:
    """Count co-occurrences of words, weighted by distance, float32 [vocab_size, vocab_size]."""
    counts = csr_array((vocab_size, vocab_size), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        first, second = ids[:, :-distance].ravel(), ids[:, distance:].ravel()
        words = (first > UNKNOWN) & (second > UNKNOWN)
        weights = np.full(int(words.sum()), (WINDOW + 1 - distance) / WINDOW, dtype=np.float32)
        counts += coo_array((weights, (first[words], second[words])), shape=counts.shape).tocsr()
    both: csr_array = counts + counts.T
    return both


def _mutual_information(counts: csr_array) -> csr_array:
    """Compute log(P(a, b) / (P(a) P(b))) from counts, and keep the positive values."""
    pairs = counts.tocoo()
    of_word = counts.sum(axis=1)
    of_context = of_word**CONTEXT_SMOOTHING / (of_word**CONTEXT_SMOOTHING).sum()
    information = np.log(pairs.data / (of_word[pairs.row] * of_context[pairs.col]))
    positive = information > 0
    return csr_array((information[positive], (pairs.row[positive], pairs.col[positive])), shape=counts.shape)
