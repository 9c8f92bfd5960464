"""Which version becomes champion, and the record of its moves. MLflow is real, in a database file."""

import json
import shutil

import numpy as np
import pytest
from mlflow import MlflowClient

from penstock.cli import main
from penstock.core.errors import PenstockError
from penstock.registry.champion_record import ChampionRecord, open_record
from penstock.registry.moves import Kind, Move
from penstock.registry.promote import open_champions
from tests.helpers.compared_models import GOOD, POOR

BEST = (2.5, 4.9)  # 38 of 38 flowers are right, 36 by GOOD, 26 by POOR


@pytest.fixture
def client(flowers):
    return MlflowClient(f"sqlite:///{flowers.root}/mlflow.db")


def aliases(client):
    return {alias: str(version) for alias, version in client.get_registered_model("iris_mlp").aliases.items()}


def promotion(client, version):
    """Return the text and the figures of a version's tags."""
    tags = client.get_model_version("iris_mlp", version).tags
    return tags["promotion"], json.loads(tags["promotion.evidence"])


@pytest.fixture
def penstock(flowers, capsys):
    """A function that runs a command in the project, and returns its exit code and its output."""

    def run(*words):
        capsys.readouterr()
        try:
            main(words)
        except SystemExit as exit_:
            shown = capsys.readouterr()
            return exit_.code, shown.out + shown.err
        return 0, capsys.readouterr().out

    return run


def rule(flowers, key, value):
    """Set a rule in the block `promotion` of params.yaml, which begins with alpha."""
    path = flowers.project.params
    lines = [line for line in path.read_text().splitlines() if not line.startswith(f"  {key}: ")]
    lines.insert(
        lines.index("  alpha: 0.05                 # significance level of the paired test with the champion"),
        f"  {key}: {value}",
    )
    path.write_text("\n".join(lines) + "\n")


def test_a_version_that_is_better_by_the_paired_test_becomes_champion(flowers, client, capsys):
    flowers.register_all(POOR, GOOD)
    assert aliases(client) == {"champion": "2"}
    output = capsys.readouterr().out
    assert "version 2 registered; champion moved from version 1 to 2: better by the paired test: " in output
    assert "accuracy 0.9474, champion 0.6842, 95 % interval of the difference +0.0797 to +0.4384" in output
    text, figures = promotion(client, "2")
    assert text.startswith("champion: better by the paired test: accuracy 0.9474, champion 0.6842")
    assert (figures["champion"], figures["challenger"], figures["test_rows"]) == (0.684211, 0.947368, 38)
    assert figures["p"] == pytest.approx(2 * (1 + 14 + 91) / 2**14), "2 of 14 rows are right only by the champion"
    assert figures["bytes"][0] == figures["bytes"][1]
    assert 0.5 < figures["latency_ms"][1] / figures["latency_ms"][0] <= 1.25


def test_a_version_that_is_worse_stays_challenger_and_its_tag_says_why(flowers, client, penstock):
    flowers.register_all(GOOD, POOR)
    assert aliases(client) == {"champion": "1", "challenger": "2"}
    reason = "worse by the paired test: accuracy 0.6842, champion 0.9474, 95 % interval of the difference -0."
    assert promotion(client, "2")[0].startswith(f"stays challenger: {reason}")
    before = (flowers.root / "mlflow.db").read_bytes()
    assert penstock("register") == (0, penstock("register", "--check")[1])
    code, output = penstock("register", "--check")
    assert code == 1
    assert f"champion stays version 1; challenger version 2: {reason}" in output
    assert (flowers.root / "mlflow.db").read_bytes() == before


def test_a_new_rule_decides_about_the_challenger_again(flowers, client, penstock):
    flowers.register_all(GOOD, BEST)
    assert promotion(client, "2")[0].startswith("stays challenger: not significantly better: accuracy 1.0000, champion")
    rule(flowers, "margin", 0.05)
    assert "challenger version 2 was not compared with champion version 1" in penstock("register", "--check")[1]
    assert "better by the margin of 0.05: accuracy 1.0000, champion 0.9474" in penstock("register")[1]
    assert aliases(client) == {"champion": "2"}


