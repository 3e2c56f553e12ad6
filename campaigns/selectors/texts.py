"""Every text of a broadcast that people will read, and what the lexicon says of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from campaigns.models import Approval, Broadcast, ExperimentArm
from campaigns.rules.attachments import texts_of
from campaigns.rules.guarding import Severity
from campaigns.rules.lexicon import Finding
from campaigns.selectors.approvals import standing
from campaigns.selectors.lexicon import lexicon_of


@dataclass(frozen=True, slots=True)
class Text:
    """``place`` is stable and for programs, ``label`` is what people call it."""

    place: str
    label: str
    words: str


@dataclass(frozen=True, slots=True)
class Judged:
    text: Text
    finding: Finding


def texts_in(broadcast: Broadcast) -> list[Text]:
    """Body, the bodies of the arms, and what stands on attachments."""
    return [
        Text("body", _("正文"), broadcast.body),
        *_arms(broadcast),
        *(
            Text("attachments", _("附件"), words)
            for words in texts_of(broadcast.attachments)
            if words
        ),
    ]


def judged(texts: Iterable[Text], *, enterprise_id: int) -> list[Judged]:
    """Each term once per place, where it first stands."""
    lexicon = lexicon_of(enterprise_id)
    found: dict[tuple[str, str], Judged] = {}
    for text in texts:
        for finding in lexicon.find(text.words):
            found.setdefault((text.place, finding.term.text), Judged(text, finding))
    return list(found.values())


def newly_blocked(broadcast: Broadcast) -> list[str]:
    """The terms that are blocked now, but were not when it was approved: the lexicon has changed
    since. Nothing of one that nobody approved under a lexicon."""
    approvals = standing(Approval.objects.filter(broadcast=broadcast)).order_by("-pk")
    shown = approvals.values_list("shown", flat=True).first()
    if not shown or shown.get("lexicon") == lexicon_of(broadcast.enterprise_id).version:
        return []
    accepted = {check.get("term") for check in shown["checks"] if check["level"] == Severity.BLOCK}
    found = judged(texts_in(broadcast), enterprise_id=broadcast.enterprise_id)
    blocked = [one.finding.term for one in found]
    return [
        term.text
        for term in blocked
        if term.severity is Severity.BLOCK and term.text not in accepted
    ]


def _arms(broadcast: Broadcast) -> Iterator[Text]:
    if broadcast._state.adding:
        return
    arms = ExperimentArm.objects.filter(experiment__broadcast=broadcast).exclude(body="")
    for arm in arms.order_by("number"):
        yield Text(f"arm_{arm.number}", _("实验组“%(arm)s”") % {"arm": arm.name}, arm.body)
