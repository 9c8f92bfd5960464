"""Train one model: python pipelines/train.py mnist_cnn"""

from typing import Any

from penstock.config import Config
from penstock.console import note, stage_line
from penstock.data.processed import Processed
from penstock.files import write_json
from penstock.lineage import lineage_of_training, shaping_settings
from penstock.project import Project
from penstock.reporting.figures import learning_curves
from penstock.stage import run_stage
from penstock.tracking import track_model
from penstock.training.fit import Fitted, cross_validate, fit
from penstock.training.history import Epoch, write_history
from penstock.weights import save_weights


def main(project: Project, config: Config, name: str) -> None:
    model = config.model(name)
    processed = Processed(project.processed(model.dataset))
    lineage = lineage_of_training(project, config, name)
    train, validation = processed.split("train"), processed.split("validation")

    with track_model(project, config, lineage) as run:
        run.log_parameters(shaping_settings(config, name))
        run.log_dataset(processed.manifest, lineage, project.shown(processed.folder))

        def on_epoch(epoch: Epoch, epochs: int) -> None:
            _show(epoch, epochs)
            run.log_metrics(epoch.metrics, step=epoch.epoch)

        fitted = fit(model, config.trainer, processed.manifest, train, validation, on_epoch)
        report = fitted.report()
        if model.training.cross_validation:
            report["folds"] = cross_validate(model, config.trainer, processed)

        save_weights(project.weights(name), fitted.weights, lineage)
        write_history(project.history(name), fitted.epochs)
        write_json(project.training_report(name), report)
        run.log_metrics(_figures(fitted, report))
        run.set_tags({"device": fitted.device})
        run.log_figure("learning_curves.png", learning_curves(name, project.history(name)))

    best = fitted.best
    stage_line(
        "train",
        name,
        f"validation accuracy {best.validation_accuracy:.4f} after epoch {best.epoch} of {len(fitted.epochs)}, "
        f"{fitted.seconds:.1f} s on {fitted.device} -> {project.shown(project.weights(name))}",
    )
    if "folds" in report:
        folds = report["folds"]
        note(f"cross-validation {folds['mean']:.4f} ± {folds['sd']:.4f} over {len(folds['scores'])} folds")


def _figures(fitted: Fitted, report: dict[str, Any]) -> dict[str, float]:
    folds = {f"folds_{figure}": report["folds"][figure] for figure in ("mean", "sd")} if "folds" in report else {}
    return folds | {
        "parameters": fitted.parameters,
        "epochs": len(fitted.epochs),
        "best_epoch": fitted.best.epoch,
        "seconds": fitted.seconds,
        "samples_per_second": fitted.samples_per_second,
    }


def _show(epoch: Epoch, epochs: int) -> None:
    """Every epoch of a short training, every tenth of a long one."""
    if epochs <= 20 or epoch.epoch % 10 == 0:
        note(
            f"epoch {epoch.epoch:>3}/{epochs}  loss {epoch.train_loss:.4f} / {epoch.validation_loss:.4f}  "
            f"accuracy {epoch.train_accuracy:.4f} / {epoch.validation_accuracy:.4f}  (training / validation)"
        )


if __name__ == "__main__":
    run_stage(main, "models")
