"""What the texts of a file mean: booleans and dates, for preprocessing and for `penstock predict --csv`."""

from __future__ import annotations

import re
from datetime import date

# In any case, with blanks around them.
TRUE, FALSE = ("true", "1", "yes", "t", "y"), ("false", "0", "no", "f", "n")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})?)?\Z", re.ASCII)


def day_of(text: str) -> str | None:
    """Return the day of an ISO date or timestamp, YYYY-MM-DD; None if the text is neither.

    The time is cut off, without a conversion between time zones.
    """
    if not DATE.match(text):
        return None
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        return None
