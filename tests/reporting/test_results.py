"""Tests of the table of results."""

from pathlib import Path

from penstock.core.console import output
from penstock.core.paths import ModelFiles, Project
from penstock.io.files import write_json
from penstock.reporting.results import Result, gather, show


def test_table_is_not_cut_in_a_narrow_console(config, capsys):
    output.width = 40
    name = "mnist_autoencoder_tuned"
    validation = {
        "test": {"mean_squared_error": 0.0072},
        "baseline": {"mean_squared_error": 0.0168},
        "onnx": {"bytes": 4_300_000},
        "parity": {"max_abs_diff": 0.0},
        "int8": {"mean_squared_error": 0.0072, "bytes": 1_000_000},
    }
    result = Result(
        name=name,
        model=config.model(name),
        files=ModelFiles(Path(), name),
        training={"parameters": 1_083_696},
        validation=validation,
        seeds=None,
        latency={},
        seconds=112.2,
    )
    show([result])
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split() == [name, "mse", "0.0072", "0.0168", "1,083,696", "4.3", "MB", "112.2", "passed"]


def test_gather_skips_a_model_whose_training_is_not_finished(config, tmp_path):
    """DVC has deleted its training report; the validation report is from the previous training."""
    project = Project(tmp_path)
    for name in ("iris_mlp", "mnist_cnn"):
        files = project.model(name, "models")
        files.validation_report.parent.mkdir(parents=True)
        write_json(files.validation_report, {})
    write_json(files.training_report, {})
    assert [result.name for result in gather(project, config, {})] == ["mnist_cnn"]
