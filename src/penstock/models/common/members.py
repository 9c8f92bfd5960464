"""Outputs of ensembles in training: every member has a loss of its own."""

from __future__ import annotations

from torch import Tensor


def of_each_member(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs and labels of a batch, those of an ensemble as one row for each member and row.

    The mean over all of these rows is the mean over the members.

    Args:
        outputs: [N, C]; of an ensemble in training, [M, N, C].
        labels: [N] or [N, labels].

    Returns:
        Outputs [N, C] or [M * N, C], and the labels of these rows.
    """
    if outputs.dim() == 2:
        return outputs, labels
    return outputs.flatten(0, 1), labels.repeat(len(outputs), *[1] * (labels.dim() - 1))
