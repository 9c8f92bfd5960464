"""Models that the pipeline did not make are packaged with all their files."""

import pytest

from penstock.cli import main
from penstock.serving.runtime.model import load_model
from penstock.serving.runtime.onnx_file import digest_of_file
from tests.serving.exporters import SPECIES, scikit_classifier, torch_lstm, torch_network


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Validated files: one with external data, one whose outputs are no rows."""
    folder = tmp_path_factory.mktemp("others")
    for name, export in (("external", torch_network(external=True)), ("states", torch_lstm)):
        export(folder / f"{name}.onnx")
        main(["validate-onnx", str(folder / f"{name}.onnx")])
    return folder


def test_a_docker_context_has_each_model_in_its_folder(models, tmp_path):
    main(["package", "--models", str(models), "--docker", str(tmp_path / "image")])
    for name in ("external", "states"):
        home = tmp_path / "image/models" / name
        copy = load_model(name, home / "model.onnx", home / "validation.json")
        assert copy.digest == digest_of_file(models / f"{name}.onnx")


def test_a_triton_repository_has_external_data_and_no_batches_of_other_outputs(models, tmp_path):
    for _ in range(2):  # the second time, nothing is new
        main(["package", "--models", str(models), "--triton", str(tmp_path / "triton")])
    assert sorted(path.name for path in (tmp_path / "triton/external").iterdir()) == ["1", "config.pbtxt"]
    version = tmp_path / "triton/external/1"
    assert sorted(path.name for path in version.iterdir()) == ["external.onnx.data", "model.onnx"]
    config = (tmp_path / "triton/states/config.pbtxt").read_text()
    assert "max_batch_size: 0\n" in config
    assert "dynamic_batching" not in config
    assert 'name: "hidden" data_type: TYPE_FP32 dims: [ 1, -1, 4 ]' in config


def test_triton_gets_no_maps(tmp_path, capsys):
    path = tmp_path / "zipmap.onnx"
    scikit_classifier(SPECIES)(path)
    main(["validate-onnx", str(path)])
    with pytest.raises(SystemExit, match="1"):
        main(["package", "--models", str(tmp_path), "--triton", str(tmp_path / "triton")])
    assert "Triton serves no maps (output_probability); export the model with options={'zipmap': False}" in (
        capsys.readouterr().err
    )
