"""Export one trained model as an ONNX file that takes raw inputs: python pipelines/export.py mnist_cnn"""

import workspace  # noqa: F401

from penstock.config.params import Config
from penstock.core.console import file_size, stage_line
from penstock.core.paths import Project
from penstock.export.graph import export
from penstock.export.quantize import write_int8
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.weights import load_weights
from penstock.models.common.build import build_network
from penstock.orchestration.stage_runner import run_stage


def main(project: Project, config: Config, name: str) -> None:
    model = config.model(name)
    files = project.model(name, config.block_of_model(name))
    processed = ProcessedDataset(project.processed(model.dataset))
    network = build_network(model, processed.info)
    provenance = load_weights(files.weights, network)
    exported = export(name, model, network, processed, provenance, files.onnx)
    int8_bytes = write_int8(files.int8, files.onnx)
    stage_line(
        "export",
        name,
        f"{exported.input} in, {' and '.join(exported.outputs)} out, {exported.nodes} nodes, "
        f"{file_size(exported.bytes)}, as int8 {file_size(int8_bytes)} -> {project.shown(files.onnx)}",
    )


if __name__ == "__main__":
    run_stage(main, "models")
