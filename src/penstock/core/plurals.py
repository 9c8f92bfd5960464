"""Write counts with the right singular or plural."""


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return a number and its noun, such as `1 file` and `1,234 files`.

    Args:
        number: The number.
        singular: The words after 1, such as `file`, or `file is`.
        plural: The words after all other numbers; empty is `singular` with an s.
    """
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"
