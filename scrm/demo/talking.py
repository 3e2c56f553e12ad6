"""What the made-up members are sent: broadcasts in every state that an operator meets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from campaigns.models import Broadcast, Delivery, MediaAsset, Run
from campaigns.rules.status import DeliveryStatus
from campaigns.services.approving import approve_broadcast
from campaigns.services.controlling import pause_broadcast
from scrm.demo.breaking import be_halted
from scrm.demo.contents import (
    COMING,
    DONE,
    DRAFT,
    EVERYBODY,
    HALFWAY,
    INVITATION,
    LATER,
    TO_CHATS,
    WAITING,
)
from scrm.demo.founding import Founded
from scrm.demo.library import fill_the_library, keep_pictures, learn, version_of
from scrm.demo.planning import follow_a_plan
from scrm.demo.recurring import come_back_again
from scrm.demo.restraining import keep_the_nights_quiet, restrain
from scrm.demo.sending import (
    compose,
    finished,
    half_sent,
    scheduled,
    submitted,
)
from scrm.demo.trying_out import run_a_trial, try_two_texts

CITIES = ("east", "south", "north", "southwest")
#: What a platform that is asked too quickly says; the sandbox never does.
OTHER_FAILURE = "rate_limited"
POSTER = "柯基减重打卡.jpg"


def talk_to_people(founded: Founded, report: Callable[[str], None], *, seed: int) -> None:
    caps, pictures = restrain(founded), keep_pictures(founded)
    report(f"{caps} 条频次上限 · {fill_the_library(founded)} 份内容 · {len(pictures)} 个素材")
    send_what_is_past(founded, seed=seed)
    plan_what_is_to_come(founded, pictures)
    wait_for_approval(founded)
    report(f"{follow_a_plan(founded)} 个群在跟群 SOP")
    keep_the_nights_quiet(founded)
    count = Broadcast.objects.filter(enterprise=founded.enterprise).count()
    runs = Run.objects.filter(broadcast__enterprise=founded.enterprise).count()
    report(f"{count} 个群发 · {runs} 次执行")


def send_what_is_past(founded: Founded, *, seed: int) -> None:
    """The oldest first: what was sent before restrains what is sent after it."""
    try_two_texts(founded, seed=seed)
    learn(founded)
    come_back_again(founded)
    run_a_trial(founded)
    done = scheduled(founded, compose(founded, DONE, "planet"))
    fail_for_two_reasons(finished(done, at=founded.now - timedelta(days=3, hours=2)))
    version = version_of(founded, INVITATION)
    to_chats = compose(founded, TO_CHATS, *CITIES, content_version=version)
    finished(scheduled(founded, to_chats), at=founded.now - timedelta(days=1, hours=1))
    be_halted(founded)
    halfway = scheduled(founded, compose(founded, HALFWAY, "planet"))
    half_sent(founded, halfway)
    pause_broadcast(halfway.pk, actor=founded.users["yunying"])


def plan_what_is_to_come(founded: Founded, pictures: list[MediaAsset]) -> None:
    poster = next(picture for picture in pictures if picture.name == POSTER)
    for content, days, attachments in (
        (COMING, 1, []),
        (LATER, 4, [{"kind": "image", "asset": poster.pk}]),
    ):
        evening = founded.now + timedelta(days=days)
        broadcast = compose(founded, content, "golden", "corgi", attachments=attachments)
        scheduled(founded, broadcast, evening.replace(hour=20, minute=0, second=0))


def wait_for_approval(founded: Founded) -> None:
    for content in WAITING:
        submitted(founded, compose(founded, content, "british", "ragdoll"))
    everybody = submitted(founded, compose(founded, EVERYBODY, "planet", *CITIES))
    approve_broadcast(everybody.pk, actor=founded.users["shenhe"], accepts_override=True)
    compose(founded, DRAFT, "vip")


def fail_for_two_reasons(run: Run) -> None:
    """Of those that failed, every other was refused for sending too quickly."""
    failed = Delivery.objects.filter(run=run, status=DeliveryStatus.FAILED)
    ids = list(failed.order_by("recipient_id").values_list("recipient_id", flat=True))
    failed.filter(recipient_id__in=ids[::2]).update(reason=OTHER_FAILURE)
