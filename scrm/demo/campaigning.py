"""More that broadcasts can do, told as it happens: a greeting that comes again with its festival,
and a message to everybody that two have to approve and that the quit breaker stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Q

from campaigns.models import Broadcast, Dispatch, QuitWatch, Run, SandboxMessage
from campaigns.rules.festivals import LUNAR, festival_days
from campaigns.rules.schedules import Festival, ScheduleKind
from campaigns.rules.status import BroadcastStatus, BroadcastTarget, RunStatus
from campaigns.selectors.progress import progress_of
from campaigns.services.approving import approve_broadcast, submit_broadcast
from campaigns.services.schedules import FARTHEST_OFFSET, end_schedule, set_schedule
from campaigns.services.scheduling import schedule_broadcast
from communities.models import Community
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.demo.broadcasting import MassStory
from scrm.demo.storytelling import Stage, StoryBroke
from scrm.shared.errors import DomainError
from scrm.wecom.models import ChannelAccount, ChannelKind
from scrm.wecom.services.platform_clock import learn_clock

LEAVING_SHARE = 0.08
LEAST_LEAVES = 6
SOON = timedelta(minutes=2)


@dataclass
class FestivalStory:
    """In two minutes it is so many days before or after a festival."""

    stage: Stage
    run: Run = field(init=False)

    def tell(self) -> None:
        stage = self.stage
        zone = stage.connection.enterprise.zone
        at = datetime.now(zone) + SOON
        festival, offset = nearest_festival(at.date())
        broadcast = stage.draft(
            name=f"{Festival(festival).label}问候 {stage.mark}",
            body="{{昵称}}，节日快乐，{{社群}}祝毛孩子健康。",
            communities=[self._community()],
            channel_account=self._sandbox(),
            override_reason="节日问候，7 天内第二次全员群发已说明。",
        )
        set_schedule(
            broadcast.pk,
            actor=stage.operator,
            kind=ScheduleKind.FESTIVAL,
            festivals=[festival],
            day_offset=offset,
            local_time=at.time().replace(second=0, microsecond=0),
            time_zone=str(zone),
        )
        broadcast = stage.send(broadcast)
        assert broadcast.scheduled_at is not None
        first = broadcast.scheduled_at.astimezone(zone)
        stage.say(
            f"“{broadcast.name}”每年{Festival(festival).label}"
            f"{f'前 {-offset} 天' if offset < 0 else f'后 {offset} 天'}发送，"
            f"下次 {first:%Y-%m-%d %H:%M}。"
        )
        stage.wait("节日群发", lambda: self._is_over(broadcast))
        self._judge(broadcast, first, zone)
        end_schedule(broadcast.pk, actor=stage.operator)

    def _judge(self, broadcast: Broadcast, first: datetime, zone: ZoneInfo) -> None:
        now = progress_of(self.run.pk)
        keys = [f"dispatch-{pk}" for pk in self.run.dispatches.values_list("pk", flat=True)]
        taken = SandboxMessage.objects.filter(
            channel_account=broadcast.channel_account, key__in=keys
        ).count()
        if taken != now.delivered:
            raise StoryBroke(f"沙盒收到 {taken} 条，系统记为送达 {now.delivered}。")
        broadcast.refresh_from_db()
        following = broadcast.scheduled_at
        if broadcast.status != BroadcastStatus.SCHEDULED or following is None:
            raise StoryBroke("节日群发没有等待下一次。")
        again = following.astimezone(zone)
        if again <= first:
            raise StoryBroke("下一次不在这一次之后。")
        self.stage.say(
            f"    送达 {now.delivered} 人，共 {now.total}；下一次 {again:%Y-%m-%d %H:%M}。"
        )

    def _is_over(self, broadcast: Broadcast) -> bool:
        run = broadcast.runs.order_by("-pk").first()
        if run is None or run.status != RunStatus.FINISHED:
            return False
        self.run = run
        return True

    def _community(self) -> Community:
        """The largest."""
        here = Count("memberships", filter=Q(memberships__left_at=None))
        communities = Community.objects.filter(enterprise=self.stage.connection.enterprise_id)
        return communities.annotate(here=here).order_by("-here", "pk")[0]

    def _sandbox(self) -> ChannelAccount:
        accounts = ChannelAccount.objects.active().filter(
            enterprise=self.stage.connection.enterprise_id, kind=ChannelKind.SANDBOX
        )
        return accounts.order_by("pk")[0]


def nearest_festival(today: date) -> tuple[Festival, int]:
    """One that is not far from today, by the moon if there is one, and how many days after it
    today is."""
    found = [
        (festival not in LUNAR, abs((today - day).days), festival.value, (today - day).days)
        for festival in Festival
        for year in (today.year - 1, today.year, today.year + 1)
        for day in festival_days(festival, year)
        if abs((today - day).days) <= FARTHEST_OFFSET
    ]
    _, _, name, offset = min(found)
    return Festival(name), offset


@dataclass
class BlastStory:
    """To all chats of the owners of another story, of which half tap before too many leave."""

    stage: Stage
    mass: MassStory
    broadcast: Broadcast = field(init=False)
    run: Run = field(init=False)

    def tell(self) -> None:
        self.be_refused_until_two_approve()
        self.be_sent_by_half()
        self.be_left()
        self.be_halted()

    def be_refused_until_two_approve(self) -> None:
        stage = self.stage
        self.broadcast = stage.draft(
            name=f"全员通知 {stage.mark}",
            body=f"门店本月全部商品第二件半价，进店即享。（{stage.mark}）",
            target=BroadcastTarget.CHATS,
            communities=[self.mass.community],
            channel_account=stage.connection.account,
            override_reason="与各门店约定的月度通知，7 天内第二次已说明。",
        )
        submit_broadcast(self.broadcast.pk, actor=stage.operator)
        self._be_refused(lambda: schedule_broadcast(self.broadcast.pk, actor=stage.operator))
        approve_broadcast(self.broadcast.pk, actor=stage.approvers[0], accepts_override=True)
        stage.say(f"    {stage.approvers[0]} 批准，全员群发还需另一位。")
        self._be_refused(lambda: schedule_broadcast(self.broadcast.pk, actor=stage.operator))
        self._be_refused(
            lambda: approve_broadcast(
                self.broadcast.pk, actor=stage.approvers[0], accepts_override=True
            )
        )
        approve_broadcast(self.broadcast.pk, actor=stage.approvers[1], accepts_override=True)
        self.broadcast.refresh_from_db()
        if self.broadcast.status != BroadcastStatus.APPROVED:
            raise StoryBroke("两人批准后仍不能发送。")
        stage.say(f"    {stage.approvers[1]} 批准，两人都已批准。")

    def _be_refused(self, attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except DomainError as refusal:
            self.stage.say(f"    被拒绝：{refusal.message}")
        else:
            raise StoryBroke("全员群发没有两人批准也能继续。")

    def be_sent_by_half(self) -> None:
        stage = self.stage
        schedule_broadcast(self.broadcast.pk, actor=stage.operator)
        stage.wait("开始发送", lambda: self.broadcast.runs.exists())
        self.run = self.broadcast.runs.get()
        stage.wait("提交给群主", lambda: len(self._waiting()) == self.mass.owners)
        self.tapped = self._waiting()[: self.mass.owners // 2]
        for dispatch in self.tapped:
            stage.company.do("tap_send", msgid=dispatch.remote_id, userid=dispatch.sender)
        stage.company.do("move_clock", seconds=300)
        learn_clock(stage.connection)
        stage.wait("一半群主的确认", lambda: self._confirmed() == len(self.tapped))
        now = progress_of(self.run.pk)
        stage.say(f"{len(self.tapped)} 位群主已发送 {now.delivered} 个群，其余在等确认。")

    def be_left(self) -> None:
        """Some of those who got it leave their chats."""
        sent = {pk for each in self.tapped for pk in each.recipient_ids}
        chats = dict(self.mass.chats_here().values_list("external_id", "pk"))
        people = [
            (chat_id, person)
            for chat_id, members in self.mass.people.items()
            if chats[chat_id] in sent
            for person in members
        ]
        leavers = people[: max(LEAST_LEAVES, round(LEAVING_SHARE * len(people)))]
        for chat_id, person in leavers:
            self.stage.company.do("leave", chat_id=chat_id, ids=[person])
        self.stage.say(f"收到的 {len(people)} 人里 {len(leavers)} 人退了群（平时几乎没有）。")

    def be_halted(self) -> None:
        stage = self.stage
        stage.wait("退群熔断", lambda: self._status() == BroadcastStatus.HALTED)
        stage.wait("平台上停止其余任务", lambda: not self._open())
        now = progress_of(self.run.pk)
        watch = QuitWatch.objects.filter(run=self.run).order_by("-leave_count").first()
        assert watch is not None
        stage.say(f"系统自动叫停：{self.broadcast.status_reason}")
        stage.say(
            f"    看到 {watch.exposed_count} 人里 {watch.leave_count} 人退出"
            f"（下限 {watch.lower:.2%}，平时 {watch.baseline_rate:.2%}）；"
            f"已送达 {now.delivered} 个群，其余 {now.cancelled} 个没有发出。"
        )
        self._judge(delivered=now.delivered, cancelled=now.cancelled, total=now.total)

    def _judge(self, *, delivered: int, cancelled: int, total: int) -> None:
        if delivered + cancelled != total or not cancelled:
            raise StoryBroke(f"叫停后 {delivered} + {cancelled} 不等于 {total}。")
        ours = set(self.run.dispatches.values_list("remote_id", flat=True))
        messages = [
            each for each in self.stage.company.see("mass_messages") if each["msgid"] in ours
        ]
        unsent = [each for each in messages if not each["tasks"][0]["status"]]
        if not all(each["cancelled"] for each in unsent):
            raise StoryBroke("平台上还有没有停止的任务。")
        task = OperatorTask.objects.open().filter(
            kind=TaskKind.BROADCAST_HALTED, object_id=self.broadcast.pk
        )
        if not task.exists():
            raise StoryBroke("叫停后没有待办。")

    # --- Looking ----------------------------------------------------------------------------------

    def _waiting(self) -> list[Dispatch]:
        return list(self.run.dispatches.filter(status="awaiting").order_by("pk"))

    def _confirmed(self) -> int:
        return self.run.dispatches.filter(confirmed_at__isnull=False).count()

    def _open(self) -> bool:
        return Dispatch.objects.open().filter(run=self.run).exists()

    def _status(self) -> str:
        self.broadcast.refresh_from_db()
        return self.broadcast.status
