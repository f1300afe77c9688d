"""Rule text to tree.

Texts may use French and English keywords, in any case and mixed; see ``grammar.lark`` for the forms. They are read in
Unicode's composed form (NFC), and spans point into that. Decided here:

* A decimal comma (``12,5``) is read as in French, except inside ``IN (…)``, where a comma separates values.
* A bare ``oui`` or ``yes`` is text until the checker sees that it is compared with a boolean.
* Quotes make a name of any words, a value of any text; a doubled quote stands for itself: ``'l''été'``.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from facette.definitions.language.builder import TreeBuilder
from facette.definitions.language.messages import Refused, Word
from facette.definitions.language.tree import Aggregate, And, Arithmetic, Did, Not, Operand, Or, Rule

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

Start = Literal["rule", "formula"]
MAXIMUM_DEPTH = 100
"""Nodes within nodes. Where Ibis and SQLGlot write SQL, Python's recursion limit is reached at some 140."""


def parse_rule(text: str) -> Rule:
    """The tree of a rule. Raises RuleError with the place and what could stand there."""
    return cast(Rule, _parsed(text, "rule"))


def parse_value(text: str) -> Operand:
    """The tree of a feature's value: arithmetic over names, numbers and aggregates.

    ``-`` needs spaces around it between names, because names may contain hyphens. Raises RuleError.
    """
    return cast(Operand, _parsed(text, "formula"))


def _parsed(text: str, start: Start) -> Rule | Operand:
    text = unicodedata.normalize("NFC", text)
    try:
        return read(text, start)
    except Refused as refused:
        raise refused.for_user(text) from None


def read(text: str, start: Start) -> Rule | Operand:
    """The tree of a text in composed form. Raises Refused, for whoever knows in which language to say it."""
    from lark.exceptions import UnexpectedInput  # noqa: PLC0415 - importing lark takes longer than reading a rule

    if "\0" in text:
        raise Refused("no_nul", (text.index("\0"), text.index("\0") + 1))
    try:
        tree = cast("Rule | Operand", _lark().parse(text, start=start))
    except UnexpectedInput as error:
        raise _unexpected(error, text) from None
    refuse_depth(tree)
    return tree


@cache
def _lark() -> Lark:
    from lark import Lark  # noqa: PLC0415

    return Lark(
        Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8"),
        parser="lalr",
        start=["rule", "formula"],
        transformer=TreeBuilder(),
        g_regex_flags=re.IGNORECASE,
        maybe_placeholders=False,
        cache=_cache_file(),
    )


def _cache_file() -> str | bool:
    """Where Lark keeps the tables of the grammar, which take half a second to make: the user's own cache; or nowhere.

    Lark makes them anew when the grammar, its own version or Python's is another one, or the file cannot be read.
    """
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facette"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_own = folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)
    except (OSError, RuntimeError):  # nobody's home, or not writable
        return False
    return str(folder / "grammar") if is_own else False


def refuse_depth(tree: Rule | Operand) -> None:
    level: list[Rule | Operand] = [tree]
    depth = 0
    while level:
        depth += 1
        if depth > MAXIMUM_DEPTH:
            raise Refused("too_deep", level[0].span, limit=MAXIMUM_DEPTH)
        level = [child for node in level for child in _children(node)]


def _children(node: Rule | Operand) -> Iterator[Rule | Operand]:
    match node:
        case And() | Or():
            yield from node.items
        case Not():
            yield node.item
        case Arithmetic():
            yield node.left
            yield node.right
        case Did(where=where, then=then):
            yield from (part for part in (where, then.where if then else None) if part is not None)
        case Aggregate(where=where) if where is not None:
            yield where


# ── syntax errors in words ──────────────────────────────────────────────────────────────────────────────────────────

_CONNECTIVE = re.compile("and|or|et|ou", re.IGNORECASE)

# What a terminal is called when it is expected, in the order in which it is said.
_EXPECTED = (
    (("COMPARE",), Word("a comparison")),
    (("_AND",), Word("a connective")),
    (("HOW_OFTEN", "IN_THE_LAST"), Word("a modifier")),
    (("PLUS",), Word("an operator")),
    (("DATE",), Word("a day")),
    (("NUMBER",), Word("number")),
    (("UNIT",), Word("a unit")),
    (("TIMES",), Word("TIMES")),
    (("_WITHIN",), Word("WITHIN")),
    (("_LAST",), Word("LAST")),
    (("_OF",), Word("OF")),
    (("LPAR",), Word("(")),
    (("RPAR",), Word(")")),
    (("_COMMA",), Word(",")),
    (("$END",), Word("the end")),
)


def _unexpected(error: UnexpectedInput, text: str) -> Refused:
    """Say what stands where, and what could stand there instead."""
    token = getattr(error, "token", None)
    last = (getattr(error, "token_history", None) or [None])[-1]
    allowed: set[str] = set(getattr(error, "accepts", None) or getattr(error, "expected", None) or error.allowed)
    expected = _in_words(allowed, last.type if last is not None else "")
    if "BEFORE_THE_LAST" in allowed:  # after a number and its unit
        read = text[: token.start_pos if token is not None and token.type != "$END" else len(text)].rstrip()
        return Refused("no_last", (len(read) - len(read.split()[-1]), len(read)))
    if token is None:
        at = error.pos_in_stream
        if text[at] in "'\"«“":
            return Refused("unclosed", (at, len(text)))
        if at and not text[at - 1].isspace():  # a symbol inside a word, as in ann@example.org
            key = "after_number" if last is not None and last.type == "NUMBER" else "unquoted"
            return Refused(key, (at, at + 1), found=text[at])
        return Refused("unexpected", (at, at + 1), found=text[at], expected=expected)
    if token.type == "$END":
        return Refused("unfinished", (len(text), len(text)), expected=expected)
    span = (token.start_pos, token.end_pos)
    ends_value = "_AND" in allowed and "COMPARE" not in allowed
    if ends_value and last is not None and last.type == "WORD" and _CONNECTIVE.fullmatch(last):
        return Refused("no_value", (last.start_pos, last.end_pos), found=str(last))
    if token.type == "WORD" and ends_value and last is not None and last.type in ("WORD", "NUMBER"):
        return Refused("after_number" if last.type == "NUMBER" else "unquoted", span, found=str(token))
    return Refused("unexpected", span, found=str(token), expected=expected)


def _in_words(allowed: set[str], last: str) -> tuple[str, ...]:
    words = [word for terminals, word in _EXPECTED if allowed.intersection(terminals)]
    if "WORD" in allowed and not allowed & {"COMPARE", "_AND", "RPAR", "$END", "_WITHIN"}:
        is_value = "DATE" in allowed or last in ("CONTAINS", "LACKS", "STARTS", "STARTS_NOT", "ENDS", "ENDS_NOT")
        words = [Word("a value")] if is_value else [Word("a name"), *words]
    elif "_AND" in allowed and len(allowed) == 1:
        words = [Word("AND")]
    return tuple(words)
