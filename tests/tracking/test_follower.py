"""The folder of links that a server watches."""

from penstock.tracking import follower
from penstock.tracking.follower import Follower
from penstock.tracking.wanted import Wanted


def test_a_link_that_was_left_half_made_is_no_hindrance(tmp_path, monkeypatch):
    monkeypatch.setattr(follower, "find_version", lambda client, wanted: None)
    monkeypatch.setattr(follower, "bring", lambda version, cache: tmp_path / "home")
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / ".fractions.new").symlink_to(tmp_path / "elsewhere")
    Follower("sqlite://", tmp_path, folder, [Wanted.parse("models:/fractions@champion")]).look()
    assert [(path.name, path.readlink()) for path in folder.iterdir()] == [("fractions", tmp_path / "home")]