@pytest.mark.parametrize(
    ("limit", "value", "problem"),
    [
        ("max_latency_ratio", 0.001, "; but too slow: 0."),
        (
            "max_size_ratio",
            0.5,
            "; but too large: 574 bytes, champion 574 bytes, at most 0.5 times as large is allowed",
        ),
    ],
)
def test_a_better_version_that_costs_more_than_allowed_stays_challenger(flowers, client, limit, value, problem):
    rule(flowers, limit, value)
    flowers.register_all(POOR, GOOD)
    assert aliases(client) == {"champion": "1", "challenger": "2"}
    text, figures = promotion(client, "2")
    assert problem in text
    assert figures["bytes"]
    assert figures["latency_ms"]


def test_versions_of_other_test_rows_are_not_compared(flowers, client):
    flowers.register_all(POOR)
    flowers.compared.write_test_rows(np.arange(0, 150, 5))
    flowers.register_all(GOOD)
    assert aliases(client) == {"champion": "1", "challenger": "2"}
    assert (
        "stays challenger: cannot be compared: version 1: made from other processed data" in promotion(client, "2")[0]
    )


def test_a_champion_whose_file_is_gone_stays_until_a_person_decides(flowers, client, penstock):
    flowers.register_all(POOR)
    shutil.rmtree(flowers.root / "mlruns")
    flowers.register_all(GOOD)
    assert "the file of version 1 is not in MLflow's storage" in promotion(client, "2")[0]
    assert aliases(client) == {"champion": "1", "challenger": "2"}
    assert penstock("promote", "iris_mlp", "--reason", "its file is gone")[0] == 0
    code, output = penstock("rollback", "iris_mlp")
    assert code == 1
    assert "version 1 is left out: iris_mlp: the file of version 1 is not in MLflow's storage" in output
    assert aliases(client) == {"champion": "2"}


def test_a_promotion_by_hand_says_that_it_overrides_the_test(flowers, client, penstock):
    flowers.register_all(GOOD, POOR)
    code, output = penstock("promote", "iris_mlp", "--reason", "smaller  petals\nnext week")
    assert code == 0
    assert "champion moved from version 1 to 2: smaller petals next week" in output
    assert "against the comparison: worse by the paired test: accuracy 0.6842, champion 0.9474" in output
    history = penstock("history", "iris_mlp")[1]
    assert "against the comparison: worse" in history
    assert max(map(len, history.splitlines())) <= 100
    first, second = json.loads(penstock("history", "iris_mlp", "--json")[1])
    assert (first["by"], first["version"], first["previous"]) == ("register", "1", None)
    assert (second["by"], second["version"], second["previous"]) == ("promote", "2", "1")
    assert second["reason"] == "smaller petals next week"
    assert second["evidence"]["overrides_comparison"]
    assert second["evidence"]["challenger"] == 0.684211
    assert penstock("promote", "iris_mlp", "--version", "2", "--reason", "again")[1].endswith("nothing changed\n")


def test_the_same_file_as_the_champions_changes_nothing(flowers, client, penstock):
    flowers.register_all(GOOD)
    first = client.get_model_version("iris_mlp", "1")
    client.create_model_version("iris_mlp", first.source, first.run_id, tags=first.tags)
    assert flowers.register(check=True)
    assert penstock("promote", "iris_mlp", "--version", "2", "--reason", "new")[1].endswith("nothing changed\n")
    assert aliases(client) == {"champion": "1"}


def test_a_version_without_passed_gates_is_not_promoted(flowers, client, penstock):
    flowers.register_all(GOOD, POOR)
    flowers.project.model("iris_mlp", "models").validation.unlink()
    flowers.register()
    assert aliases(client) == {"champion": "1"}, "it is no challenger any more"
    code, output = penstock("promote", "iris_mlp", "--version", "2", "--reason", "hurry")
    assert code == 1
    assert "iris_mlp: version 2 has not passed its gates, so it cannot become champion" in output
    assert "there is no challenger; name a version" in penstock("promote", "iris_mlp", "--reason", "hurry")[1]


