"""Write tuned/dvc.yaml: the stages that dvc.yaml has for `models`, for the entries under `tuned` in params.yaml."""

import re

from penstock.core.paths import Project
from penstock.io.files import write_text

STAGES = ("train", "export", "validate")
HEADER = """\
# Written by `python pipelines/tuned.py` out of dvc.yaml, where the explanations are: the same stages for the models
# under `tuned` in params.yaml. They are apart so that `dvc repro` does not train them; `make tuned` does.
"""


def tuned_pipeline(pipeline: str) -> str:
    """The text of tuned/dvc.yaml for that of dvc.yaml."""
    stages = dict(re.findall(r"^  (\w+):\n((?:    .*\n|\n)+)", pipeline, flags=re.MULTILINE))
    chosen = [f"  {stage}:\n{stages[stage].rstrip()}\n" for stage in STAGES]
    text = "vars: [../params.yaml]\nstages:\n" + "\n".join(chosen)
    text = text.replace("foreach: ${models}", "foreach: ${tuned}").replace('"models.${key}', '"tuned.${key}')
    text = re.sub(r"(?<=- )(?=(models|reports)/\$\{key\})", "tuned/", text)
    return HEADER + text.replace("    do:\n", "    do:\n      wdir: ..\n")


if __name__ == "__main__":
    project = Project.find()
    write_text(project.tuned_pipeline, tuned_pipeline(project.pipeline.read_text(encoding="utf-8")))
