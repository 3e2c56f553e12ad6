"""What happened on the platform of late: syncs, one of them after some callbacks were lost, and
callbacks that arrived."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F
from django.db.models.functions import Now

from campaigns.services.contact_welcoming import send_contact_welcomes
from communities.models import GroupChat
from scrm.demo.founding import Founded
from scrm.demo.moving_in import listen
from scrm.wecom.models import ReadRequest, SyncRun
from scrm.wecom.rules.status import SyncScope, SyncState
from scrm.wecom.services.advancing import advance_sync
from scrm.wecom.services.inbox import Signed, take_callback
from scrm.wecom.services.processing import process_waiting
from scrm.wecom.services.rereading import read_waiting
from scrm.wecom.services.syncing import cancel_sync, start_sync
from scrm.wecom.simulator.callbacks import Callback
from scrm.wecom.simulator.corp import Corp

QR_CODE = 3
NEW_CONTACT = "小满家的麻薯"


def let_it_happen(founded: Founded, corp: Corp) -> list[SyncRun]:
    """The callbacks are posted from now on, when this is over."""
    night = last_night(founded.now)
    first = sync(founded, night=night - timedelta(days=1))
    lose_some(founded, corp)
    second = sync(founded, night=night)
    corp.outbox.hold()
    listen(founded, corp)
    tell_some(founded, corp)
    for callback in corp.outbox.take():
        deliver(founded, callback)
    process_waiting()
    wanted = ReadRequest.objects.filter(connection=founded.connection)
    wanted.update(due_at=Now(), ripe_at=Now())  # the simulator shows what it told at once
    read_waiting()
    send_contact_welcomes()
    corp.outbox.release()
    return [first, second]


def sync(founded: Founded, *, night: datetime) -> SyncRun:
    """As the night does it, and dated back into it."""
    run = start_sync(founded.connection.pk, scope=SyncScope.FULL, actor=None)
    while advance_sync(run.pk):
        pass
    run.refresh_from_db()
    if run.state == SyncState.RUNNING:  # it would be tried again later; we do not wait
        run = cancel_sync(run.pk, actor=founded.admin)
    back = run.started_at - night
    SyncRun.objects.filter(pk=run.pk).update(
        started_at=F("started_at") - back, finished_at=F("finished_at") - back
    )
    return run


def last_night(now: datetime) -> datetime:
    """When syncs of the night begin."""
    night = now.replace(hour=3, minute=10, second=0, microsecond=0)
    return night if night < now - timedelta(minutes=5) else night - timedelta(days=1)


def lose_some(founded: Founded, corp: Corp) -> None:
    """Nobody listens yet, so only the next sync can tell."""
    golden, corgi = chat_of(founded, "golden"), chat_of(founded, "corgi")
    corp.join(golden, count=4, scene=QR_CODE)
    corp.join(corgi, count=2, scene=QR_CODE)
    corp.leave(corgi, somebody(corp, corgi, 2))


def tell_some(founded: Founded, corp: Corp) -> None:
    east, ragdoll = chat_of(founded, "east"), chat_of(founded, "ragdoll")
    corp.join(east, count=3, scene=QR_CODE)
    corp.leave(ragdoll, somebody(corp, ragdoll, 1))
    corp.remove(east, somebody(corp, east, 1))
    corp.set_notice(ragdoll, "本周六线上梳毛课，晚上八点开始。")
    corp.add_customer(NEW_CONTACT, staff="lin.xiaoman")
    corp.announce("customer_acquisition", ("ChangeType", "balance_low"))  # of no use to us


def deliver(founded: Founded, callback: Callback) -> None:
    envelope = callback.signed()
    signature, timestamp, nonce = (
        envelope.query[name] for name in ("msg_signature", "timestamp", "nonce")
    )
    key = founded.connection.callback_key
    take_callback(key, Signed(signature, timestamp, nonce), envelope.body)


def chat_of(founded: Founded, code: str) -> str:
    """The last chat of a community, which has most room."""
    chats = GroupChat.objects.filter(community=founded.communities[code])
    return chats.order_by("-pk").values_list("external_id", flat=True)[0]


def somebody(corp: Corp, chat_id: str, count: int) -> list[str]:
    """From outside, the first to have come."""
    return [here.id for here in corp.group(chat_id).members.values() if here.type == 2][:count]
