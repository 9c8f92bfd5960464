"""The database of studies."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock.core.errors import ConfigError, SearchError
from penstock.core.paths import Project
from penstock.search.storage import locked_storage, open_storage, storage_url
from penstock.search.studies import open_study
from penstock.tracking.metric_names import SCORES


def test_the_database_of_mlflow_is_refused(empty_database):
    with pytest.raises(ConfigError, match=r"is a database of MLflow .* name a database of its own"):
        open_storage(f"sqlite:///{empty_database}").__enter__()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://user@host/studies", "neither SQLite nor PostgreSQL"),
        ("sqlite://", "is no file, which workers could share"),
        ("studies.db", "no URL of a database"),
        ("postgresql://user:secret@localhost:1/studies", "postgresql://localhost:1/studies: cannot be used"),
    ],
)
def test_a_storage_that_cannot_be_used_is_named_without_its_password(url, problem):
    with pytest.raises(ConfigError, match=problem) as error:
        open_storage(url).__enter__()
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_workers_get_the_whole_path_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage_url(Project(tmp_path), "sqlite:///s.db") == f"sqlite:///{tmp_path}/s.db"


def test_a_database_that_fails_meanwhile_is_named(tmp_path):
    message = r"studies.db: failed: .*no such table.*goes on"
    with pytest.raises(SearchError, match=message), open_storage(f"sqlite:///{tmp_path}/studies.db") as storage:
        storage.engine.connect().exec_driver_sql("SELECT 1 FROM nowhere")


def test_a_storage_is_opened_again(tmp_path):
    url = f"sqlite:///{tmp_path}/new/studies.db"
    for _ in range(2):
        with open_storage(url) as storage:
            assert storage.get_all_studies() == []


def test_sweeps_that_start_at_once_do_not_add_their_trials_twice(tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"

    def fill(_):
        with open_storage(url) as storage:
            study = open_study(storage, "s", objective=SCORES[0])
            with locked_storage(url):
                study.fill(6)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(fill, range(4)))
    with open_storage(url) as storage:
        assert len(open_study(storage, "s", objective=SCORES[0]).trials()) == 6
