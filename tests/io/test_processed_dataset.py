"""Test how arrays are written."""

import numpy as np

from penstock.io.processed_dataset import save_array


def test_an_array_is_a_new_file_and_not_written_through_a_link(tmp_path):
    """DVC may link outputs to its cache, whose files root can write."""
    cached, output = tmp_path / "cached", tmp_path / "data" / "rows.npy"
    save_array(tmp_path / "data", "rows", np.arange(3))
    cached.hardlink_to(output)
    before = cached.read_bytes()
    save_array(tmp_path / "data", "rows", np.arange(4))
    assert cached.read_bytes() == before
    assert np.load(output).shape == (4,)
