"""Export the reference classifier of the Frechet distance: python pipelines/fid_reference.py NAME"""

import workspace  # noqa: F401

from penstock.config.params import Config
from penstock.core.console import stage_line
from penstock.core.paths import Project
from penstock.evaluation.fid_reference import write_fid_reference
from penstock.io.files import write_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.weights import load_weights
from penstock.models.common.build import build_network
from penstock.orchestration.stage_runner import run_stage


def main(project: Project, config: Config, name: str) -> None:
    settings = config.fid_reference(name)
    processed = ProcessedDataset(project.processed(settings.dataset))
    classifier = build_network(config.model(settings.classifier), processed.info)
    load_weights(project.model(settings.classifier, "models").weights, classifier)
    folder = project.baseline(name)
    metrics = write_fid_reference(classifier, processed, folder)
    write_json(folder / "baseline.json", metrics)
    stage_line(
        "fid_reference",
        name,
        f"{settings.classifier}, test accuracy {metrics['accuracy']:.4f} -> {project.shown(folder)}",
    )


if __name__ == "__main__":
    run_stage(main, "fid_references")
