"""The code in a model's card runs, for every task and kind of input."""

import re

import pytest

from tests.conftest import SMALL_MODELS


@pytest.mark.parametrize("model", SMALL_MODELS)
def test_the_code_of_a_card_runs_beside_the_file(small_run, model):
    card = small_run.run("penstock", "card", model).stdout
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    done = small_run.run("env", "--chdir", f"models/{model}", "python", "-c", code)
    answer = done.stdout.splitlines()[-1]  # onnxruntime warns about inputs with a default before it
    assert re.fullmatch(r"\w+ 0\.\d+|\w+ 1\.0|\(1, 28, 28\)", answer)
