"""Whether what we say of every chat is what the platform knows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from campaigns.models import Delivery, Dispatch, Run
from campaigns.rules.reasons import reason_words
from campaigns.rules.status import DeliveryStatus
from campaigns.selectors.progress import counted_deliveries, progress_of
from communities.models import GroupChat
from scrm.demo.company import SimulatedCompany
from scrm.demo.judging import Verdict

ARRIVED = 1
ENDED = frozenset(DeliveryStatus.values) - {DeliveryStatus.PLANNED, DeliveryStatus.AWAITING_OWNER}


def judge_run(run: Run, company: SimulatedCompany) -> Verdict:
    """A run to chats through WeCom that is over."""
    verdict = Verdict()
    ours = _ours(run)
    messages = [each for each in company.see("mass_messages") if each["text"] == run.broadcast.body]
    _judge_chats(ours, messages, verdict)
    _judge_tasks(run, messages, verdict)
    _judge_sums(run, verdict)
    return verdict


def _ours(run: Run) -> dict[str, tuple[str, str]]:
    rows = Delivery.objects.filter(run=run).values_list("recipient_id", "status", "reason")
    names = dict(
        GroupChat.objects.filter(pk__in=[pk for pk, *_ in rows]).values_list("pk", "external_id")
    )
    return {names[pk]: (status, reason) for pk, status, reason in rows}


def _judge_chats(
    ours: dict[str, tuple[str, str]], messages: list[dict[str, Any]], verdict: Verdict
) -> None:
    arrived = Counter(
        each["id"]
        for message in messages
        for task in message["tasks"]
        for each in task["recipients"]
        if each["status"] == ARRIVED
    )
    twice = [chat for chat, times in arrived.items() if times > 1]
    verdict.find(not twice, f"{len(twice)} 个群收到了不止一次")
    told = {chat for chat, (status, _) in ours.items() if status == DeliveryStatus.DELIVERED}
    verdict.find(told == set(arrived), f"送达与平台不符：{len(told ^ set(arrived))} 个群")
    open_still = [chat for chat, (status, _) in ours.items() if status not in ENDED]
    verdict.find(not open_still, f"{len(open_still)} 个群没有结果")
    unexplained = [
        chat
        for chat, (status, reason) in ours.items()
        if status != DeliveryStatus.DELIVERED and not reason
    ]
    verdict.find(not unexplained, f"{len(unexplained)} 个群没有送达，也没有原因")
    verdict.say(f"平台记录：{len(arrived)} 个群各收到一次，与系统逐群一致。")
    reasons = Counter(pair for pair in ours.values() if pair[1])
    for (status, reason), count in reasons.most_common():
        label = DeliveryStatus(status).label
        verdict.say(f"    {label} {count} 个群：{reason_words(reason)}")


def _judge_tasks(run: Run, messages: list[dict[str, Any]], verdict: Verdict) -> None:
    dispatches = {each.remote_id: each for each in Dispatch.objects.filter(run=run)}
    verdict.find(
        set(dispatches) == {each["msgid"] for each in messages},
        f"平台上有 {len(messages)} 个任务，系统里有 {len(dispatches)} 个",
    )
    for message in messages:
        dispatch = dispatches.get(message["msgid"])
        if dispatch is not None:
            task = message["tasks"][0]
            verdict.find(
                bool(task["status"]) == (dispatch.confirmed_at is not None),
                f"{dispatch.sender} 是否确认与平台不符",
            )
            verdict.find(
                bool(task["status"]) or message["cancelled"],
                f"{dispatch.sender} 的任务还能发送",
            )
    reminders = sum(len(each.reminded_at) for each in dispatches.values())
    verdict.say(f"{len(messages)} 个任务，没有重复；提醒 {reminders} 次。")


def _judge_sums(run: Run, verdict: Verdict) -> None:
    counted, told = counted_deliveries(run.pk), progress_of(run.pk)
    sums = (told.delivered, told.failed, told.cancelled, told.expired, told.suppressed)
    rows = tuple(
        counted[each]
        for each in (
            DeliveryStatus.DELIVERED,
            DeliveryStatus.FAILED,
            DeliveryStatus.CANCELLED,
            DeliveryStatus.EXPIRED,
            DeliveryStatus.SUPPRESSED,
        )
    )
    verdict.find(sums == rows, f"计数与明细不符：{sums} {rows}")
    verdict.find(sum(rows) == told.total, "各状态之和不等于总数")
