"""What a colleague is told of a hand-over, within what an app message may hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext

from communities.rules.transfers import NoticeRole, Subject
from scrm.wecom.rules.limits import MAX_APP_TEXT_BYTES

#: So many are called by name; the others are only counted.
NAMED = 5
LONGEST_NAME = 20


@dataclass(frozen=True, slots=True)
class Share:
    """Of one subject: how many, with whom on the other side, and what the first ones are called.

    Both sides are by name; ``things`` is empty where nothing is to be named, as for customers.
    """

    people: Mapping[str, int]
    things: Sequence[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.people.values())


def notice_text(number: str, *, role: str, shares: Mapping[str, Share], reason: str) -> str:
    """``number`` tells two notices with the same content apart, for people and for the platform,
    which drops a text that it has just delivered."""
    is_giver = role == NoticeRole.GIVER
    title = gettext("以下已从你名下转出：") if is_giver else gettext("以下已转到你名下：")
    lines = [gettext("【资产转让 %(number)s】%(title)s") % {"number": number, "title": title}]
    told = [(subject, shares[subject]) for subject in Subject.values if subject in shares]
    lines += [line_of(subject, share, is_giver=is_giver) for subject, share in told]
    if reason:
        lines.append(gettext("事由：%(reason)s") % {"reason": reason})
    if not is_giver:
        lines.append(gettext("请尽快与群成员和客户打招呼。"))
    return within("\n".join(lines), MAX_APP_TEXT_BYTES)


def line_of(subject: str, share: Share, *, is_giver: bool) -> str:
    counted = {
        Subject.CHAT: gettext("客户群 %(count)d 个"),
        Subject.CUSTOMER: gettext("客户 %(count)d 位"),
        Subject.COMMUNITY: gettext("社群 %(count)d 个"),
    }[Subject(subject)] % {"count": share.total}
    whose = gettext("转给 %(names)s") if is_giver else gettext("来自 %(names)s")
    line = gettext("%(counted)s，%(whose)s") % {
        "counted": counted,
        "whose": whose % {"names": counted_names(share.people)},
    }
    if share.things:
        line += gettext("：%(names)s") % {"names": named(share.things, total=share.total)}
    return line


def counted_names(people: Mapping[str, int]) -> str:
    """One name alone needs no figure."""
    if len(people) == 1:
        return short(next(iter(people)))
    most_first = sorted(people.items(), key=lambda each: (-each[1], each[0]))
    texts = [f"{short(name)} {count}" for name, count in most_first[:NAMED]]
    return named(texts, total=len(people))


def named(texts: Sequence[str], *, total: int) -> str:
    shown = gettext("、").join(short(each) for each in texts[:NAMED])
    return gettext("%(shown)s 等") % {"shown": shown} if total > min(len(texts), NAMED) else shown


def short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def within(text: str, most: int) -> str:
    """As much of the beginning as fits into so many bytes, without half a character."""
    octets = text.encode()
    if len(octets) <= most:
        return text
    end = "…"
    return octets[: most - len(end.encode())].decode(errors="ignore") + end


# --- What a notice counts -------------------------------------------------------------------------

#: {subject: {"people": {id of the other side: how many}, "first": [ids of things to be named]}}
type Counts = dict[str, dict[str, Any]]


def added(counts: Counts, subject: str, people: Mapping[Any, int], first: Iterable[int]) -> Counts:
    """The same with so many more things of a subject from or for these people."""
    share = counts.get(subject, {"people": {}, "first": []})
    total = dict(share["people"])
    for person, count in people.items():
        total[str(person)] = total.get(str(person), 0) + count
    return {**counts, subject: {"people": total, "first": [*share["first"], *first][:NAMED]}}


def totals(counts: Counts) -> dict[str, int]:
    """How many things of each subject a notice tells of."""
    return {subject: sum(share["people"].values()) for subject, share in counts.items()}
