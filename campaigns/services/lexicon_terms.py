"""An enterprise's own words in the lexicon, and its own judgement of those that we ship."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict, Unpack

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from campaigns.errors import BadException, BadTerm, TermTaken
from campaigns.models import LexiconTerm
from campaigns.rules.lexicon import is_exception_of, plain_form
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing

FIELDS = ("term", "kind", "severity", "article", "suggestion", "exceptions", "is_active")
MAX_EXCEPTIONS = 50
MAX_EXCEPTION = 40


class TermFields(TypedDict, total=False):
    term: str
    kind: str
    severity: str
    article: str
    suggestion: str
    exceptions: Iterable[str]
    is_active: bool


@transaction.atomic
def create_term(*, actor: User, **fields: Unpack[TermFields]) -> LexiconTerm:
    """A word to be found in texts. One that we ship is judged anew by it, or, written down as
    inactive, is no longer looked for."""
    term = LexiconTerm(enterprise_id=actor.enterprise_id)
    _write(term, fields, actor=actor)
    with refusing(_taken(term), constraint="lexicon_term_is_unique"):
        term.save(force_insert=True)
    record_audit(actor, verb="create_term", subject=term, after=snapshot(term, FIELDS))
    return term


@transaction.atomic
def edit_term(term_id: int, *, actor: User, **changes: Unpack[TermFields]) -> LexiconTerm:
    """From now on texts are judged by it; approvals keep the version they were given under."""
    term = LexiconTerm.objects.select_for_update(no_key=True).get(pk=term_id)
    before = snapshot(term, FIELDS)
    _write(term, changes, actor=actor)
    with refusing(_taken(term), constraint="lexicon_term_is_unique"):
        term.save(update_fields=[*FIELDS, "changed_by", "changed_at"])
    after = snapshot(term, FIELDS)
    record_audit(actor, verb="edit_term", subject=term, before=before, after=after)
    return term


def _write(term: LexiconTerm, fields: TermFields, *, actor: User) -> None:
    for name, value in fields.items():
        setattr(term, name, value.strip() if isinstance(value, str) else value)
    term.exceptions = list(dict.fromkeys(one.strip() for one in term.exceptions if one.strip()))
    term.changed_by, term.changed_at = actor, Now()
    if not plain_form(term.term)[0]:
        raise BadTerm(_("词里没有可以查找的文字，请填写一个词。"))
    if len(term.exceptions) > MAX_EXCEPTIONS or any(
        len(one) > MAX_EXCEPTION for one in term.exceptions
    ):
        raise BadException(
            _("例外最多 %(count)d 个，每个最多 %(length)d 字。")
            % {"count": MAX_EXCEPTIONS, "length": MAX_EXCEPTION}
        )
    strange = [one for one in term.exceptions if not is_exception_of(one, term.term)]
    if strange:
        raise BadException(
            _("例外“%(exception)s”里没有“%(term)s”这个词，请写成包含它的说法。")
            % {"exception": strange[0], "term": term.term}
        )


def _taken(term: LexiconTerm) -> TermTaken:
    return TermTaken(_("“%(term)s”已在词库里，请修改那一条。") % {"term": term.term})
