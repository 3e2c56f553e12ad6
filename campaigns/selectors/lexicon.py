"""The lexicon by which an enterprise's texts are judged: what we ship and its own words."""

from __future__ import annotations

from functools import lru_cache

from campaigns.models import LexiconTerm
from campaigns.rules.ad_law import SHIPPED, SHIPPED_VERSION
from campaigns.rules.digests import digest
from campaigns.rules.guarding import Severity, TermKind
from campaigns.rules.lexicon import Lexicon, Term, merged

type _Own = tuple[tuple[Term, bool], ...]


def lexicon_of(enterprise_id: int) -> Lexicon:
    """As it is now. Its version changes with every change of a word."""
    rows = LexiconTerm.objects.filter(enterprise=enterprise_id).order_by("pk")
    return _built(tuple((_term(row), row.is_active) for row in rows))


@lru_cache(maxsize=64)
def _built(own: _Own) -> Lexicon:
    version = SHIPPED_VERSION
    if own:
        version += "+" + digest({"own": [[repr(term), active] for term, active in own]})[:8]
    return Lexicon(version, merged(SHIPPED, own))


def _term(row: LexiconTerm) -> Term:
    return Term(
        row.term,
        TermKind(row.kind),
        Severity(row.severity),
        row.article,
        row.suggestion,
        tuple(row.exceptions),
    )
