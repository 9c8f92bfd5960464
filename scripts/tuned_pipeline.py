"""Write the pipelines of the tuned models: python scripts/tuned_pipeline.py

tuned/dvc.yaml has the stages that dvc.yaml has for `models`, for the entries of `tuned` in params.yaml.
tuned/seeds/dvc.yaml trains the same models from other seeds, with the dependencies of the train stage.
"""

import re

from penstock.core.paths import Project
from penstock.io.files import write_text

STAGES = ("train", "export", "validate", "register")
WRITTEN = "# Written by `python scripts/tuned_pipeline.py` from dvc.yaml, where the comments are.\n"
TUNED = """\
# The same stages for the models of `tuned` in params.yaml. They are apart, so that `dvc repro` does not run them;
# `make tuned` does.
"""
SEEDS = """\
# Every tuned model trained again from other seeds, for the mean and spread of its score. `make tuned` runs this last;
# no other stage depends on it.
"""


def tuned_pipeline(pipeline: str) -> str:
    """Return the text of tuned/dvc.yaml for that of dvc.yaml."""
    stages = _stages(pipeline)
    chosen = "\n".join(f"  {stage}:\n{stages[stage]}\n" for stage in STAGES)
    return WRITTEN + TUNED + "vars: [../params.yaml, ../pipelines/code.yaml]\nstages:\n" + _for_tuned(chosen, "..")


def seeds_pipeline(pipeline: str) -> str:
    """Return the text of tuned/seeds/dvc.yaml for that of dvc.yaml."""
    train = _stages(pipeline)["train"]
    inputs, _, _ = train.partition("      outs:\n")
    weights = "        - models/${key}/weights.safetensors\n"
    stage = inputs.replace("pipelines/train.py", "pipelines/seeds.py").replace(
        "      params:\n", f"{weights}      params:\n"
    )
    report = "      outs:\n        - reports/${key}/seeds.json: {cache: false}\n"
    text = f"  seeds:\n{stage}        - num_seeds\n{report}"
    settings = "vars: [../../params.yaml, ../../pipelines/code.yaml]\n"
    return WRITTEN + SEEDS + settings + "stages:\n" + _for_tuned(text, "../..")


def _stages(pipeline: str) -> dict[str, str]:
    """Return the lines of each stage by its name, without the comments before the next stage."""
    found = re.findall(r"^  (\w+):\n((?:    .*\n|\n)+)", pipeline, flags=re.MULTILINE)
    return {name: lines.rstrip() for name, lines in found}


def _for_tuned(text: str, root: str) -> str:
    text = text.replace("foreach: ${models}", "foreach: ${tuned}").replace('"models.${key}', '"tuned.${key}')
    text = re.sub(r"(?<=- )(?=(models|reports)/\$\{key\})", "tuned/", text)
    return text.replace("    do:\n", f"    do:\n      wdir: {root}\n")


if __name__ == "__main__":
    project = Project.find()
    text = project.pipeline.read_text(encoding="utf-8")
    write_text(project.tuned_pipeline, tuned_pipeline(text))
    write_text(project.seeds_pipeline, seeds_pipeline(text))
