"""Let a trained classifier look at the real test images: python pipelines/judge.py mnist_judge"""

from penstock.config.params import Config
from penstock.core.console import stage_line
from penstock.core.paths import Project
from penstock.evaluation.fid_reference import write_fid_reference
from penstock.io.files import write_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.weights import load_weights
from penstock.models.build import build_network
from penstock.orchestration.stage_runner import run_stage


def main(project: Project, config: Config, name: str) -> None:
    settings = config.judge(name)
    processed = ProcessedDataset(project.processed(settings.dataset))
    classifier = build_network(config.model(settings.classifier), processed.info)
    load_weights(project.model(settings.classifier, "tuned").weights, classifier)
    folder = project.baseline(name)
    figures = write_fid_reference(classifier, processed, folder)
    write_json(folder / "baseline.json", figures)
    stage_line(
        "judge",
        name,
        f"{settings.classifier}, right on {figures['accuracy']:.4f} of the real test images -> {project.shown(folder)}",
    )


if __name__ == "__main__":
    run_stage(main, "judges")
