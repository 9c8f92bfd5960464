"""Train one tuned model again from other seeds: python pipelines/seeds.py mnist_cnn_tuned"""

from penstock.config import Config
from penstock.config.models import Adversarial
from penstock.console import stage_line
from penstock.data.processed import Processed
from penstock.errors import WrongSettingError
from penstock.files import write_json
from penstock.networks import build_network
from penstock.project import Project
from penstock.ranks import is_first_process
from penstock.stage import run_stage
from penstock.tracking import track_model
from penstock.training.checkpoints import Checkpoints
from penstock.training.memory import keep_freed_memory
from penstock.training.repeats import across_seeds
from penstock.weights import load_weights


def main(project: Project, config: Config, name: str) -> None:
    model = config.model(name)
    if isinstance(model, Adversarial):
        raise WrongSettingError("task", "a generator has no score on test rows to take the mean of")
    files = project.model(name, config.block_of_model(name))
    processed = Processed(project.processed(model.dataset))
    network = build_network(model, processed.manifest)
    lineage = load_weights(files.weights, network)
    checkpoints = Checkpoints(project.checkpoints("seeds", name), lineage.key, config.checkpoints)
    checkpoints.begin()
    keep_freed_memory()

    with track_model(project, config, lineage) as run:
        found = across_seeds(
            model,
            config.trainer,
            processed,
            config.seeds,
            network.state_dict(),
            run.log_repeat,
            checkpoints=checkpoints,
        )
        if not is_first_process():
            return
        write_json(files.seeds_report, found)
        run.log_metrics({f"seeds_{figure}": found[figure] for figure in ("mean", "sd")})

    checkpoints.remove()
    score = f"test {found['mean']:.4f} ± {found['sd']:.4f} over {config.seeds} seeds"
    stage_line("seeds", name, f"{score} -> {project.shown(files.seeds_report)}")


if __name__ == "__main__":
    run_stage(main, "models")
