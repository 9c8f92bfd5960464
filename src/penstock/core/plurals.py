"""Write counts with the right singular or plural."""


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number and its noun, such as `1 file` and `1,234 files`.

    Args:
        number: The number.
        one: The words after 1, such as `file`, or `file is`.
        many: The words after all other numbers; empty is `one` with an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
