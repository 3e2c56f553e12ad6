"""The usual way, as a peer: one Celery task per recipient, with a row got or created and saved.

Run by the same workers on the product's settings and tables.
"""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from bench._fanout_channel import NoOpChannel
from campaigns.channels.protocol import Envelope, Message
from campaigns.models import Delivery, Run
from campaigns.rules.templates import VARIABLES_OF, Variable, parse_template
from members.models import Member


@shared_task(name="campaigns.drain_one_recipient")
def send_to_one(run_id: int, member_id: int) -> None:
    run = Run.objects.select_related("broadcast__channel_account").get(pk=run_id)
    member = Member.objects.get(pk=member_id)
    delivery, _ = Delivery.objects.get_or_create(run_id=run_id, recipient_id=member_id)
    delivery.status = "submitted"
    delivery.save(update_fields=["status"])
    broadcast = run.broadcast
    community = broadcast.communities.get()
    template = parse_template(broadcast.body, allowed=VARIABLES_OF[broadcast.target])
    values = {Variable.NICKNAME: member.nickname, Variable.COMMUNITY: community.name}
    message = Message(member.external_id, template.render(values))
    key = f"{run_id}-{member_id}"
    NoOpChannel().send(Envelope(key, broadcast.channel_account, "member", (message,)))
    delivery.status = "delivered"
    delivery.settled_at = timezone.now()
    delivery.save(update_fields=["status", "settled_at"])
