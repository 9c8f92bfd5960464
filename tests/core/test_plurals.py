"""Counts with the right singular or plural."""

import pytest

from penstock.core.plurals import counted


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((0, "file"), "0 files"),
        ((1, "file"), "1 file"),
        ((1234, "file"), "1,234 files"),
        ((1, "class", "classes"), "1 class"),
        ((2, "row is", "rows are"), "2 rows are"),
    ],
)
def test_one_is_singular_and_all_other_numbers_are_plural(words, says):
    assert counted(*words) == says
