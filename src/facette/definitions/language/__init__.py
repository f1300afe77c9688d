"""The rule language, usable alone: text ↔ tree in French and English, and the check against a vocabulary.

text ─ parse ─► tree (names as written) ─ check ─► tree over the columns of one wide row
     ◄─ print ─
"""

from facette.definitions.language.checker import check_rule, check_value, check_where
from facette.definitions.language.messages import Language, language_of
from facette.definitions.language.naming import aggregate_name, next_name
from facette.definitions.language.parser import parse_rule, parse_value
from facette.definitions.language.printer import print_rule, print_value
from facette.definitions.language.tree import Checked
from facette.definitions.language.vocabulary import Band, Event, Property, SegmentName, Vocabulary, fold

__all__ = [
    "Band",
    "Checked",
    "Event",
    "Language",
    "Property",
    "SegmentName",
    "Vocabulary",
    "aggregate_name",
    "check_rule",
    "check_value",
    "check_where",
    "fold",
    "language_of",
    "next_name",
    "parse_rule",
    "parse_value",
    "print_rule",
    "print_value",
]
