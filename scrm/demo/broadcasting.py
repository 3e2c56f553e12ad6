"""A message to the chats of many owners on WeCom, told as it happens.

Every step is what an operator does or sees: each owner is asked, some tap at once, some after a
reminder, one leaves a chat out, one is stopped, some never answer until it expires. Answers of the
platform get lost on the way. At the end every chat is compared with what the platform knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Count, QuerySet

from campaigns.models import Broadcast, Dispatch, Run
from campaigns.rules.status import BroadcastTarget, DispatchStatus, RunStatus
from campaigns.selectors.progress import progress_of
from campaigns.services.reminding import remind_run
from campaigns.services.stopping import stop_dispatch
from communities.models import Community, GroupChat
from communities.services.chats import assign_chat
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.demo.judging_sends import judge_run
from scrm.demo.storytelling import Stage, StoryBroke
from scrm.wecom.models import SyncRun
from scrm.wecom.rules.status import SyncScope
from scrm.wecom.services.platform_clock import learn_clock
from scrm.wecom.services.syncing import start_sync

FOUNDED_DAYS_AGO = 30
DAY = timedelta(days=1)
CREATE = "externalcontact/add_msg_template"


@dataclass
class Owners:
    """Who does what when they are asked to send."""

    quick: list[str]
    picky: list[str]
    late: list[str]
    stopped: list[str]
    silent: list[str]

    @classmethod
    def of(cls, userids: list[str]) -> Owners:
        tenth = max(1, len(userids) // 10)
        rest = userids[2 + 2 * tenth :]
        return cls(
            picky=userids[:1],
            stopped=userids[1:2],
            silent=userids[2 : 2 + tenth],
            late=userids[2 + tenth : 2 + 2 * tenth],
            quick=rest,
        )


@dataclass
class MassStory:
    stage: Stage
    chats: int = 2000
    owners: int = 40
    members: int = 2
    lost_answers: int = 2
    community: Community = field(init=False)
    run: Run = field(init=False)
    asked: Owners = field(init=False)
    people: dict[str, list[str]] = field(init=False)  # of each chat

    def tell(self) -> None:
        self.arrive()
        self.be_seen()
        self.gather()
        self.be_sent()
        self.be_confirmed_by_some()
        self.be_reminded()
        self.be_stopped_for_one()
        self.let_a_day_pass()
        self.let_a_month_pass()
        verdict = judge_run(self.run, self.stage.company)
        for line in verdict.lines:
            self.stage.say(line)
        if verdict.faults:
            raise StoryBroke("；".join(verdict.faults))

    # --- The chats --------------------------------------------------------------------------------

    @property
    def userids(self) -> list[str]:
        return [f"qunzhu{n:02d}-{self.stage.mark}" for n in range(self.owners)]

    def arrive(self) -> None:
        mark, began = self.stage.mark, self.stage.mark - FOUNDED_DAYS_AGO * 86_400
        names = [f"wm{mark}x{n}" for n in range(self.chats * self.members)]
        inside = [names[n * self.members : (n + 1) * self.members] for n in range(self.chats)]
        groups = [
            [
                "",
                f"门店 {n + 1} 群",
                self.userids[n % self.owners],
                began,
                [[name, began] for name in inside[n]],
            ]
            for n in range(self.chats)
        ]
        content = {
            "staff": [[userid, f"群主{n + 1:02d}"] for n, userid in enumerate(self.userids)],
            "customers": [[name, f"顾客{n}", "", began] for n, name in enumerate(names)],
            "groups": groups,
        }
        chat_ids = self.stage.company.do("load", content=content)["groups"]
        self.people = dict(zip(chat_ids, inside, strict=True))
        self.stage.say(f"企业微信里有 {self.owners} 位群主的 {self.chats} 个群。")

    def be_seen(self) -> None:
        connection, stage = self.stage.connection, self.stage
        running = SyncRun.objects.running().filter(connection=connection)
        stage.wait("等正在进行的同步结束", lambda: not running.exists())
        start_sync(connection.pk, scope=SyncScope.FULL, actor=stage.operator)
        stage.wait("同步", lambda: not running.exists())
        seen = self.chats_here().count()
        if seen < self.chats:
            raise StoryBroke(f"同步后只看到 {seen} 个群。")
        stage.say("同步完成。")

    def gather(self) -> None:
        self.community = self.stage.community("mendian", "全国门店群")
        for pk in self.chats_here().values_list("pk", flat=True):
            assign_chat(pk, community=self.community, actor=self.stage.operator)
        self.stage.say(f"{self.chats} 个群归入社群“{self.community}”。")

    def chats_here(self) -> QuerySet[GroupChat]:
        return GroupChat.objects.filter(
            channel_account=self.stage.connection.account_id, external_id__in=list(self.people)
        )

    # --- The message ------------------------------------------------------------------------------

    def be_sent(self) -> None:
        stage = self.stage
        stage.company.do(
            "add_trouble", kind="lost_answer", api=CREATE, code=504, times=self.lost_answers
        )
        broadcast = stage.draft(
            name=f"门店活动 {stage.mark}",
            body=f"本周六 10 点，门店有免费驱虫体验，欢迎带毛孩子来。（{stage.mark}）",
            target=BroadcastTarget.CHATS,
            communities=[self.community],
            channel_account=stage.connection.account,
            remind_after_hours=[4],
        )
        self.run = self._begun(stage.send(broadcast))
        stage.say(f"故障：{self.lost_answers} 次调用做完后丢失应答；系统先核对，不重发。")
        stage.wait("提交给群主", self._is_handed_over)
        waiting = self._dispatches(DispatchStatus.AWAITING)
        self.asked = Owners.of(sorted({each.sender for each in waiting}))
        stage.say(f"{len(waiting)} 个任务在等群主确认。{self._figures()}")

    def _begun(self, broadcast: Broadcast) -> Run:
        self.stage.wait("开始发送", lambda: broadcast.runs.exists())
        return broadcast.runs.get()

    def be_confirmed_by_some(self) -> None:
        first = self.asked.picky[0]
        task = self._task(first)
        left_out = task["recipients"][0]["id"]
        chosen = [each["id"] for each in task["recipients"][1:]]
        self.stage.company.do("tap_send", msgid=task["msgid"], userid=first, only=chosen)
        self._tap(self.asked.quick)
        self._move_clock(timedelta(minutes=5))
        waiting = [*self.asked.late, *self.asked.silent, *self.asked.stopped]
        self.stage.wait("已确认的结果", lambda: self._confirmed() >= self.owners - len(waiting))
        name = GroupChat.objects.get(external_id=left_out).name
        self.stage.say(
            f"{self._confirmed()} 位群主点了发送，其中一位没有选“{name}”。{self._figures()}"
        )

    def be_reminded(self) -> None:
        reminded = remind_run(self.run.pk, actor=self.stage.operator)
        self.stage.wait("提醒", lambda: not self._asked_for())
        self._move_clock(timedelta(hours=4))
        self.stage.wait("到时的提醒", lambda: self._reminders() >= 2 * reminded)
        self._tap(self.asked.late)
        self._move_clock(timedelta(minutes=5))
        expected = self.owners - len(self.asked.silent) - len(self.asked.stopped)
        self.stage.wait("提醒后的确认", lambda: self._confirmed() >= expected)
        self.stage.say(
            f"{reminded} 位群主各被提醒 2 次（一次手动，一次在 4 小时后），"
            f"{len(self.asked.late)} 位随后确认。{self._figures()}"
        )

    def be_stopped_for_one(self) -> None:
        sender = self.asked.stopped[0]
        stop_dispatch(self._dispatch(sender).pk, actor=self.stage.operator)
        self.stage.wait("停止", lambda: self._dispatch(sender).awaiting_count == 0)
        if not self._task(sender)["cancelled"]:
            raise StoryBroke("平台上的任务没有停止。")
        self.stage.say(f"{sender} 的任务在确认前被停止。{self._figures()}")

    def let_a_day_pass(self) -> None:
        self._move_clock(DAY)
        self.stage.wait("一天后的待办", lambda: self._open_task() is not None)
        task = self._open_task()
        assert task is not None
        self.stage.say(f"一天后的待办：{task.title}。{self._figures()}")

    def let_a_month_pass(self) -> None:
        self._move_clock(30 * DAY)
        self.stage.wait("过期", lambda: self._status() == RunStatus.FINISHED)
        if self._open_task() is not None:
            raise StoryBroke("都有结果了，待办还开着。")
        self.stage.say(f"30 天后没有确认的过期，执行结束。{self._figures()}")

    # --- Looking and doing ------------------------------------------------------------------------

    def _tap(self, userids: Iterable[str]) -> None:
        for userid in userids:
            self.stage.company.do("tap_send", msgid=self._task(userid)["msgid"], userid=userid)

    def _move_clock(self, span: timedelta) -> None:
        self.stage.company.do("move_clock", seconds=span.total_seconds())
        learn_clock(self.stage.connection)

    def _task(self, userid: str) -> dict[str, Any]:
        """What the platform asks this owner to send, with the message it belongs to."""
        msgid = self._dispatch(userid).remote_id
        for message in self.stage.company.see("mass_messages"):
            if message["msgid"] == msgid:
                return {**message["tasks"][0], **{k: message[k] for k in ("msgid", "cancelled")}}
        raise StoryBroke(f"平台上没有 {userid} 的任务。")

    def _dispatch(self, userid: str) -> Dispatch:
        return Dispatch.objects.get(run=self.run, sender=userid)

    def _dispatches(self, *statuses: str) -> list[Dispatch]:
        return list(Dispatch.objects.filter(run=self.run, status__in=statuses))

    def _is_handed_over(self) -> bool:
        counts = dict(
            Dispatch.objects.filter(run=self.run)
            .order_by()
            .values_list("status")
            .annotate(n=Count("pk"))
            .values_list("status", "n")
        )
        return counts.get(DispatchStatus.AWAITING, 0) == self.owners

    def _confirmed(self) -> int:
        return Dispatch.objects.filter(run=self.run, confirmed_at__isnull=False).count()

    def _asked_for(self) -> bool:
        return Dispatch.objects.filter(run=self.run, remind_asked_at__isnull=False).exists()

    def _reminders(self) -> int:
        return sum(len(each.reminded_at) for each in Dispatch.objects.filter(run=self.run))

    def _open_task(self) -> OperatorTask | None:
        return (
            OperatorTask.objects.open()
            .filter(kind=TaskKind.BROADCAST_UNCONFIRMED, object_id=self.run.broadcast_id)
            .first()
        )

    def _status(self) -> str:
        self.run.refresh_from_db()
        return self.run.status

    def _figures(self) -> str:
        now = progress_of(self.run.pk)
        return (
            f"送达 {now.delivered}，待确认 {now.awaiting_owner}，失败 {now.failed}，"
            f"取消 {now.cancelled}，过期 {now.expired}，共 {now.total}。"
        )
