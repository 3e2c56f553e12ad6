"""What the desk shows, as one user may see it. Everything is counted, nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import TruncDate

from campaigns.models import ChurnAlert, WelcomeDelivery
from campaigns.rules.status import WelcomeStatus
from communities.models import Community, GroupChat, Tier
from communities.rules.status import OPEN_FOR_ENTRY
from members.criteria import matching
from members.models import EntryApplication, MemberDay, Membership
from scrm.accounts.models import OperatorTask, User
from scrm.shared.criteria import InvalidCriterion, parse_criterion
from scrm.wecom.models import InboundEvent, WecomConnection
from scrm.wecom.rules.status import ConnectionState, EventState

WEEK = timedelta(days=7)
CHART_DAYS = 14
TOP_COMMUNITIES = 8
TOP_ALERTS = 8
TOP_TIERS = 6


@dataclass(frozen=True)
class Desk:
    """Whose desk, and when: the frame of every number."""

    user: User
    now: datetime

    @property
    def today(self) -> date:
        return self.now.astimezone(self.user.enterprise.zone).date()

    @property
    def days(self) -> list[date]:
        return [self.today - timedelta(days=ago) for ago in reversed(range(CHART_DAYS))]

    def start_of(self, day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=self.user.enterprise.zone)


@dataclass(frozen=True)
class Compared:
    """A number, and the same number a week ago."""

    now: int
    before: int

    @property
    def change(self) -> int:
        return self.now - self.before

    @property
    def percent(self) -> float | None:
        return 100 * self.change / self.before if self.before else None


def running_communities(desk: Desk) -> Compared:
    counts = (
        Community.objects.visible_to(desk.user)
        .open_for_entry()
        .aggregate(now=Count("pk"), before=Count("pk", filter=Q(created_at__lte=desk.now - WEEK)))
    )
    return Compared(**counts)


def people(desk: Desk) -> Compared:
    """Distinct members who belong somewhere."""
    before = desk.now - WEEK
    belonged = Q(joined_at__lte=before) & (Q(left_at=None) | Q(left_at__gt=before))
    counts = Membership.objects.visible_to(desk.user).aggregate(
        now=Count("member", distinct=True, filter=Q(left_at=None)),
        before=Count("member", distinct=True, filter=belonged),
    )
    return Compared(**counts)


def active_people(desk: Desk) -> Compared:
    """Distinct members with a sign of life in the last seven days, today included."""
    first = desk.today - WEEK + timedelta(days=1)
    days = MemberDay.objects.visible_to(desk.user)
    rows = days.filter(day__gte=first - WEEK, day__lte=desk.today)
    counts = rows.aggregate(
        now=Count("member", distinct=True, filter=Q(day__gte=first)),
        before=Count("member", distinct=True, filter=Q(day__lt=first)),
    )
    return Compared(**counts)


def open_alerts(desk: Desk) -> Compared:
    before = desk.now - WEEK
    alerts = ChurnAlert.objects.visible_to(desk.user)
    was_open = Q(opened_at__lte=before) & (Q(closed_at=None) | Q(closed_at__gt=before))
    counts = alerts.aggregate(
        now=Count("pk", filter=Q(closed_at=None)), before=Count("pk", filter=was_open)
    )
    return Compared(**counts)


@dataclass(frozen=True)
class Queue:
    """How many wait, and since when the one that has waited longest."""

    count: int
    oldest: datetime | None = None


@dataclass(frozen=True)
class ReviewQueue(Queue):
    """With the time until which the first is due, and how many are late."""

    due: datetime | None = None
    late: int = 0


def waiting_applications(desk: Desk) -> ReviewQueue:
    applications = EntryApplication.objects.visible_to(desk.user).in_review()
    late = Count("pk", filter=Q(review_due_at__lte=desk.now))
    facts = applications.aggregate(
        count=Count("pk"), oldest=Min("submitted_at"), due=Min("review_due_at"), late=late
    )
    return ReviewQueue(**facts)


def open_tasks(desk: Desk) -> Queue:
    tasks = OperatorTask.objects.visible_to(desk.user).open()
    return Queue(**tasks.aggregate(count=Count("pk"), oldest=Min("created_at")))


def overdue_tasks(desk: Desk) -> int:
    return OperatorTask.objects.visible_to(desk.user).overdue(desk.now).count()


def my_alerts(desk: Desk) -> Queue:
    if desk.user.staff_id is None:
        return Queue(0)
    alerts = ChurnAlert.objects.visible_to(desk.user).open().filter(assignee=desk.user.staff_id)
    return Queue(**alerts.aggregate(count=Count("pk"), oldest=Min("opened_at")))


def failed_welcomes(desk: Desk) -> int:
    welcomes = WelcomeDelivery.objects.visible_to(desk.user)
    return welcomes.filter(status=WelcomeStatus.FAILED, settled_at__gte=desk.now - WEEK).count()


def crowded_chats(desk: Desk) -> int:
    return GroupChat.objects.visible_to(desk.user).crowded().count()


def unassigned_chats(desk: Desk) -> int:
    return GroupChat.objects.visible_to(desk.user).live().filter(community=None).count()


@dataclass(frozen=True)
class Movement:
    day: date
    joined: int
    left: int


def movements(desk: Desk) -> list[Movement]:
    """Joins and leaves on each of the last days. Both ends of the identity:
    members at the start + joined - left = members at the end."""
    memberships = Membership.objects.visible_to(desk.user)
    joined = per_day(memberships, "joined_at", desk)
    left = per_day(memberships, "left_at", desk)
    return [Movement(day, joined.get(day, 0), left.get(day, 0)) for day in desk.days]


def per_day(memberships: QuerySet[Membership], instant: str, desk: Desk) -> dict[date, int]:
    rows = (
        memberships.filter(**{f"{instant}__gte": desk.start_of(desk.days[0])})
        .annotate(day=TruncDate(instant, tzinfo=desk.user.enterprise.zone))
        .values_list("day")
        .annotate(count=Count("pk"))
        .order_by("day")
    )
    return dict(rows)


def active_per_day(desk: Desk) -> list[tuple[date, int]]:
    rows = (
        MemberDay.objects.visible_to(desk.user)
        .filter(day__gte=desk.days[0], day__lte=desk.today)
        .values_list("day")
        .annotate(count=Count("member", distinct=True))
        .order_by("day")
    )
    counts = dict(rows)
    return [(day, counts.get(day, 0)) for day in desk.days]


@dataclass(frozen=True)
class Size:
    name: str
    count: int
    pk: int


def largest_communities(desk: Desk) -> list[Size]:
    communities = (
        Community.objects.visible_to(desk.user)
        .filter(status__in=OPEN_FOR_ENTRY)
        .annotate(size=Count("memberships", filter=Q(memberships__left_at=None)))
        .order_by("-size", "pk")
    )
    rows = communities.values_list("name", "size", "pk")[:TOP_COMMUNITIES]
    return [Size(*row) for row in rows]


def tier_sizes(desk: Desk) -> list[Size]:
    """How many of the members in sight meet the criterion of each tier, the highest first."""
    in_sight = Membership.objects.visible_to(desk.user).active().values("member")
    sizes = []
    for tier in Tier.objects.visible_to(desk.user).order_by("scheme", "-rank")[:TOP_TIERS]:
        try:
            criterion = parse_criterion(tier.criterion)
        except InvalidCriterion:  # written before a metric it speaks of was withdrawn
            continue
        members = matching(criterion, enterprise=desk.user.enterprise, now=desk.now)
        sizes.append(Size(tier.name, members.filter(pk__in=in_sight).count(), tier.pk))
    return sizes


def most_at_stake(desk: Desk) -> list[ChurnAlert]:
    """The open alerts by value times risk: what it would cost to do nothing."""
    alerts = ChurnAlert.objects.visible_to(desk.user).open().by_stake()
    return list(alerts.select_related("member", "community", "assignee")[:TOP_ALERTS])


def failing_connections(desk: Desk) -> int:
    connections = WecomConnection.objects.visible_to(desk.user)
    return connections.filter(state=ConnectionState.FAILING).count()


def failed_callbacks(desk: Desk) -> int:
    """At most a thousand are counted."""
    events = InboundEvent.objects.visible_to(desk.user).filter(state=EventState.FAILED)
    return events[:1000].count()
