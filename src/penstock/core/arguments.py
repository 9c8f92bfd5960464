"""Types of command line arguments."""

from __future__ import annotations

import argparse


def positive_int(text: str) -> int:
    """Parse an integer of 1 or more.

    Raises:
        argparse.ArgumentTypeError: The text is not such a number.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """Parse a positive, finite number of seconds.

    Raises:
        argparse.ArgumentTypeError: The text is not such a number.
    """
    number = _number(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return number


def tolerance(text: str) -> float:
    """Parse a finite number of 0 or more.

    Raises:
        argparse.ArgumentTypeError: The text is not such a number.
    """
    number = _number(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return number


def share(text: str) -> float:
    """Parse a number above 0, and at most 1.

    Raises:
        argparse.ArgumentTypeError: The text is not such a number.
    """
    number = _number(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0, and at most 1")
    return number


def significance_level(text: str) -> float:
    """Parse a number between 0 and 1, both excluded.

    Raises:
        argparse.ArgumentTypeError: The text is not such a number.
    """
    number = _number(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return number


def _number(text: str) -> float:
    """Return NaN, which is in no range, for a text that is no number."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
