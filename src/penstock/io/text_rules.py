"""Define a word of a text model, with regular expressions that RE2 and Python's `re` interpret identically.

A word is a maximal run of ASCII letters, digits and apostrophes. HTML line breaks separate words. Words are ASCII only,
because lowercasing other characters depends on the serving platform.
"""

LINE_BREAK = "<[bB][rR] */?>"
WORD = "[A-Za-z0-9']+"
NOT_WORD = "[^A-Za-z0-9']+"
