"""Whether a leaving came to the end that it has to, by our books and by the platform's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from django.db.models import QuerySet

from communities.models import (
    GroupChat,
    OwnershipPeriod,
    ResignationCase,
    TransferItem,
    TransferNotice,
)
from communities.rules.transfers import EXPLAINED, CaseStatus, ItemState, Subject
from scrm.demo.company import SimulatedCompany
from scrm.wecom.rules.limits import CHATS_HANDED_OVER_A_DAY


@dataclass
class Verdict:
    lines: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def find(self, is_so: bool, fault: str) -> None:
        if not is_so:
            self.faults.append(fault)


def judge(case: ResignationCase, company: SimulatedCompany, userid: str) -> Verdict:
    verdict = Verdict()
    case.refresh_from_db()
    verdict.find(case.status == CaseStatus.CLOSED, "离职交接没有结案")
    _judge_items(case, verdict)
    _judge_platform(case, company, userid, verdict)
    _judge_periods(case, verdict)
    return verdict


def _judge_items(case: ResignationCase, verdict: Verdict) -> None:
    items = TransferItem.objects.filter(transfer__case=case)
    states = Counter(items.values_list("state", flat=True))
    verdict.find(set(states) <= set(EXPLAINED), f"有明细没有结果：{dict(states)}")
    unexplained = items.filter(state=ItemState.WAIVED, note="").count()
    verdict.find(not unexplained, f"{unexplained} 项没有注明原因就不再转")
    notices = TransferNotice.objects.filter(transfer__case=case)
    told = Counter(notices.values_list("state", flat=True))
    verdict.say(f"明细 {dict(states)}；应用消息 {dict(told)}")


def _judge_platform(
    case: ResignationCase, company: SimulatedCompany, userid: str, verdict: Verdict
) -> None:
    items = TransferItem.objects.filter(transfer__case=case)
    left = company.do("left_behind", userid=userid)
    verdict.find(left["groups_owned"] == 0, f"平台上她还有 {left['groups_owned']} 个群")
    waived = items.filter(subject=Subject.CUSTOMER, state=ItemState.WAIVED).count()
    verdict.find(left["customers"] <= waived, f"平台上她还有 {left['customers']} 位客户")
    days = left["groups_given_by_day"]
    verdict.find(max(days, default=0) <= CHATS_HANDED_OVER_A_DAY, f"一天转了太多群：{days}")
    verdict.find(left["customer_given_most_often"] <= 1, "有客户被转了不止一次")
    verdict.say(f"平台的记录：每天转群 {days}，客户 {left['customers_given']}，没有遗留")


def _judge_periods(case: ResignationCase, verdict: Verdict) -> None:
    chats = GroupChat.objects.filter(
        pk__in=TransferItem.objects.filter(transfer__case=case, subject=Subject.CHAT).values("chat")
    )
    broken = chats_without_cover(chats)
    verdict.find(not broken, f"{len(broken)} 个群的群主任期有空缺")
    count = OwnershipPeriod.objects.filter(chat__in=chats).count()
    verdict.say(f"{chats.count()} 个群的 {count} 段群主任期首尾相接，覆盖每个群的一生")


def chats_without_cover(chats: QuerySet[GroupChat]) -> list[int]:
    """Those whose life is not covered, without a gap, by the periods of its owners."""
    ends = {chat.pk: (chat.founded_at or chat.created_at, chat.dissolved_at) for chat in chats}
    periods: dict[int, list[tuple[datetime, datetime | None]]] = {}
    rows = OwnershipPeriod.objects.filter(chat__in=ends).order_by("chat", "began_at", "pk")
    for chat_id, began_at, ended_at in rows.values_list("chat", "began_at", "ended_at"):
        periods.setdefault(chat_id, []).append((began_at, ended_at))
    return [pk for pk in ends if not covers(periods.get(pk, []), *ends[pk])]


def covers(
    periods: Sequence[tuple[datetime, datetime | None]], began: datetime, ended: datetime | None
) -> bool:
    """Whether periods, in their order, cover a chat's life without a gap."""
    if not periods or periods[0][0] > began or periods[-1][1] != ended:
        return False
    return all(one[1] == other[0] for one, other in pairwise(periods))
