"""On whose behalf each recipient is written to, where a channel sends for one colleague at a time.

WeCom, page 92135: to chats only their owner can send; customers hear it from a colleague who is
their contact.
"""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.channels.registry import channel_for
from campaigns.models import Broadcast
from campaigns.rules.status import BroadcastTarget
from communities.models import GroupChat
from members.models import Follow
from scrm.shared.sql import Sql

# The owner as our directory writes the account, because the platform is not strict about case.
OWNERS = """
SELECT chat.id AS recipient_id,
    CASE WHEN lower(owner.external_id) = lower(chat.owner_userid) OR chat.owner_userid = ''
         THEN coalesce(owner.external_id, '') ELSE chat.owner_userid END AS sender
FROM communities_groupchat chat
LEFT JOIN accounts_staff owner ON owner.id = chat.owner_id
"""

# Of several contacts the newest. Without an aggregate, so that it can be read for a few members
# as well as for all.
CONTACTS = """
SELECT follow.member_id AS recipient_id, colleague.external_id AS sender
FROM members_follow follow
JOIN accounts_staff colleague ON colleague.id = follow.staff_id
WHERE follow.channel_account_id = %s AND follow.ended_at IS NULL AND follow.is_mutual
  AND colleague.is_active AND colleague.external_id <> ''
  AND NOT EXISTS (
      SELECT FROM members_follow newer
      JOIN accounts_staff other ON other.id = newer.staff_id
      WHERE newer.member_id = follow.member_id
        AND newer.channel_account_id = follow.channel_account_id
        AND newer.ended_at IS NULL AND newer.is_mutual
        AND other.is_active AND other.external_id <> ''
        AND (newer.began_at, newer.id) > (follow.began_at, follow.id)
  )
"""


def senders_sql(broadcast: Broadcast) -> Sql | None:
    """A query of (recipient_id, sender), at most one row each, to be joined from the left.

    A recipient without a row, or with an empty sender, has nobody to send on their behalf. None
    when the channel of the broadcast knows no senders.
    """
    account = broadcast.channel_account
    if not channel_for(account.kind).one_sender:
        return None
    if broadcast.target == BroadcastTarget.CHATS:
        return Sql(OWNERS)
    return Sql(CONTACTS, (account.pk,))


def refs_at_platform(broadcast: Broadcast, recipient_ids: Sequence[int]) -> dict[str, int]:
    """The recipients by what their platform calls them in its answers, whether or not they are
    still there."""
    if broadcast.target == BroadcastTarget.CHATS:
        chats = GroupChat.objects.filter(pk__in=recipient_ids)
        return dict(chats.values_list("external_id", "pk"))
    contacts = Follow.objects.filter(
        channel_account=broadcast.channel_account_id, member__in=recipient_ids
    )
    return dict(contacts.values_list("external_userid", "member_id"))
