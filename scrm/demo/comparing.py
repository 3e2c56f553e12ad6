"""Eight in the morning against eight in the evening, told as it happens.

Nobody waits three days for it: once the audience is frozen the run is dated back, and the orders
that people then make up are brought in with times in the window of each hour.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import time, timedelta

from django.utils import timezone

from campaigns.models import Broadcast, Dispatch, Experiment, Run
from campaigns.rules.designs import ArmDraft
from campaigns.rules.experiments import ExperimentKind, ExperimentMetric, ExperimentUnit
from campaigns.rules.status import RunStatus
from campaigns.rules.verdict_words import Subject, sentences_of
from campaigns.selectors.arms import arms_of
from campaigns.services.evaluating import apply_winner, evaluate_experiment
from campaigns.services.experimenting import create_experiment
from communities.models import Community
from members.models import Member
from members.rules.purchases import RawPurchase
from members.services.purchases import record_purchases
from scrm.demo.storytelling import Stage, StoryBroke
from scrm.wecom.models import ChannelAccount, ChannelKind

MORNING, EVENING = 1, 2
HOURS = {MORNING: ("早八点", time(8)), EVENING: ("晚八点", time(20))}
ORDERING = {MORNING: 0.06, EVENING: 0.16}
AGO = timedelta(days=10)
PRICE = 12_900


@dataclass
class ComparisonStory:
    stage: Stage
    community: Community
    run: Run = field(init=False)
    experiment: Experiment = field(init=False)

    def tell(self) -> None:
        broadcast = self.draft()
        self.stage.send(broadcast)
        self.be_dated_back(broadcast)
        self.be_answered()
        self.be_judged()

    def draft(self) -> Broadcast:
        stage = self.stage
        accounts = ChannelAccount.objects.active().filter(
            enterprise=stage.connection.enterprise_id, kind=ChannelKind.SANDBOX
        )
        broadcast = stage.draft(
            name=f"早晚八点 {stage.mark}",
            body="{{昵称}}，本周主粮到货，门店自提立减 10 元。",
            communities=[self.community],
            channel_account=accounts.order_by("pk")[0],
            override_reason="比较发送时间，7 天内第二次全员群发已说明。",
        )
        self.experiment = create_experiment(
            broadcast,
            actor=stage.operator,
            kind=ExperimentKind.SEND_TIME,
            unit=ExperimentUnit.MEMBER,
            metric=ExperimentMetric.ORDERED,
            arms=[ArmDraft(name, local_time=at) for name, at in HOURS.values()],
        )
        stage.say(f"“{broadcast.name}”：同一段文案，一半成员早八点收到，一半晚八点。")
        return broadcast

    def be_dated_back(self, broadcast: Broadcast) -> None:
        """The run began ten days ago, so both hours are past and their windows are over."""
        self.stage.wait("锁定名单", lambda: self._is_frozen(broadcast))
        begun = timezone.now() - AGO
        Run.objects.filter(pk=self.run.pk).update(started_at=begun, planned_for=begun)
        Dispatch.objects.filter(run=self.run).update(due_at=begun)
        over = begun + timedelta(hours=24 + self.experiment.window_hours)
        Experiment.objects.filter(pk=self.experiment.pk).update(
            starts_on=begun.astimezone(self.stage.connection.enterprise.zone).date(), ends_at=over
        )
        self.stage.wait("两个时段都发出", self._is_sent)

    def be_answered(self) -> None:
        """So many of each half order, some hours after their message."""
        members: dict[int, list[int]] = defaultdict(list)
        for dispatch in Dispatch.objects.filter(run=self.run).order_by("pk"):
            if dispatch.arm in HOURS:
                members[dispatch.arm] += dispatch.recipient_ids
        self.run.refresh_from_db()
        arms = arms_of(self.run)
        assert arms is not None
        for arm, ids in members.items():
            at = max(arms.instants[arm], self.run.started_at) + timedelta(hours=2)
            buyers = ids[: round(ORDERING[arm] * len(ids))]
            names = Member.objects.filter(pk__in=buyers).values_list("external_id", flat=True)
            rows = [
                RawPurchase(
                    member=name,
                    order_number=f"{self.stage.mark}-{name}",
                    paid_amount=PRICE,
                    paid_at=at.isoformat(),
                )
                for name in names
            ]
            record_purchases(
                self.stage.connection.enterprise, rows, source="demo", now=timezone.now()
            )
            self.stage.say(f"    {HOURS[arm][0]}：{len(ids)} 人收到，{len(rows)} 人下单。")

    def be_judged(self) -> None:
        experiment = evaluate_experiment(self.experiment.pk, actor=self.stage.operator)
        result = experiment.result
        if not result:
            raise StoryBroke("实验还没有结果。")
        names = dict(experiment.arms.values_list("number", "name"))
        subject = Subject(experiment.metric, experiment.unit, names, "")
        for sentence in sentences_of(result, subject):
            self.stage.say(f"    {sentence}")
        if result["winner"] != EVENING:
            raise StoryBroke(f"结论不对：{result['code']}")
        apply_winner(experiment.pk, actor=self.stage.approvers[0])
        self.stage.say("采用晚八点。")

    def _is_frozen(self, broadcast: Broadcast) -> bool:
        run = broadcast.runs.first()
        if run is None or run.status == RunStatus.FREEZING:
            return False
        self.run = run
        return True

    def _is_sent(self) -> bool:
        self.run.refresh_from_db()
        return self.run.status == RunStatus.FINISHED
