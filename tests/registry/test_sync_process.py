"""The folder of links that a server watches."""

from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from penstock.registry import download as registry_download
from penstock.registry import sync_process
from penstock.registry.model_uri import ModelURI
from penstock.registry.sync_process import RegistrySync


def test_an_error_of_the_artifact_store_changes_nothing_and_is_one_warning(tmp_path, monkeypatch, capsys):
    def download(**_):
        raise RuntimeError("the bucket is away\nand more")

    version = ModelVersion("fractions", "1", 0, tags=[ModelVersionTag("onnx.sha256", "0")])
    monkeypatch.setattr(sync_process, "find_version", lambda client, uri: version)
    monkeypatch.setattr(registry_download, "download_artifacts", download)
    registry = RegistrySync("sqlite://", tmp_path, tmp_path, [ModelURI.parse("models:/fractions@champion")])
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
    RegistrySync("sqlite://", tmp_path, folder, [ModelURI.parse("models:/fractions@champion")]).sync()
    assert [(path.name, path.readlink()) for path in folder.iterdir()] == [("fractions", tmp_path / "home")]
