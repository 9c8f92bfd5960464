"""Retrain one tuned model with other seeds: python pipelines/seeds.py mnist_cnn_tuned"""

import workspace  # noqa: F401

from penstock.config.models import AdversarialConfig
from penstock.config.params import Config
from penstock.core.console import stage_line
from penstock.core.distributed import is_rank_zero
from penstock.core.errors import WrongSettingError
from penstock.core.paths import Project
from penstock.io.files import write_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.weights import load_weights
from penstock.models.common.build import build_network
from penstock.orchestration.stage_runner import run_stage
from penstock.tasks.build import build_module
from penstock.tracking.run import track_model
from penstock.training.checkpoint_files import Checkpoints
from penstock.training.cross_validation import multi_seed
from penstock.training.fit import TrainingSetup
from penstock.training.malloc import tune_glibc_malloc


def main(project: Project, config: Config, name: str) -> None:
    model = config.model(name)
    if isinstance(model, AdversarialConfig):
        raise WrongSettingError("task", "must not be adversarial: a GAN has no test score to average over seeds")
    files = project.model(name, config.block_of_model(name))
    processed = ProcessedDataset(project.processed(model.dataset))
    network = build_network(model, processed.info)
    provenance = load_weights(files.weights, network)
    checkpoints = Checkpoints(project.checkpoints("seeds", name), provenance.key, config.checkpoints)
    checkpoints.begin()
    tune_glibc_malloc()

    with track_model(project, config, provenance) as run:
        found = multi_seed(
            TrainingSetup(build_module, model, config.trainer, processed.info),
            processed,
            config.num_seeds,
            network.state_dict(),
            run.log_repeat,
            checkpoints=checkpoints,
        )
        if not is_rank_zero():
            return
        write_json(files.seeds_report, found)
        run.log_metrics({"seeds/mean": found["mean"], "seeds/std": found["std"]})

    score = f"test {found['mean']:.4f} ± {found['std']:.4f} over {config.num_seeds} seeds"
    stage_line("seeds", name, f"{score} -> {project.shown(files.seeds_report)}")
    checkpoints.remove()


if __name__ == "__main__":
    run_stage(main, "models")
