"""Somebody with very many groups and customers leaves the made-up customer, told as it happens.

Every step is what an operator does or sees: the directory tells of the leaving, the system plans,
somebody else approves, the days of the platform go by. Whatever goes wrong on the way is made to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from django.db.models import Count, Min, Q, QuerySet

from communities.models import (
    OwnershipTransfer,
    ResignationCase,
    TransferItem,
    TransferQuota,
)
from communities.rules.transfer_words import item_words
from communities.rules.transfers import (
    CaseStatus,
    ItemState,
    Subject,
)
from communities.services.resignation.resigning import approve_case, case_progress
from communities.services.transfers.items import retry_items, waive_items
from communities.services.transfers.submitting import approve_transfer
from scrm.accounts.models import Department, Staff, User
from scrm.demo.company import SimulatedCompany
from scrm.demo.judging import Verdict, judge
from scrm.shared.errors import DomainError
from scrm.wecom.models import SyncRun, WecomConnection
from scrm.wecom.rules.limits import CHATS_HANDED_OVER_A_DAY
from scrm.wecom.rules.status import SyncScope, SyncState
from scrm.wecom.services.platform_clock import learn_clock, platform_day, platform_now
from scrm.wecom.services.syncing import start_sync

DAY, A_MINUTE = 86_400, 60
PATIENCE = 1800.0  # seconds that one step may take
MOST_DAYS = 12
MOST_RETRIES = 2
#: Neither ended nor with the platform: it is sent today if the day's share allows it.
STILL_TO_SEND = (ItemState.QUEUED, ItemState.SENDING, ItemState.UNKNOWN)
TO_MEND = (ItemState.FAILED, ItemState.BLOCKED)


class StoryBroke(Exception):
    """It took too long, or the end was not what it has to be."""


@dataclass(frozen=True, slots=True)
class Troubles:
    """How many customers refuse; everything else happens once."""

    refusing: int = 25
    lost_answers: bool = True
    failing_items: bool = True
    dissolved: bool = True


@dataclass
class Story:
    """``work`` lets things go on: it waits for the workers, or does their work."""

    connection: WecomConnection
    operator: User
    approver: User
    say: Callable[[str], None]
    work: Callable[[], None]
    chats: int = 650
    customers: int = 5000
    troubles: Troubles = field(default_factory=Troubles)
    patience: float = PATIENCE
    company: SimulatedCompany = field(init=False)
    userid: str = field(init=False)
    case: ResignationCase = field(init=False)
    retries: int = 0

    def __post_init__(self) -> None:
        self.company = SimulatedCompany(self.connection)
        self.userid = f"fang.qing-{int(time.time())}"

    # --- The story --------------------------------------------------------------------------------

    def tell(self) -> Verdict:
        self.arrive()
        self.be_seen()
        self.resign()
        self.be_planned()
        self.cause_trouble()
        self.be_approved()
        self.let_days_pass()
        verdict = judge(self.case, self.company, self.userid)
        for line in verdict.lines:
            self.say(line)
        if verdict.faults:
            raise StoryBroke("；".join(verdict.faults))
        return verdict

    def arrive(self) -> None:
        self.company.do(
            "add_busy_staff",
            userid=self.userid,
            name="方晴",
            department=self._largest_department(),
            chats=self.chats,
            customers=self.customers,
        )
        self.say(
            f"方晴（{self.userid}）在企业微信里有 {self.chats} 个群、{self.customers} 位客户。"
        )

    def be_seen(self) -> None:
        began = time.monotonic()
        self.wait("等正在进行的同步结束", lambda: not self._syncs_running())
        run = start_sync(self.connection.pk, scope=SyncScope.FULL, actor=self.operator)
        self.wait("同步", lambda: not self._syncs_running())
        run.refresh_from_db()
        if run.state not in {SyncState.COMPLETED, SyncState.PARTIAL}:
            raise StoryBroke(f"同步没有完成：{run.reason}")
        seen = self._staff().owned_chats.count()
        took = time.monotonic() - began
        self.say(f"同步完成，用时 {took:.0f} 秒：她名下 {seen} 个群。")

    def resign(self) -> None:
        self.company.do("resign_staff", userid=self.userid)
        self.wait("离职交接打开", lambda: self._case() is not None)
        found = self._case()
        assert found is not None
        self.case = found
        staff = self._staff()
        self.say(
            f"通讯录回调：{staff} 离职，账号{'仍可用' if staff.is_active else '已停用'}；"
            f"离职交接 {self.case.pk} 已打开。"
        )

    def be_planned(self) -> None:
        self.wait("清点与方案", lambda: self._status() != CaseStatus.OPENED)
        self.say("系统清点了名下的一切并排好方案，等待另一个人审批：")
        for line in self._plan_lines():
            self.say(f"    {line}")

    def cause_trouble(self) -> None:
        """Before the first call: answers that get lost after it was done, and items that fail."""
        if self.troubles.lost_answers:
            for api in (
                "externalcontact/groupchat/transfer",
                "externalcontact/resigned/transfer_*",
            ):
                self.company.do("add_trouble", kind="lost_answer", api=api, code=504, times=1)
        if self.troubles.failing_items:
            self.company.do(
                "add_trouble",
                kind="fail_items",
                api="externalcontact/resigned/transfer_customer",
                code=40099,
                times=2,
                share=0.1,
            )
        if self.troubles.lost_answers or self.troubles.failing_items:
            self.say("故障：两次调用做完后丢失应答，两次调用里十分之一的客户失败。")

    def be_approved(self) -> None:
        if self._status() == CaseStatus.AWAITING_APPROVAL:
            approve_case(self.case.pk, actor=self.approver)
            self.say(f"{self.approver} 审批通过，开始执行。")

    def let_days_pass(self) -> None:
        for number in range(1, MOST_DAYS + 1):
            self.wait(f"第 {number} 天的提交", self._is_quiet)
            self.say(f"第 {number} 天（平台日期 {self._today()}）：{self._figures()}")
            if number == 1:
                self.upset()
            self.mend()
            if self._is_closed():
                return
            self.company.do("move_clock", seconds=DAY)
            learn_clock(self.connection)
            self.wait("到时的结果", self._results_are_in)
        raise StoryBroke(f"过了 {MOST_DAYS} 天还没有结案：{self._figures()}")

    def upset(self) -> None:
        """Some customers say no, and a group ends before its turn comes."""
        refusing = self.company.do(
            "refuse_transfers", userid=self.userid, count=self.troubles.refusing
        )
        self.say(f"{len(refusing)} 位客户拒绝了新的跟进人。")
        queued = self._items().filter(subject=Subject.CHAT, state=ItemState.QUEUED)
        waiting = queued.order_by("-pk").select_related("chat").first()
        if self.troubles.dissolved and waiting is not None and waiting.chat is not None:
            self.company.do("dissolve", chat_id=waiting.chat.external_id)
            self.say(f"还没轮到的群“{waiting.chat.name}”被解散了。")

    def mend(self) -> None:
        """What failed is tried again with somebody else's approval; what fails for good is waived
        with a reason."""
        broken = self._items().filter(state__in=TO_MEND)
        if not broken.exists():
            return
        for item in broken.order_by("reason", "pk").distinct("reason"):
            count = broken.filter(reason=item.reason).count()
            self.say(f"    {count} 项没有成功：{item_words(item)}")
        transfer = OwnershipTransfer.objects.get(case=self.case)
        if self.retries >= MOST_RETRIES:
            waive_items(
                transfer.pk,
                item_ids=list(broken.values_list("pk", flat=True)),
                reason="多次重试不成，由主管与客户另行联系。",
                actor=self.operator,
            )
            self.say("    重试无效，注明原因后不再转。")
            return
        self.retries += 1
        try:
            retry_items(transfer.pk, actor=self.operator)
        except DomainError as refusal:
            self.say(f"    暂时不能重试：{refusal.message}")
            return
        self.say(f"    {self.operator} 点了重试。")
        transfer.refresh_from_db()
        if self._items().filter(state=ItemState.PENDING).exists():
            approve_transfer(transfer.pk, actor=self.approver)
            self.say(f"    {self.approver} 批准了重试。")
        self.wait("重试", self._is_quiet)

    # --- Waiting ----------------------------------------------------------------------------------

    def wait(self, what: str, is_so: Callable[[], bool]) -> None:
        ends_at = time.monotonic() + self.patience
        while not is_so():
            if time.monotonic() > ends_at:
                raise StoryBroke(f"等了 {self.patience:.0f} 秒：{what}。{self._figures()}")
            self.work()

    def _is_quiet(self) -> bool:
        """Nothing is under way that this day of the platform could still bring forward."""
        if self._is_closed():
            return True
        items = self._items().filter(state__in=STILL_TO_SEND)
        if self._is_used_up():
            items = items.exclude(subject=Subject.CHAT, state=ItemState.QUEUED)
        return not items.exists() and self._status() != CaseStatus.OPENED

    def _results_are_in(self) -> bool:
        """The customers' day is over, and so is the inheriting of yesterday's groups."""
        now = platform_now(self._connection())
        accepted = self._items().filter(state=ItemState.ACCEPTED, accepted_at__lt=now)
        over = accepted.aggregate(first=Min("accepted_at"))["first"]
        return over is None or (now - over).total_seconds() < DAY - A_MINUTE

    def _is_used_up(self) -> bool:
        rows = TransferQuota.objects.filter(giver=self.case.staff_id, day=self._today())
        return any(r.is_exhausted or r.used >= CHATS_HANDED_OVER_A_DAY for r in rows)

    # --- Looking ----------------------------------------------------------------------------------

    def _connection(self) -> WecomConnection:
        self.connection.refresh_from_db(fields=["clock_ahead"])
        return self.connection

    def _today(self) -> date:
        return platform_day(platform_now(self._connection()))

    def _largest_department(self) -> int:
        """Where most colleagues can take over; the first of the directory if nobody is anywhere."""
        departments = Department.objects.filter(enterprise=self.connection.enterprise_id)
        sizes = departments.annotate(people=Count("staff", filter=Q(staff__is_active=True)))
        found = sizes.exclude(external_id="").order_by("-people", "pk").first()
        return int(found.external_id) if found is not None else 1

    def _staff(self) -> Staff:
        return Staff.objects.get(
            enterprise=self.connection.enterprise_id, external_id__iexact=self.userid
        )

    def _case(self) -> ResignationCase | None:
        cases = ResignationCase.objects.filter(staff__external_id__iexact=self.userid)
        return cases.filter(enterprise=self.connection.enterprise_id).order_by("-pk").first()

    def _status(self) -> str:
        self.case.refresh_from_db()
        return self.case.status

    def _is_closed(self) -> bool:
        return self._status() == CaseStatus.CLOSED

    def _items(self) -> QuerySet[TransferItem]:
        return TransferItem.objects.filter(transfer__case=self.case)

    def _syncs_running(self) -> bool:
        running = SyncRun.objects.running()
        return running.filter(connection=self.connection).exists()

    def _figures(self) -> str:
        if not hasattr(self, "case"):
            return ""
        return "；".join(_words_of(case_progress(self.case).counts))

    def _plan_lines(self) -> list[str]:
        progress = case_progress(self.case)
        receivers = (
            self._items()
            .exclude(receiver=None)
            .order_by()
            .values("receiver__name", "subject")
            .annotate(n=Count("pk"))
        )
        shares: dict[str, dict[str, int]] = {}
        for row in receivers:
            shares.setdefault(row["receiver__name"], {})[row["subject"]] = row["n"]
        lines = [
            f"{name}：{each.get(Subject.CHAT, 0)} 个群、{each.get(Subject.CUSTOMER, 0)} 位客户"
            for name, each in sorted(shares.items())
        ]
        days = f"群每天最多转 {CHATS_HANDED_OVER_A_DAY} 个，至少要 {progress.quota_days} 天"
        return [*_words_of(progress.counts), *lines, days]


def _words_of(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    titles, states = dict(Subject.choices), dict(ItemState.choices)
    return [
        f"{titles[subject]} " + "、".join(f"{states[state]} {n}" for state, n in each.items())
        for subject, each in counts.items()
        if each
    ]
