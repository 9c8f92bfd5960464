"""Export one trained model as an ONNX file that takes raw inputs: python pipelines/export.py mnist_cnn"""

from penstock.config import Config
from penstock.console import file_size, stage_line
from penstock.data.processed import Processed
from penstock.export.graph import export
from penstock.networks import build_classifier
from penstock.project import Project
from penstock.stage import run_stage
from penstock.weights import load_weights


def main(project: Project, config: Config, name: str) -> None:
    model = config.model(name)
    processed = Processed(project.processed(model.dataset))
    classifier = build_classifier(model.network, processed.manifest, model.training.loss)
    lineage = load_weights(project.weights(name), classifier)
    path = project.onnx(name)
    exported = export(name, model, classifier, processed, lineage, path)
    stage_line(
        "export",
        name,
        f"{exported.input} in, probabilities and label out, {exported.nodes} nodes, "
        f"{file_size(exported.bytes)} -> {project.shown(path)}",
    )


if __name__ == "__main__":
    run_stage(main, "models")
