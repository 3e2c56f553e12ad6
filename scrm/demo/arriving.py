"""Who of the made-up members wants in where, and what becomes of it.

Through the verbs that real applications go through; only dates are moved back afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from django.db.models import QuerySet
from django.db.models.functions import Now

from campaigns.services.welcoming import send_due_welcomes
from members.criteria import matching
from members.models import EntryApplication, Evidence, Member, Membership
from members.rules.activity import ActivityKind, RawEvent
from members.rules.purchases import RawPurchase
from members.rules.status import ApplicationStatus, JoinSource, ObservedBy
from members.services.blocking import block_member
from members.services.deadlines import watch_reviews
from members.services.deciding import settle_due_decisions
from members.services.ingestion import ingest_activities
from members.services.joining import apply_for_entry
from members.services.observing import observe_join
from members.services.purchases import record_purchases
from members.services.registering import register_member
from members.services.reviewing import approve_application, reject_application
from members.services.tier_dues import drain_tier_dues
from members.services.uploading import submit_evidence
from scrm.demo import world
from scrm.demo.founding import Founded
from scrm.demo.pictures import pet_photo
from scrm.shared.criteria import parse_criterion

VIP_APPLICANTS = 48
VIP_WAITING = 9
UNFIT_APPLICANTS = 12
NEWCOMERS = 9
REFUSALS = (
    "近期有两次私下导流记录，观察一个月后再申请。",
    "资料里的宠物照片与本人不符，请补充后再申请。",
    "已有家人账号在群内，请使用同一账号。",
)
WAITED_HOURS = (0.4, 1, 1.5, 3, 5, 8, 20, 29)


def let_people_apply(founded: Founded, *, seed: int) -> dict[str, int]:
    """VIPs by rule and review, some refused by the rule, and newcomers who walk in."""
    random = Random(f"{seed}:applications")
    vips = list(in_the_planet(founded).filter(pk__in=who_meets(founded, world.VIPS)))
    others = list(in_the_planet(founded).exclude(pk__in=[member.pk for member in vips]))
    applications = [apply(founded, member, "vip") for member in vips[:VIP_APPLICANTS]]
    refused = [apply(founded, member, "vip") for member in random.sample(others, UNFIT_APPLICANTS)]
    in_review = [one for one in applications if one.status == ApplicationStatus.IN_REVIEW]
    waiting, decided = in_review[:VIP_WAITING], in_review[VIP_WAITING:]
    review(founded, decided, refusals=REFUSALS)
    outside = (
        Member.objects.filter(enterprise=founded.enterprise)
        .exclude(memberships__community=founded.communities["planet"])
        .order_by("pk")[:NEWCOMERS]
    )
    for member in outside:
        apply(founded, member, "planet")
    for application in (*decided, *refused):
        date_back(founded, application, hours=24 * random.randint(1, 60) + random.random() * 10)
    for application in waiting:
        date_back(founded, application, hours=random.choice(WAITED_HOURS))
    return {"waiting": len(waiting), "refused": len(refused) + len(REFUSALS)}


# --- two short of one purchase ---


@dataclass(frozen=True)
class Nearly:
    """Somebody with ten posts and two purchases, one short of the third."""

    external_id: str
    nickname: str
    buys_again: bool


NEARLY = (
    Nearly("zz-nearly-1", "栗子妈妈·差一单", buys_again=True),
    Nearly("zz-nearly-2", "布丁爸爸·还差一单", buys_again=False),
)
TWO_ORDERS = (52, 19)  # days ago
THIRD_ORDER = 1
REFUSED_HOURS = 24 * 6
ADMITTED_HOURS = 20


def refuse_for_one_purchase(founded: Founded) -> int:
    """Refused with 2 of 3 purchases and 10 of 10 posts; who then buys again rises and gets in."""
    for number, spec in enumerate(NEARLY, start=1):
        member = register_member(
            external_id=spec.external_id, nickname=spec.nickname, actor=founded.admin
        )
        welcomed = apply(founded, member, "planet")
        date_back(founded, welcomed, hours=24 * 70)
        for ago in TWO_ORDERS:
            buy(founded, spec.external_id, ago=ago, number=number)
        post_ten_times(founded, spec.external_id)
        drain_tier_dues(budget=60)
        date_back(founded, apply(founded, member, "vip"), hours=REFUSED_HOURS - number)
        if spec.buys_again:
            buy(founded, spec.external_id, ago=THIRD_ORDER, number=number)
            drain_tier_dues(budget=60)
            application = apply(founded, member, "vip")
            review(founded, [application])
            date_back(founded, application, hours=ADMITTED_HOURS)
    return len(NEARLY)


def buy(founded: Founded, external_id: str, *, ago: int, number: int) -> None:
    at = (founded.now - timedelta(days=ago)).replace(hour=10, minute=30)
    order = RawPurchase(external_id, f"ZZ{at:%y%m%d}9{number:03d}", at.isoformat(), 12_900, 0)
    record_purchases(founded.enterprise, [order], source="mini-shop", now=founded.now)


def post_ten_times(founded: Founded, external_id: str) -> None:
    days = [(founded.now - timedelta(days=3 + 4 * post)).replace(hour=20) for post in range(10)]
    posts = [
        RawEvent(
            external_id,
            "planet",
            ActivityKind.POST.value,
            day.isoformat(),
            f"{external_id}-post-{post}",
            "",
        )
        for post, day in enumerate(days)
    ]
    ingest_activities(founded.enterprise, posts, source="chat-archive", now=founded.now)


# --- photos of pets ---


@dataclass(frozen=True)
class Shown:
    """An applicant with a photo: of which breed, what the picture shows, and what came of it."""

    community: str
    picture: str  # breed and seed of the drawing; empty: nothing handed in yet
    hours: float
    verdict: str = ""  # "yes", a reason for a no, or empty while it waits


PHOTOS = (
    Shown("golden", "golden:1", 50, "yes"),
    Shown("corgi", "corgi:2", 46, "yes"),
    Shown("ragdoll", "ragdoll:3", 30, "照片里不是布偶猫，请换一张你家猫咪的照片。"),
    Shown("british", "british:4", 28, "yes"),
    Shown("corgi", "corgi:5", 0.3),
    Shown("corgi", "corgi:2", 0.8),  # the photo somebody else was let in with
    Shown("golden", "golden:6", 1.5),
    Shown("golden", "poodle:7", 2.2),
    Shown("british", "british:8", 4),
    Shown("ragdoll", "ragdoll:9", 7),
    Shown("british", "american:10", 26),
    Shown("golden", "", 3),
    Shown("ragdoll", "", 11),
)


def show_photos(founded: Founded) -> int:
    """No transaction is open: files are written. How many photos wait for a reviewer."""
    random = Random("photos")
    for spec in PHOTOS:
        application = apply(founded, stranger_to(founded, spec.community), spec.community)
        if spec.picture:
            breed, seed = spec.picture.split(":")
            photo = pet_photo(breed, seed=seed, quality=random.randint(80, 92))
            value = founded.values[f"breed:{spec.community}"]
            submit_evidence(application.pk, value=value, upload=photo)
        if spec.verdict:
            refusals = () if spec.verdict == "yes" else (spec.verdict,)
            review(founded, [application], refusals=refusals)
        date_back(founded, application, hours=spec.hours)
    return Evidence.objects.pending().filter(enterprise=founded.enterprise).count()


def stranger_to(founded: Founded, community: str) -> Member:
    """Somebody of the planet with this pet who never was in this community, nor applied for it."""
    known = founded.communities[community]
    mine = in_the_planet(founded).exclude(memberships__community=known)
    mine = mine.exclude(applications__community=known)
    with_pet = mine.filter(classifications__value=founded.values[f"breed:{community}"])
    member = with_pet.first() or mine.first()
    if member is None:
        raise RuntimeError(f"Everybody is in {community} already.")
    return member


# --- what should not have happened ---


def let_trouble_happen(founded: Founded) -> int:
    """Two come in by a side door, one is kept out for good, and somebody is asked about it."""
    chat = founded.communities["vip"].group_chats.order_by("pk").first()
    if chat is None:
        raise RuntimeError("The community of VIPs has no chat.")
    known = founded.communities["vip"]
    strangers = in_the_planet(founded).exclude(memberships__community=known)
    for member in strangers.exclude(applications__community=known).order_by("-pk")[:2]:
        seen = founded.now - timedelta(hours=5)
        observe_join(member, chat=chat, observed_by=ObservedBy.SYNC, joined_at=seen)
    blocked = in_the_planet(founded).exclude(applications__community=known).order_by("pk").last()
    if blocked is not None:
        reason = "多次在群里发外部群的二维码，已提醒两次。"
        block_member(blocked, reason=reason, actor=founded.users["shenhe"])
    watch_reviews()
    while send_due_welcomes():
        pass
    return 2


# --- how it is done ---


def who_meets(founded: Founded, criterion: world.Json) -> QuerySet[Member]:
    return matching(parse_criterion(criterion), enterprise=founded.enterprise, now=founded.now)


def in_the_planet(founded: Founded) -> QuerySet[Member]:
    inside = Membership.objects.active().filter(community=founded.communities["planet"])
    return Member.objects.filter(pk__in=inside.values("member")).order_by("pk")


def apply(founded: Founded, member: Member, community: str) -> EntryApplication:
    return apply_for_entry(
        member, community=founded.communities[community], source=JoinSource.JOIN_PAGE, actor=None
    )


def review(
    founded: Founded, applications: list[EntryApplication], *, refusals: tuple[str, ...] = ()
) -> None:
    """The first are refused with these words, the others let in, and nobody thinks again."""
    reviewer = founded.users["shenhe"]
    for application, reason in zip(applications, refusals, strict=False):
        reject_application(application.pk, reason=reason, actor=reviewer)
    for application in applications[len(refusals) :]:
        approve_application(application.pk, actor=reviewer)
    EntryApplication.objects.filter(settles_at__isnull=False).update(settles_at=Now())
    settle_due_decisions()


def date_back(founded: Founded, application: EntryApplication, *, hours: float) -> None:
    """As if it had been handed in so long ago and, if it is decided, been decided soon after."""
    application.refresh_from_db()
    at = founded.now - timedelta(hours=hours)
    application.submitted_at = at
    if application.review_due_at is not None:
        due = timedelta(hours=application.policy.review_hours)
        application.review_due_at = at + due
    if application.decided_at is not None:
        application.decided_at = min(at + timedelta(minutes=40), founded.now)
    application.save(update_fields=["submitted_at", "review_due_at", "decided_at"])
    application.evidence.update(uploaded_at=at + timedelta(minutes=3))
    membership = application.membership
    if membership is not None:
        membership.joined_at = application.decided_at or at
        membership.save(update_fields=["joined_at"])
        membership.stays.update(joined_at=membership.joined_at)
