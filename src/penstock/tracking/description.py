"""Write the descriptions of runs and experiments, as Markdown for the MLflow UI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from penstock.io.dataset_info import DatasetInfo
from penstock.tracking.tags import COMMIT, DVC_EXPERIMENT

LONGEST_ARCHITECTURE = 4000  # characters; MLflow limits a tag to 8,000


@dataclass(frozen=True, kw_only=True)
class RunDescription:
    """Facts about a model for the page of its run."""

    model: str
    reference: Sequence[str]
    """Lines of the model's documentation."""
    architecture: str
    """The layers, as PyTorch prints them."""
    parameters: int
    info: DatasetInfo
    data: str
    """DVC's hash of the processed dataset."""
    stage: str
    """DVC's name of the stage that trains it."""
    onnx: str
    """Path of the exported file in the project."""

    def run(self, environment: Mapping[str, str]) -> str:
        """Return the description of the run.

        Args:
            environment: Tags of `penstock.tracking.environment.describe`.
        """
        return "\n\n".join(
            [
                f"## {self.model}",
                "**Reference**\n\n" + "\n".join(f"- {line}" for line in self.reference),
                f"**Architecture**: {self.parameters:,} trainable parameters",
                f"```text\n{_shortened(self.architecture)}\n```",
                f"**Dataset**: `{self.info.dataset}`, {self.info.description}. Digest: `{self.data}`",
                f"**Reproduce**\n\n```sh\n{self._commands(environment)}\n```",
                f"**Serve**: `{self.onnx}`; once it is the champion also `models:/{self.model}@champion`",
            ]
        )

    def _commands(self, environment: Mapping[str, str]) -> str:
        commit, _, changes = environment.get(COMMIT, "none").partition("+")
        checkout = [] if commit == "none" else [f"git checkout {commit}"]
        if name := environment.get(DVC_EXPERIMENT):
            checkout.append(f"dvc exp apply {name}")
        elif changes:
            checkout.append("# and apply the changes that were not committed")
        return "\n".join([*checkout, f"dvc repro {self.stage}"])


def experiment_description(info: DatasetInfo) -> str:
    """Return the description of the experiment of a dataset."""
    return "\n\n".join(
        [
            f"Models trained on **{info.dataset}**: {info.description}.",
            "- One run for each model, data, parameters and code (tag `penstock.key`).\n"
            "- Each fold of a cross-validation, each seed and each trial of a search is a child run.\n"
            "- Duration is the time worked, without the time between stages.\n"
            "- Metrics are explained in docs/metrics.md.",
        ]
    )


def _shortened(architecture: str) -> str:
    if len(architecture) <= LONGEST_ARCHITECTURE:
        return architecture
    return architecture[:LONGEST_ARCHITECTURE].rpartition("\n")[0] + "\n..."
