"""The word rule of text models, as regular expressions that RE2 and Python's `re` read alike.

A word is a longest run of ASCII letters, digits and apostrophes; HTML line breaks separate words. Words are ASCII,
because lower case beyond ASCII depends on the platform that serves the model.
"""

LINE_BREAK = "<[bB][rR] */?>"
WORD = "[A-Za-z0-9']+"
NOT_WORD = "[^A-Za-z0-9']+"