def test_rollbacks_go_further_back_and_register_does_not_undo_them(flowers, client, penstock):
    flowers.register_all(POOR, GOOD)
    flowers.register_all(BEST)
    penstock("promote", "iris_mlp", "--reason", "best")
    assert "champion moved from version 3 to 2: too good" in penstock("rollback", "iris_mlp", "--reason", "too good")[1]
    assert flowers.register()
    assert aliases(client) == {"champion": "2"}
    assert promotion(client, "3") == ("rolled back to version 2: too good", {})
    client.delete_model_version("iris_mlp", "3")
    penstock("rollback", "iris_mlp")
    assert aliases(client) == {"champion": "1"}
    code, output = penstock("rollback", "iris_mlp")
    assert code == 1
    assert output == "error: iris_mlp: no champion before version 1; `penstock history iris_mlp`\n"
    moved = [(one["previous"], one["version"]) for one in json.loads(penstock("history", "iris_mlp", "--json")[1])]
    assert moved == [(None, "1"), ("1", "2"), ("2", "3"), ("3", "2"), ("2", "1")], "also of deleted versions"


def test_a_move_in_the_mlflow_ui_is_shown_and_can_be_rolled_back(flowers, client, penstock):
    flowers.register_all(GOOD, POOR)
    client.set_registered_model_alias("iris_mlp", "champion", "2")
    assert "1 -> 2    not Penstock        moved by another program" in penstock("history", "iris_mlp")[1]
    assert penstock("rollback", "iris_mlp")[0] == 0
    assert aliases(client)["champion"] == "1"
    kinds = [one["by"] for one in json.loads(penstock("history", "iris_mlp", "--json")[1])]
    assert kinds == ["register", "not Penstock", "rollback"]


def test_the_champion_of_a_date(flowers, penstock):
    flowers.register_all(GOOD)
    code, output = penstock("champion", "iris_mlp")
    assert code == 0
    assert output.startswith("iris_mlp: version 1 since 20")
    assert json.loads(penstock("champion", "iris_mlp", "--at", "2999-01-01", "--json")[1])["version"] == "1"
    code, output = penstock("champion", "iris_mlp", "--at", "2020-01-01")
    assert code == 1
    assert output.startswith("error: iris_mlp: there was no champion at 2020-01-01 23:59:59")
    for text in ("yesterday", "9999-12-31"):
        assert f"{text!r} is no date such as 2026-11-28" in penstock("champion", "iris_mlp", "--at", text)[1]
    assert penstock("champion", "iris")[1] == "error: iris: no such registered model; did you mean 'iris_mlp'?\n"


def test_a_move_of_a_killed_process_is_finished_by_the_next_one(flowers, client, penstock):
    """The process was killed between the record and the alias."""
    flowers.register_all(GOOD, POOR)
    run_id = client.get_registered_model("iris_mlp").tags["penstock.record"]
    client.log_param(run_id, "move.0002", Move(number=2, kind=Kind.PROMOTE, version="2", previous="1").text())
    assert aliases(client)["champion"] == "1"
    kinds = [one["by"] for one in json.loads(penstock("history", "iris_mlp", "--json")[1])]
    assert kinds == ["register", "promote"], "nobody else has moved the alias"
    assert "the champion was moved meanwhile, to version 2" in penstock("rollback", "iris_mlp")[1]
    assert aliases(client)["champion"] == "2"
    assert "champion moved from version 2 to 1" in penstock("rollback", "iris_mlp")[1]


def test_a_deleted_record_is_named_with_the_remedy(flowers, client):
    flowers.register_all(GOOD, POOR)
    run_id = client.get_registered_model("iris_mlp").tags["penstock.record"]
    client.delete_run(run_id)
    with (
        pytest.raises(PenstockError, match=f"`mlflow runs restore --run-id {run_id}` may restore the record"),
        open_champions(flowers.project, flowers.config, "iris_mlp") as champions,
    ):
        champions.promote("2", "now")
    assert aliases(client)["champion"] == "1"


def test_a_model_that_had_a_champion_before_the_record_gets_one(flowers, client, penstock):
    flowers.register_all(GOOD, POOR)
    client.delete_registered_model_tag("iris_mlp", "penstock.record")
    assert ChampionRecord.of(client, client.get_registered_model("iris_mlp")).moves() == []
    assert "champion before the record begins" in penstock("history", "iris_mlp")[1]
    penstock("promote", "iris_mlp", "--reason", "now")
    first, second = json.loads(penstock("history", "iris_mlp", "--json")[1])
    assert (first["version"], second["version"], second["number"]) == ("1", "2", 1)
    assert len(open_record(client, flowers.project, "me", "iris_mlp").moves()) == 1
