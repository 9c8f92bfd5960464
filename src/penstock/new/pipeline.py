"""Write the dvc.yaml of a project without a clone from that of Penstock's repository."""

from __future__ import annotations

import re
from itertools import pairwise

from penstock.io.code_record import record_key

HEAD = """\
# Written by `penstock init --update`; stages of your own belong in another folder's dvc.yaml.
# A stage depends on the code of the installed penstock by its hashes in pipelines/penstock.json.
"""
RECORD, DEFAULTS = "pipelines/penstock.json", "pipelines/defaults.json"
_STAGE = re.compile(r"^  \w+:\n", re.MULTILINE)
_SOURCE = re.compile(r"^ +- (src/penstock/\S+)\n", re.MULTILINE)
_PARAMS = re.compile(r"^( +)params:\n", re.MULTILINE)


def project_pipeline(pipeline: str) -> str:
    """Return the text of dvc.yaml for that of the repository: params in place of dependencies on src/penstock."""
    text = "vars: [pipelines/code.yaml]\nstages:\n" + pipeline.partition("\nstages:\n")[2]
    text = text.replace("src/penstock/config/defaults.json", DEFAULTS)
    starts = [match.start() for match in _STAGE.finditer(text)] + [len(text)]
    stages = [_stage(text[start:end]) for start, end in pairwise(starts)]
    return HEAD + text[: starts[0]] + "".join(stages)


def _stage(stage: str) -> str:
    keys = [record_key(source) for source in _SOURCE.findall(stage)]
    stage = _SOURCE.sub("", stage)
    if not _PARAMS.search(stage):
        stage = re.sub(r"^( +)(?=outs:\n)", r"\1params:\n\1", stage, count=1, flags=re.MULTILINE)

    def with_record(match: re.Match[str]) -> str:
        indent = match[1]
        lines = "".join(f'{indent}      - "{key}"\n' for key in keys)
        return f"{match[0]}{indent}  - {RECORD}:\n{lines}"

    return _PARAMS.sub(with_record, stage, count=1)
