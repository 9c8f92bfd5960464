"""Let a trained classifier look at the real test images: python pipelines/judge.py mnist_judge"""

from penstock.baselines.judge import write_judge
from penstock.config import Config
from penstock.console import stage_line
from penstock.data.processed import Processed
from penstock.files import write_json
from penstock.networks import build_network
from penstock.project import Project
from penstock.stage import run_stage
from penstock.weights import load_weights


def main(project: Project, config: Config, name: str) -> None:
    settings = config.judge(name)
    processed = Processed(project.processed(settings.dataset))
    classifier = build_network(config.model(settings.classifier), processed.manifest)
    load_weights(project.model(settings.classifier, "tuned").weights, classifier)
    folder = project.baseline(name)
    figures = write_judge(classifier, processed, folder)
    write_json(folder / "baseline.json", figures)
    stage_line(
        "judge",
        name,
        f"{settings.classifier}, right on {figures['accuracy']:.4f} of the real test images -> {project.shown(folder)}",
    )


if __name__ == "__main__":
    run_stage(main, "judges")
