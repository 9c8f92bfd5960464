"""What the moves of a champion say about rollbacks and dates."""

from datetime import UTC, datetime

import pytest

from penstock.core.errors import PenstockError
from penstock.registry.moves import Kind, Move, champion_at, end_of, former_champions, with_other_moves


def day(number):
    return datetime(2026, 11, number, 12, tzinfo=UTC)


def moves(*versions):
    """Make moves on successive days: a number promotes, <n rolls back to n, - withdraws."""
    made, previous = [], ""
    for number, text in enumerate(versions, 1):
        kind = Kind.ROLLBACK if text[0] == "<" else Kind.WITHDRAW if text == "-" else Kind.PROMOTE
        version = text.strip("<-")
        made.append(Move(number=number, kind=kind, version=version, previous=previous, time=day(number), user="me"))
        previous = version
    return made


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"time": "x"}', '{"time": null, "kind": "stolen"}'])
def test_a_move_that_another_program_wrote_is_named(text):
    with pytest.raises(PenstockError, match="move 2 of the record of champions in MLflow is damaged; a new record"):
        Move.parse(2, text)


@pytest.mark.parametrize(
    ("versions", "former"),
    [
        ([], []),
        (["1"], []),
        (["1", "2", "3"], ["2", "1"]),
        (["1", "2", "3", "<2"], ["1"]),
        (["1", "2", "3", "<2", "<1"], []),
        (["1", "2", "3", "<2", "4"], ["2", "1"]),
        (["1", "2", "-"], ["1"]),
        (["1", "2", "1"], ["2"]),
    ],
)
def test_a_rollback_goes_further_back_each_time(versions, former):
    assert former_champions(moves(*versions)) == former


def test_a_move_is_read_back_as_it_was_written():
    (move,) = moves("1")
    assert Move.parse(1, move.text()) == move
    assert moves("1")[0].text() != move.text(), "those of two processes differ"


def test_moves_of_other_programs_are_found_between_and_after_those_of_penstock():
    first, third = moves("1", "2")
    third = Move(number=2, kind=Kind.PROMOTE, version="2", previous="7", time=day(3))
    found = with_other_moves([first, third], "5")
    assert [(move.previous, move.version, move.kind is Kind.OTHER) for move in found] == [
        ("", "1", False),
        ("1", "7", True),
        ("7", "2", False),
        ("2", "5", True),
    ]
    assert with_other_moves([first], "1") == [first]
    assert [move.version for move in with_other_moves([], "4")] == ["4"]


@pytest.mark.parametrize(
    ("time", "champion", "unsure"),
    [(day(1), "3", None), (day(3), "1", None), (day(5), "2", None), (day(7), None, "5"), (day(30), "5", None)],
)
def test_the_champion_of_a_date(time, champion, unsure):
    """3 before the record, 1 on the 2nd, 2 on the 4th, withdrawn on the 6th, 5 by another program some time later."""
    record = [
        Move(number=1, kind=Kind.PROMOTE, version="1", previous="3", time=day(2)),
        Move(number=2, kind=Kind.PROMOTE, version="2", previous="1", time=day(4)),
        Move(number=3, kind=Kind.WITHDRAW, version="", previous="2", time=day(6)),
    ]
    found, other = champion_at(with_other_moves(record, "5"), time, now=day(20))
    assert (found.version if found else None) == champion
    assert (other.version if other else None) == unsure


def test_a_date_is_its_end_and_a_time_without_a_zone_is_local():
    assert end_of("2026-11-28") == datetime(2026, 11, 28, 23, 59, 59, 999999).astimezone()
    assert end_of("2026-11-28T14:30") == datetime(2026, 11, 28, 14, 30).astimezone()
    assert end_of("2026-11-28T14:30+02:00") == datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
