"""Two promotions at once cannot both win, whatever MLflow keeps its registry in."""

import shutil
from contextlib import contextmanager

import pytest
from mlflow import MlflowClient

from penstock.registry.champion_record import ChampionRecord, open_record
from penstock.registry.moves import Kind, Move
from tests.helpers.postgresql import postgresql_server
from tests.helpers.racing_promotions import NAME, promotes, race
from tests.tracking.mlflow_server import MlflowServer

VERSIONS, ROUNDS = 3, 20


@contextmanager
def database(folder, empty_database):
    shutil.copy(empty_database, folder)
    yield f"sqlite:///{folder}/mlflow.db"


@contextmanager
def tracking_server(folder, empty_database):
    shutil.copy(empty_database, folder / "server.db")
    server = MlflowServer(folder)
    try:
        server.start()
        yield server.uri
    finally:
        server.kill()


@contextmanager
def postgresql(folder, empty_database):
    with postgresql_server() as url:
        yield url.replace("postgresql:", "postgresql+psycopg:")


@pytest.mark.parametrize("backend", [database, tracking_server, postgresql])
def test_one_of_two_processes_wins_each_time(here, backend, empty_database, monkeypatch, tmp_path):
    with backend(tmp_path, empty_database) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        client = MlflowClient(uri)
        record = open_record(client, here.project, "me", NAME)
        for _ in range(VERSIONS):
            client.create_model_version(NAME, "s3://bucket/of/no/importance")
        record.move(Move(number=0, kind=Kind.REGISTER, version="1", previous="", reason="first"))

        winners = promotes(race(here.root, VERSIONS, ROUNDS))

        model = client.get_registered_model(NAME)
        moves = ChampionRecord.of(client, model).moves()
        assert [move.version for move in moves] == ["1", *winners]
        assert [move.previous for move in moves] == ["", "1", *winners[:-1]]
        assert [move.number for move in moves] == list(range(1, ROUNDS + 2))
        assert str(model.aliases["champion"]) == winners[-1]
