"""Which policy speaks of a chat, whoever gets it."""

from __future__ import annotations

from collections.abc import Iterable

from communities.models import GroupChat
from communities.rules.transfer_planning import Policy, Thing, policy_for
from communities.rules.transfers import Subject
from communities.services.transfers.facts import NOWHERE, places_of, policies_of


def policies_of_chats(chats: Iterable[GroupChat]) -> dict[int, Policy]:
    """By the keys of the chats; those of which no policy in force speaks are not named."""
    by_enterprise: dict[int, list[GroupChat]] = {}
    for chat in chats:
        by_enterprise.setdefault(chat.enterprise_id, []).append(chat)
    found: dict[int, Policy] = {}
    for enterprise_id, theirs in by_enterprise.items():
        found |= _of_one_enterprise(enterprise_id, theirs)
    return found


def _of_one_enterprise(enterprise_id: int, chats: Iterable[GroupChat]) -> dict[int, Policy]:
    policies = [each for each in policies_of(enterprise_id) if each.subject == Subject.CHAT]
    if not policies:
        return {}
    places = places_of(enterprise_id, {chat.community_id for chat in chats})
    found: dict[int, Policy] = {}
    for chat in chats:
        place = places.get(chat.community_id or 0, NOWHERE)
        thing = Thing(
            key=chat.pk,
            subject=Subject.CHAT,
            giver_id=0,
            kind=place.kind,
            tier_id=place.tier_id,
            values=place.values,
        )
        policy = policy_for(thing, policies)
        if policy is not None:
            found[chat.pk] = policy
    return found
