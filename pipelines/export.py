"""Export one trained model as an ONNX file that takes raw inputs: python pipelines/export.py mnist_cnn"""

from penstock.config import Config
from penstock.console import file_size, stage_line
from penstock.data.processed import Processed
from penstock.export.graph import export
from penstock.export.quantize import write_int8
from penstock.networks import build_network
from penstock.project import Project
from penstock.stage import run_stage
from penstock.weights import load_weights


def main(project: Project, config: Config, name: str) -> None:
    model = config.model(name)
    files = project.model(name, config.block_of_model(name))
    processed = Processed(project.processed(model.dataset))
    network = build_network(model, processed.manifest)
    lineage = load_weights(files.weights, network)
    exported = export(name, model, network, processed, lineage, files.onnx)
    int8_bytes = write_int8(files.int8, files.onnx)
    stage_line(
        "export",
        name,
        f"{exported.input} in, {' and '.join(exported.outputs)} out, {exported.nodes} nodes, "
        f"{file_size(exported.bytes)}, as int8 {file_size(int8_bytes)} -> {project.shown(files.onnx)}",
    )


if __name__ == "__main__":
    run_stage(main, "models")
