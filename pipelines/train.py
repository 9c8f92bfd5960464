"""Train one model: python pipelines/train.py mnist_cnn"""

from typing import Any

import workspace  # noqa: F401

from penstock.config.models import AdversarialConfig
from penstock.config.params import Config
from penstock.core.console import format_metrics, note, stage_line
from penstock.core.distributed import is_rank_zero, require_srun
from penstock.core.paths import Project
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import write_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.provenance import Provenance, training_provenance, training_relevant_settings
from penstock.io.weights import save_weights
from penstock.models.common.build import build_network
from penstock.orchestration.stage_runner import run_stage
from penstock.reporting.figures import learning_curves, png, read_history
from penstock.tasks.build import build_module
from penstock.tracking.description import RunDescription
from penstock.tracking.logger import SpoolLogger
from penstock.tracking.run import track_model
from penstock.training.checkpoint_files import Checkpoints
from penstock.training.cross_validation import cross_validate
from penstock.training.fit import FitResult, TrainingSetup, fit
from penstock.training.history import Epoch, write_history
from penstock.training.malloc import tune_glibc_malloc


def main(project: Project, config: Config, name: str) -> None:
    require_srun()
    model = config.model(name)
    files = project.model(name, config.block_of_model(name))
    processed = ProcessedDataset(project.processed(model.dataset))
    provenance = training_provenance(project, config, name)
    checkpoints = Checkpoints(project.checkpoints("train", name), provenance.key, config.checkpoints)
    checkpoints.begin()
    tune_glibc_malloc()

    with track_model(project, config, provenance) as run:
        run.log_parameters(training_relevant_settings(config, name))
        run.log_dataset(processed.info, provenance, project.shown(processed.folder))
        run.log_description(_description(project, config, processed.info, provenance))

        setup = TrainingSetup(build_module, model, config.trainer, processed.info)
        fitted = fit(
            setup,
            processed.split("train"),
            processed.split("validation"),
            _show,
            checkpoints=checkpoints.of("whole"),
            logger=SpoolLogger(run),
        )
        folds = None
        if not isinstance(model, AdversarialConfig) and model.training.cross_validation:
            folds = cross_validate(setup, processed, run.log_repeat, checkpoints=checkpoints)
        if not is_rank_zero():
            return

        save_weights(files.weights, fitted.weights, provenance, fitted.shown)
        write_history(files.history, fitted.epochs)
        report = fitted.report() | ({"cv": folds} if folds else {})
        write_json(files.training_report, report)
        write_json(files.val_metrics, _val_metrics(report))
        run.log_metrics(_metrics(fitted, folds))
        run.set_tags({"device": fitted.device})
        run.log_file("learning_curves.png", png(learning_curves(name, read_history(files.history))))

    stage_line(
        "train",
        name,
        f"validation {format_metrics(fitted.best.split_metrics('val'))} after epoch {fitted.best.epoch} of "
        f"{len(fitted.epochs)}, {fitted.seconds:.1f} s on {fitted.device} -> {project.shown(files.weights)}",
    )
    if folds:
        note(f"cross-validation {folds['mean']:.4f} ± {folds['std']:.4f} over {len(folds['scores'])} folds")
    checkpoints.remove()


def _val_metrics(report: dict[str, Any]) -> dict[str, float]:
    """Return the validation loss of the best epoch, or all its metrics if it has no loss, and the mean over folds."""
    val = report["val"]
    cv = {"cv_mean": report["cv"]["mean"]} if "cv" in report else {}
    return ({"loss": val["loss"]} if "loss" in val else val) | cv


def _description(project: Project, config: Config, info: DatasetInfo, provenance: Provenance) -> RunDescription:
    name = provenance.model
    model, block = config.model(name), config.block_of_model(name)
    network = build_network(model, info)
    return RunDescription(
        model=name,
        reference=model.reference,
        architecture=str(network),
        parameters=network.count_parameters(),
        info=info,
        data=provenance.data,
        stage=f"train@{name}" if block == "models" else f"{project.shown(project.tuned_pipeline)}:train@{name}",
        onnx=project.shown(project.model(name, block).onnx),
    )


def _metrics(fitted: FitResult, folds: dict[str, Any] | None) -> dict[str, float]:
    cross_validation = {"cv/mean": folds["mean"], "cv/std": folds["std"]} if folds else {}
    return cross_validation | {
        "model/parameters": fitted.parameters,
        "model/epochs": len(fitted.epochs),
        "model/best_epoch": fitted.best.epoch,
        "time/train_seconds": fitted.seconds,
        "time/samples_per_second": fitted.samples_per_second,
    }


def _show(epoch: Epoch, epochs: int) -> None:
    """Print every epoch of a short training (up to 20 epochs), every tenth of a longer one."""
    if epochs <= 20 or epoch.epoch % 10 == 0:
        parts = [f"{part}: {format_metrics(epoch.split_metrics(part))}" for part in ("train", "val")]
        note(f"epoch {epoch.epoch:>3}/{epochs}  {'   '.join(parts)}")


if __name__ == "__main__":
    run_stage(main, "models")
