"""Tests of the command line as a whole."""

import pytest

from penstock.cli import _parser


@pytest.mark.parametrize(
    ("words", "positional"),
    [
        ("compare a b --json c", ["b", "c"]),
        ("serve --port 8081 a --host h b", ["a", "b"]),
        ("repro a --jobs 1 b", ["a", "b"]),
        ("predict m --sep ; 1 -2 --extra-columns 3", ["1", "-2", "3"]),
    ],
)
def test_options_stand_anywhere(words, positional):
    values = vars(_parser().parse_args(words.split())).values()
    assert positional in [[*map(str, value)] for value in values if isinstance(value, list)]


@pytest.mark.parametrize("words", ["repro -- -x", "serve -- -x", "predict --csv f -- -x", "card -- -x", "adopt -- -x"])
def test_words_after_two_dashes_are_no_options(words):
    assert "-x" in str(_parser().parse_args(words.split()))


@pytest.mark.parametrize(
    ("words", "missing"),
    [("new dataset", "NAME, --from"), ("predict", "model"), ("promote", "model, --reason"), ("compare a", "B")],
)
def test_all_missing_arguments_are_named(words, missing, capsys):
    with pytest.raises(SystemExit, match="2"):
        _parser().parse_args(words.split())
    assert capsys.readouterr().err.endswith(f"the following arguments are required: {missing}\n")


@pytest.mark.parametrize("words", ["predict m --cvs f", "check --lenient", "adopt s --forced x y"])
def test_unknown_options_are_errors(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        _parser().parse_args(words.split())
    assert "unrecognized arguments" in capsys.readouterr().err
