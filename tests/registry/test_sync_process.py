"""The folder of links that a server watches."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from penstock.core.errors import ConfigError, PenstockError
from penstock.registry import download as registry_download
from penstock.registry import sync_process
from penstock.registry.model_uri import ModelURI
from penstock.registry.sync import cache_dir
from penstock.registry.sync_process import RegistrySync
from penstock.tracking.uri import require_complete


def test_an_error_of_the_artifact_store_changes_nothing_and_is_one_warning(tmp_path, monkeypatch, capsys):
    def download(**_):
        raise RuntimeError("the bucket is away\nand more")

    version = ModelVersion("fractions", "1", 0, tags=[ModelVersionTag("onnx.sha256", "0")])
    monkeypatch.setattr(sync_process, "find_version", lambda client, uri: version)
    monkeypatch.setattr(registry_download, "download_artifacts", download)
    registry = RegistrySync(
        "sqlite://", MlflowClient("sqlite://"), tmp_path, tmp_path, [ModelURI.parse("models:/fractions@champion")]
    )
    capsys.readouterr()
    for _ in range(2):
        registry.poll()
    assert capsys.readouterr().err == ("warning: models:/fractions@champion: MLflow at sqlite://: the bucket is away\n")


def test_a_link_left_by_a_failed_attempt_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(sync_process, "find_version", lambda client, uri: None)
    monkeypatch.setattr(sync_process, "download_version", lambda version, cache: tmp_path / "home")
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / ".fractions.new").symlink_to(tmp_path / "elsewhere")
    RegistrySync(
        "sqlite://", MlflowClient("sqlite://"), tmp_path, folder, [ModelURI.parse("models:/fractions@champion")]
    ).sync()
    assert [(path.name, path.readlink()) for path in folder.iterdir()] == [("fractions", tmp_path / "home")]


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("ftp://x", "Model registry functionality is unavailable"),
        ("file:///no/folder", "The filesystem tracking backend"),
        ("sqlite:///no_folder/mlflow.db", "there is no such database file"),
    ],
)
def test_an_address_that_mlflow_refuses_is_one_line_with_the_remedy(tmp_path, address, problem):
    environment = os.environ | {"MLFLOW_TRACKING_URI": address, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "penstock.cli", "serve", "--port", "0", "models:/fractions@champion"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: MLflow at {address}: ")
    assert problem in line
    assert line.endswith(
        "; set MLFLOW_TRACKING_URI, or tracking.uri in params.yaml, to http://HOST:PORT or sqlite:///FILE"
    )
    assert list(tmp_path.iterdir()) == [], "MLflow would create the database"


def test_an_address_without_its_database_or_host_is_incomplete(tmp_path):
    (tmp_path / "a b.db").touch()
    for address in (f"sqlite:///{tmp_path}/a b.db", f"sqlite:///{tmp_path}/a%20b.db?timeout=9", "http://host:5000"):
        require_complete(address)
    for address in (f"sqlite:///{tmp_path}", "sqlite:///", "http://", "https:///path"):
        with pytest.raises(ConfigError):
            require_complete(address)


def test_a_cache_that_cannot_be_written_is_named_and_one_that_is_complete_need_not_be(tmp_path, monkeypatch):
    def download(dst_path, **_):
        (Path(dst_path) / "model.onnx").write_bytes(b"model")
        return f"{dst_path}/model.onnx"

    digest = hashlib.sha256(b"model").hexdigest()
    version = ModelVersion("fractions", "1", 0, tags=[ModelVersionTag("onnx.sha256", digest)])
    monkeypatch.setattr(registry_download, "download_artifacts", download)
    (tmp_path / "file").touch()
    with pytest.raises(PenstockError, match=f"^{tmp_path}/file/.*: Not a directory; set XDG_CACHE_HOME to a folder"):
        registry_download.download_version(version, tmp_path / "file")
    folder = registry_download.download_version(version, tmp_path / "cache")
    monkeypatch.delattr(registry_download, "write_bytes")
    assert registry_download.download_version(version, tmp_path / "cache") == folder


def test_a_relative_cache_is_ignored_as_its_specification_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert cache_dir() == tmp_path / ".cache/penstock/registry"
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_dir() == Path("/cache/penstock/registry")
