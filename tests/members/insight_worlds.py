"""Communities with a known history, for tests of their days and figures."""

from datetime import UTC, datetime, timedelta

from members.models import ActivityCoverage, Member, MemberDay, Membership, PurchaseDay
from members.rules.status import JoinSource, LeaveReason


def at(day, hour=12):
    """Noon in Shanghai, unless another local hour is asked for."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour - 8)


def measure(community, first, last, *, source="app"):
    """A source listened from the first to the last day, all day."""
    ActivityCoverage.objects.create(
        community=community,
        source=source,
        covered_from=at(first, 0),
        covered_to=at(last, 24) - timedelta(seconds=1),
    )


def settle(community, count, *, joined, left=None):
    """So many members who joined on a day, and may have left on another."""
    enterprise = community.enterprise
    number = Member.objects.filter(enterprise=enterprise).count()
    members = Member.objects.bulk_create(
        Member(enterprise=enterprise, external_id=f"m{number + index}", nickname="某人")
        for index in range(count)
    )
    Membership.objects.bulk_create(
        Membership(
            enterprise=enterprise,
            community=community,
            member=member,
            source=JoinSource.API,
            joined_at=at(joined),
            left_at=left and at(left),
            leave_reason=LeaveReason.SELF if left else "",
        )
        for member in members
    )
    return members


def be_active(community, members, *days, hours=(12,), **counts):
    """Each of the members on each of the days, in these local hours."""
    counts = counts or {"message_count": 1}
    MemberDay.objects.bulk_create(
        MemberDay(
            enterprise=community.enterprise,
            community=community,
            member=member,
            day=day,
            hours=sum(1 << hour for hour in hours),
            **counts,
        )
        for member in members
        for day in days
    )


def buy(member, day, amount, *, currency="CNY", standing=1):
    return PurchaseDay.objects.create(
        enterprise=member.enterprise,
        member=member,
        day=day,
        currency=currency,
        order_count=1,
        standing_count=standing,
        net_amount=amount,
    )
