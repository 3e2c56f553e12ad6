"""Memberships follow stays: who is in a chat of a community belongs to it.

A membership is one unbroken time in the chats of a community: it begins with the first stay and
ends with the last, and who comes back begins another one. When it turns out later that somebody
had been away between, it is divided. An end that an operator declared stays what it is, even while
the platform still shows the person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from communities.models import Community, GroupChat
from members.models import Membership, Stay
from members.rules.status import JoinSource, LeaveReason
from members.services.entering import Arrival, let_in, settle_arrival
from members.services.leaving import announce_departures
from members.services.platform.changes import Change
from members.services.tier_marks import BELONGING, mark_tiers_due
from members.signals import members_joined
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.operator_tasks import open_task, settle_tasks
from scrm.shared.rows import write_rows

type Pair = tuple[int, int]  # community, member

FIELDS = ("joined_at", "left_at", "leave_reason")


@dataclass(slots=True)
class Spell:
    """A stay as far as it decides about belonging. ``before`` is when it ended on file (a new one
    did not count there)."""

    joined_at: datetime
    left_at: datetime | None
    reason: str
    membership_id: int | None
    was_known: bool
    ended_before: datetime | None
    change: Change | None = None
    stay_id: int | None = None


@dataclass(slots=True)
class Run:
    """Stays that overlap, in different chats: one time in the community."""

    spells: list[Spell]
    joined_at: datetime
    left_at: datetime | None

    @property
    def reason(self) -> str:
        last = max(self.spells, key=lambda spell: spell.left_at or spell.joined_at)
        return "" if self.left_at is None else last.reason or LeaveReason.UNKNOWN

    @property
    def newest(self) -> Spell:
        """Who is asked about, or greeted, is so in the chat that they are in now."""
        return max(self.spells, key=lambda spell: (spell.left_at is None, spell.joined_at))


@dataclass(slots=True)
class Rewritten:
    """What became of the memberships, to be announced once the stays are written."""

    changes: Sequence[Change]
    admitted: bool = False
    arrivals: list[tuple[Arrival, Run]] = field(default_factory=list)
    closed: dict[int, Membership] = field(default_factory=dict)
    changed: dict[int, Membership] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    reopened: list[int] = field(default_factory=list)
    moved: dict[int, int] = field(default_factory=dict)

    def move_stays(self) -> None:
        """Stays that nothing was told of, but whose membership was divided or joined up."""
        for stay_id, membership_id in self.moved.items():
            Stay.objects.filter(pk=stay_id).update(membership=membership_id)

    def announce(self, news_since: Mapping[int, datetime]) -> None:
        _settle_and_ask(self.changes)
        announce_departures(self.ended)
        joined, news = list(self.reopened), []
        quiet: defaultdict[int, list[int]] = defaultdict(list)
        for arrival, run in self.arrivals:
            if run.left_at is not None or settle_arrival(arrival, stay := _stay_now(run)):
                continue
            since = news_since.get(stay.chat_id)
            if since is None or stay.joined_at < since:  # long ago: nobody is greeted for it
                quiet[arrival.community.enterprise_id].append(arrival.member_id)
            elif arrival.membership is not None:
                joined.append(arrival.membership.pk)
                news.append(stay.pk)
        if joined:
            members_joined.send(sender=Membership, membership_ids=joined, stay_ids=news)
        for enterprise_id, member_ids in quiet.items():
            mark_tiers_due(enterprise_id, member_ids, moved=BELONGING)


def _stay_now(run: Run) -> Stay:
    """In the chat that they are in now."""
    spell = run.newest
    return spell.change.stay if spell.change else Stay.objects.get(pk=spell.stay_id or 0)


def rewrite_memberships(
    changes: Sequence[Change], chats: Mapping[int, GroupChat], *, admitted: bool = False
) -> Rewritten:
    """Bring the memberships up to the changed stays, and let the stays know theirs. Whom an
    operator ``admitted`` does not need to have passed the gate."""
    rewritten = Rewritten(changes, admitted)
    touched = {
        pair: change
        for change in changes
        if change.touches_belonging and (pair := _pair_of(change, chats))
    }
    if not touched:
        return rewritten
    communities = Community.objects.select_related("minimum_tier", "owner").in_bulk(
        {community for community, _ in touched}
    )
    memberships = _memberships(touched)
    spells = _spells(touched, changes, chats)
    for pair in sorted(touched):
        _rewrite_pair(
            rewritten, communities[pair[0]], pair[1], spells[pair], memberships.get(pair, [])
        )
    _write(rewritten)
    return rewritten


# --- One member in one community ------------------------------------------------------------------


def _rewrite_pair(
    rewritten: Rewritten,
    community: Community,
    member_id: int,
    spells: list[Spell],
    memberships: list[Membership],
) -> None:
    by_id = {membership.pk: membership for membership in memberships}
    free = [
        spell
        for spell in spells
        if spell.membership_id is None or _follows(by_id[spell.membership_id], spells)
    ]
    taken: set[int] = set()
    for run in _runs(free):
        owners = _owners(run, memberships, taken)
        if owners:
            keeper = next((each for each in owners if each.left_at is None), owners[0])
            taken |= {each.pk for each in owners}
            _keep(rewritten, keeper, run)
            _absorb(rewritten, [each for each in owners if each is not keeper], run)
            _assign(rewritten, run, keeper)
        else:
            arrival = Arrival(
                community,
                member_id,
                JoinSource.PLATFORM,
                joined_at=run.joined_at,
                left_at=run.left_at,
                leave_reason=run.reason,
                is_admitted=rewritten.admitted,
            )
            rewritten.arrivals.append((arrival, run))


def _follows(membership: Membership, spells: Iterable[Spell]) -> bool:
    """Whether the membership ended with its last stay, and not because somebody said so."""
    own = [spell for spell in spells if spell.membership_id == membership.pk and spell.was_known]
    if any(spell.change is not None and spell.change.is_contradicted for spell in own):
        return False
    ends = [spell.ended_before for spell in own]
    if any(end is None for end in ends) or not ends:
        return membership.left_at is None
    return membership.left_at == max(end for end in ends if end is not None)


def _runs(spells: Iterable[Spell]) -> list[Run]:
    runs: list[Run] = []
    for spell in sorted(spells, key=lambda spell: spell.joined_at):
        last = runs[-1] if runs else None
        if last is not None and (last.left_at is None or spell.joined_at < last.left_at):
            last.spells.append(spell)
            if last.left_at is not None:
                ends = (last.left_at, spell.left_at)
                last.left_at = None if spell.left_at is None else max(e for e in ends if e)
        else:
            runs.append(Run([spell], spell.joined_at, spell.left_at))
    return runs


def _owners(run: Run, memberships: list[Membership], taken: set[int]) -> list[Membership]:
    """Those that the stays belong to already, or an active one that has no stay."""
    ids = {spell.membership_id for spell in run.spells}
    owners = [each for each in memberships if each.pk in ids and each.pk not in taken]
    if owners or run.left_at is not None:
        return owners
    return [each for each in memberships if each.left_at is None and each.pk not in taken]


def _keep(rewritten: Rewritten, membership: Membership, run: Run) -> None:
    was_active = membership.left_at is None
    before = (membership.joined_at, membership.left_at)
    membership.joined_at = min(membership.joined_at, run.joined_at)
    membership.left_at = run.left_at
    membership.leave_reason = run.reason
    if (membership.joined_at, membership.left_at) == before:
        return
    if run.left_at is None:
        rewritten.changed[membership.pk] = membership
        if not was_active:
            rewritten.reopened.append(membership.pk)
    else:
        rewritten.closed[membership.pk] = membership
        if was_active:
            rewritten.ended.append(membership.pk)


def _absorb(rewritten: Rewritten, others: list[Membership], run: Run) -> None:
    """Two times turned out to be one: the second shrinks to nothing, as rows are never removed."""
    for membership in others:
        membership.joined_at = membership.left_at = membership.left_at or run.joined_at
        membership.leave_reason = membership.leave_reason or LeaveReason.UNKNOWN
        rewritten.closed[membership.pk] = membership


def _assign(rewritten: Rewritten, run: Run, membership: Membership) -> None:
    for spell in run.spells:
        if spell.membership_id == membership.pk:
            continue
        if spell.change is not None:
            spell.change.stay.membership = membership
            spell.change.is_written = True
        elif spell.stay_id is not None:
            rewritten.moved[spell.stay_id] = membership.pk


# --- Rows -----------------------------------------------------------------------------------------


def _pair_of(change: Change, chats: Mapping[int, GroupChat]) -> Pair | None:
    stay = change.stay
    if stay.membership is not None:
        return stay.membership.community_id, stay.member_id
    community_id = chats[stay.chat_id].community_id
    return None if community_id is None else (community_id, stay.member_id)


def _memberships(pairs: Collection[Pair]) -> dict[Pair, list[Membership]]:
    found: defaultdict[Pair, list[Membership]] = defaultdict(list)
    rows = Membership.objects.filter(
        community__in={community for community, _ in pairs},
        member__in={member for _, member in pairs},
    )
    for row in rows.order_by("joined_at", "pk"):
        found[row.community_id, row.member_id].append(row)
    return found


def _spells(
    pairs: Collection[Pair], changes: Sequence[Change], chats: Mapping[int, GroupChat]
) -> dict[Pair, list[Spell]]:
    spells: defaultdict[Pair, list[Spell]] = defaultdict(list)
    for change in changes:
        pair = _pair_of(change, chats)
        if pair is not None and pair in pairs and _counts(change):
            spells[pair].append(_spell_of(change))
    communities = {community for community, _ in pairs}
    rows = (
        Stay.objects.filter(
            Q(membership__community__in=communities)
            | Q(membership=None, left_at=None, chat__community__in=communities),
            member__in={member for _, member in pairs},
        )
        .exclude(pk__in=[change.stay.pk for change in changes if not change.is_new])
        .values_list(
            "membership__community",
            "chat__community",
            "member",
            "pk",
            "membership",
            "joined_at",
            "left_at",
            "leave_reason",
        )
    )
    for of_membership, of_chat, member, pk, membership, joined_at, left_at, reason in rows:
        pair = (of_membership or of_chat, member)
        spells[pair].append(
            Spell(joined_at, left_at, reason, membership, True, left_at, stay_id=pk)
        )
    return spells


def _counts(change: Change) -> bool:
    """A stay that was over before its chat carried the community stays out of it."""
    return change.is_new or change.is_open or change.stay.membership_id is not None


def _spell_of(change: Change) -> Spell:
    stay = change.stay
    return Spell(
        stay.joined_at,
        stay.left_at,
        stay.leave_reason,
        stay.membership_id,
        was_known=change.before is not None and stay.membership_id is not None,
        ended_before=None if change.before is None else change.before.period.left_at,
        change=change,
        stay_id=stay.pk,
    )


def _write(rewritten: Rewritten) -> None:
    """What ends is written before what begins: nobody belongs to a community twice."""
    for rows in (rewritten.closed, rewritten.changed):
        write_rows(list(rows.values()), FIELDS)
    let_in([arrival for arrival, _ in rewritten.arrivals])
    for arrival, run in rewritten.arrivals:
        assert arrival.membership is not None
        _assign(rewritten, run, arrival.membership)


def _settle_and_ask(changes: Sequence[Change]) -> None:
    gone = [change.stay.pk for change in changes if change.was_open and not change.is_open]
    if gone:
        settle_tasks(TaskKind.STILL_IN_CHAT, subjects=Stay.objects.filter(pk__in=gone))
    for change in changes:
        if change.is_contradicted and not change.was_dissolved:
            _ask_to_remove(change.stay)


def _ask_to_remove(stay: Stay) -> None:
    words = {"name": stay.member.nickname or _("一位新成员"), "chat": stay.chat}
    open_task(
        TaskKind.STILL_IN_CHAT,
        subject=stay,
        title=_("%(name)s 已办理离开，但还在“%(chat)s”里：请群主在企业微信里移出") % words,
        details={"member": stay.member_id, "chat": str(stay.chat)},
        assignee=stay.chat.owner,
    )
