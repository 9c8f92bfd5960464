"""The characters of words are those of Unicode 14.0.0, which Python 3.11 has."""

import re
import unicodedata

from penstock.io.text_rules import UNICODE_NOT_WORD, UNICODE_WORD, UNSPACED_WORD

CHARACTERS = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cs", "Cn", "Co")]
# By the names of their characters, since Python knows neither scripts nor line breaking.
UNSPACED = (
    "BALINESE, CJK COMPATIBILITY IDEOGRAPH, CJK UNIFIED, HALFWIDTH KATAKANA, HIRAGANA, IDEOGRAPHIC ITERATION, "
    "IDEOGRAPHIC NUMBER, JAVANESE, KATAKANA, KHITAN, KHMER, LAO, MYANMAR, NEW TAI LUE, NUSHU, TAI LE, TAI THAM, "
    "TAI VIET, TANGUT, THAI, VERTICAL IDEOGRAPHIC, YI SYLLABLE"
)


def kinds(character):
    return [bool(re.fullmatch(rule, character)) for rule in (UNSPACED_WORD, UNICODE_WORD, UNICODE_NOT_WORD)]


def test_letters_and_numbers_are_words_and_marks_belong_to_them():
    for character in filter(_is_in_unicode_14, CHARACTERS):
        category = unicodedata.category(character)
        is_base = category[0] in "LN" or character in "'\u2019"
        is_mark = category[0] == "M" or character in "\u200c\u200d"
        _, is_word, is_other = kinds(character)
        assert (is_word, is_other) == (is_base, not is_base and not is_mark), hex(ord(character))


def test_letters_of_scripts_without_spaces_are_words_of_their_own():
    for character in filter(_is_in_unicode_14, CHARACTERS):
        is_letter = unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Nl")
        is_unspaced = is_letter and unicodedata.name(character, "").startswith(tuple(UNSPACED.split(", ")))
        assert kinds(character)[0] == is_unspaced, hex(ord(character))


def _is_in_unicode_14(character):
    """Python 3.11 has Unicode 14; what a later Python adds is not in the list, and no word."""
    return unicodedata.unidata_version == "14.0.0" or not kinds(character)[2]
