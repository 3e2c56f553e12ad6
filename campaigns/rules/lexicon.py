"""Finding forbidden words in a text, also where somebody spelt them so as not to be found.

A text is read as people read it: full-width forms, capitals, traditional characters, blanks and
decorations between the characters make no difference. What was found is told as it was written.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import ahocorasick
from django.utils.functional import Promise

from campaigns.rules.guarding import Severity, TermKind

#: Between characters, these are decoration. Sentence marks and line ends separate, and are kept.
FILLERS = frozenset("·•・*_~-‐‑‒–—―|/\\^`'\"“”‘’´")
DECORATION = frozenset({"Cf", "Zs", "Mn", "Me", "So", "Sk"})  # blanks, invisible ones, pictures

# Traditional characters that occur in forbidden words, each with its simplified form.
SIMPLIFIED = str.maketrans(
    "國級頂極絕對萬獨無癒療藥減風險穩賺賠證強優領導進價銷專線轉發讚紅見創爾劑處醫臨腫開運財"
    "氣壓貴質權農產業營歷廣場選顛東廠費錄錢從應傾僅惡億倉盤讓現為與標準純淨貨罰學術說種複製",
    "国级顶极绝对万独无愈疗药减风险稳赚赔证强优领导进价销专线转发赞红见创尔剂处医临肿开运财"
    "气压贵质权农产业营历广场选颠东厂费录钱从应倾仅恶亿仓盘让现为与标准纯净货罚学术说种复制",
)


@dataclass(frozen=True, slots=True)
class Term:
    """A word, why it is forbidden, and what can be said instead.

    Within one of its ``exceptions`` it means something else: 第一 in 第一次.
    """

    text: str
    kind: TermKind
    severity: Severity
    article: str | Promise = ""
    suggestion: str | Promise = ""
    exceptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A term in a text: ``quote`` is what stands there, from ``start`` to before ``end``."""

    term: Term
    start: int
    end: int
    quote: str


@dataclass(frozen=True)
class Lexicon:
    """``version`` names the shipped words and the enterprise's own."""

    version: str
    terms: tuple[Term, ...]

    def find(self, text: str) -> list[Finding]:
        """The longest terms, in the order of the text, without those inside their exceptions."""
        plain, places = plain_form(text)
        hits: list[tuple[int, int, int]] = []
        excused: list[tuple[int, int, int]] = []
        for last, (length, term, excuses) in self._automaton.iter(plain):
            start = last - length + 1
            if _cuts_a_word(text, places[start], places[last]):
                continue
            if term is not None:
                hits.append((start, last + 1, term))
            excused += [(start, last + 1, other) for other in excuses]
        return [
            Finding(
                self.terms[term],
                places[start],
                places[end - 1] + 1,
                text[places[start] : places[end - 1] + 1],
            )
            for start, end, term in _longest(_accused(hits, excused))
        ]

    @cached_property
    def _automaton(self) -> ahocorasick.Automaton:
        automaton = ahocorasick.Automaton()
        for word, (term, excuses) in self._words().items():
            automaton.add_word(word, (len(word), term, tuple(excuses)))
        automaton.make_automaton()
        return automaton

    def _words(self) -> dict[str, tuple[int | None, list[int]]]:
        """Every word to look for: which term it is, and which terms it excuses."""
        words: dict[str, tuple[int | None, list[int]]] = {}
        for number, term in enumerate(self.terms):
            word, _ = plain_form(term.text)
            words[word] = (number, words.get(word, (None, []))[1])
        for number, term in enumerate(self.terms):
            for exception in term.exceptions:
                word, _ = plain_form(exception)
                words.setdefault(word, (None, []))[1].append(number)
        return words


def plain_form(text: str) -> tuple[str, list[int]]:
    """A text as it is searched, and where each of its characters stands in the original."""
    characters: list[str] = []
    places: list[int] = []
    for place, written in enumerate(text):
        for char in unicodedata.normalize("NFKC", written).casefold():
            if char in FILLERS or unicodedata.category(char) in DECORATION:
                continue
            characters.append(char)
            places.append(place)
    return "".join(characters).translate(SIMPLIFIED), places


def is_exception_of(exception: str, term: str) -> bool:
    """Whether a saying contains the term: another one could excuse nothing."""
    saying, word = plain_form(exception)[0], plain_form(term)[0]
    return word in saying and word != saying


def merged(shipped: Iterable[Term], own: Iterable[tuple[Term, bool]]) -> tuple[Term, ...]:
    """The shipped terms and an enterprise's own: the same word is judged as the enterprise says,
    or not at all where it is switched off. Exceptions that we ship stay."""
    terms = {plain_form(term.text)[0]: term for term in shipped}
    for term, is_active in own:
        word, _ = plain_form(term.text)
        known = terms.pop(word, None)
        if is_active:
            excuses = term.exceptions + (known.exceptions if known else ())
            terms[word] = Term(
                term.text,
                term.kind,
                term.severity,
                term.article,
                term.suggestion,
                tuple(dict.fromkeys(excuses)),
            )
    return tuple(terms.values())


type _Hit = tuple[int, int, int]


def _accused(hits: list[_Hit], excused: list[_Hit]) -> Iterator[_Hit]:
    for start, end, term in hits:
        if not any(
            term == other and begins <= start and end <= ends for begins, ends, other in excused
        ):
            yield start, end, term


def _longest(hits: Iterable[_Hit]) -> list[_Hit]:
    """Without those that lie within a longer one; in the order of the text."""
    kept: list[_Hit] = []
    for start, end, term in sorted(hits, key=lambda hit: (hit[0], -hit[1])):
        if not kept or end > kept[-1][1]:
            kept.append((start, end, term))
    return kept


def _cuts_a_word(text: str, first: int, last: int) -> bool:
    """Whether a term of Latin letters or digits is only a part of a longer one: top1 in top10."""
    before, after = text[max(first - 1, 0) : first], text[last + 1 : last + 2]
    return _same_word(before, text[first]) or _same_word(text[last], after)


def _same_word(left: str, right: str) -> bool:
    return all(char.isalnum() and not _is_han(char) for char in (left or " ", right or " "))


def _is_han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff"
