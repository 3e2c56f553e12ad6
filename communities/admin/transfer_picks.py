"""What an operator has picked to be handed over, kept in the session until it is a draft."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from communities.handlers import customer_book
from communities.models import Community, GroupChat
from communities.rules.status import CommunityStatus
from communities.rules.transfers import Subject
from scrm.accounts.models import Staff, User

KEY = "transfer-picks"
ENDED = (CommunityStatus.DISSOLVED, CommunityStatus.ARCHIVED, CommunityStatus.CANCELLED)


@dataclass
class Picks:
    """Chats one by one, and what a person has: ``subjects`` are values of ``Subject``."""

    chat_ids: list[int] = field(default_factory=list)
    person_id: int | None = None
    subjects: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: HttpRequest) -> Picks:
        kept: dict[str, Any] = request.session.get(KEY) or {}
        return cls(**kept)

    def keep(self, request: HttpRequest) -> None:
        request.session[KEY] = asdict(self)

    def add_chats(self, ids: Iterable[int]) -> None:
        self.chat_ids = list(dict.fromkeys([*self.chat_ids, *ids]))

    def take_person(self, person: Staff | None, subjects: Iterable[str]) -> None:
        self.person_id = person.pk if person else None
        self.subjects = [each for each in subjects if each in Subject.values] if person else []


def forget_picks(request: HttpRequest) -> None:
    request.session.pop(KEY, None)


@dataclass(frozen=True)
class Held:
    """How much a person has, of each subject."""

    person: Staff
    chats: int
    customers: int
    communities: int

    def of(self, subject: str) -> int:
        return {
            Subject.CHAT: self.chats,
            Subject.CUSTOMER: self.customers,
            Subject.COMMUNITY: self.communities,
        }[Subject(subject)]


@dataclass(frozen=True)
class Picked:
    """The picks, as far as they are the operator's to see."""

    chats: QuerySet[GroupChat]
    chat_count: int
    person: Staff | None
    subjects: frozenset[str]
    held: Held | None

    @property
    def is_everything(self) -> bool:
        return self.subjects == frozenset(Subject.values)

    def count(self, subject: str) -> int:
        total = self.held.of(subject) if self.held and subject in self.subjects else 0
        return total + (self.chat_count if subject == Subject.CHAT else 0)

    @property
    def main_subject(self) -> str:
        """What receivers are looked for first."""
        return next((each for each in Subject.values if self.count(each)), Subject.CHAT.value)

    @property
    def is_empty(self) -> bool:
        return not any(self.count(each) for each in Subject.values)


def picked(picks: Picks, *, user: User) -> Picked:
    chats = GroupChat.objects.visible_to(user).filter(pk__in=picks.chat_ids)
    person = (
        Staff.objects.visible_to(user).filter(pk=picks.person_id).first()
        if picks.person_id
        else None
    )
    held = held_by(person, user=user) if person else None
    if held is not None and Subject.CHAT in picks.subjects:
        chats = chats.exclude(owner=person)  # they come with the person
    subjects = frozenset(picks.subjects if person else ())
    return Picked(chats, chats.count() if picks.chat_ids else 0, person, subjects, held)


def chats_of(person: Staff, *, user: User) -> QuerySet[GroupChat]:
    return GroupChat.objects.visible_to(user).live().filter(owner=person)


def communities_of(person: Staff, *, user: User) -> QuerySet[Community]:
    theirs = Q(owner=person) | Q(adviser=person) | Q(backup_owner=person)
    return Community.objects.visible_to(user).filter(theirs).exclude(status__in=ENDED)


def held_by(person: Staff, *, user: User) -> Held:
    return Held(
        person=person,
        chats=chats_of(person, user=user).count(),
        customers=customer_book().loads(person.enterprise_id).get(person.pk, 0),
        communities=communities_of(person, user=user).count(),
    )


def draft_arguments(found: Picked, *, user: User) -> dict[str, Any]:
    """What ``draft_transfer`` is asked for."""
    person = found.person
    if person is not None and found.is_everything:
        return {"chats": list(found.chats), "everything_of": person}
    arguments: dict[str, Any] = {"chats": list(found.chats)}
    if person is None:
        return arguments
    if Subject.CHAT in found.subjects:
        arguments["chats"] += list(chats_of(person, user=user))
    if Subject.CUSTOMER in found.subjects:
        arguments["customers_of"] = person
    if Subject.COMMUNITY in found.subjects:
        arguments["communities"] = list(communities_of(person, user=user))
    return arguments
