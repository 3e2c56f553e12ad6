"""Every periodic task on one screen. Each line says why that often.

The ticks carry no facts: a missed or doubled one changes nothing, because what is due is a row.
"""

from __future__ import annotations

from celery.schedules import crontab, schedule

type Entry = dict[str, object]


def every(seconds: float, task: str) -> Entry:
    """A tick that is worthless once the next one is due, so it expires instead of piling up."""
    return {"task": task, "schedule": schedule(seconds), "options": {"expires": seconds}}


def at(when: crontab, task: str) -> Entry:
    return {"task": task, "schedule": when, "options": {"expires": 3600}}


SCHEDULE: dict[str, Entry] = {
    # The doctor calls a worker silent after a minute.
    "heartbeat": every(10, "shared.sweep_heartbeat"),
    # How late a broadcast may begin.
    "due broadcasts": every(5, "campaigns.sweep_due_broadcasts"),
    # How long a run may rest after a worker, the broker or the database died.
    "dispatches": every(2, "campaigns.sweep_dispatches"),
    # How long a broadcast goes on after too many have left; those over are looked at every ten
    # minutes.
    "quits": every(60, "campaigns.sweep_quits"),
    # Reports are brought up to date every hour until their windows have closed.
    "reports of runs": every(300, "campaigns.report_runs"),
    # How late a run whose wake-up was lost is forecast, and a forecast held against its report.
    "forecasts": every(300, "campaigns.sweep_forecasts"),
    # How late a verdict is; before the end each experiment is looked at once an hour.
    "experiments": every(60, "campaigns.evaluate_experiments"),
    # How much later than a colleague's tap, or somebody's stop, we look or act at the platform.
    "unconfirmed messages": every(15, "campaigns.sweep_polls"),
    # How late a step of a plan for group chats may be.
    "plans of chats": every(30, "campaigns.advance_sop"),
    # A newcomer whose wake-up was lost still reads the welcome while looking at the chat.
    "welcomes": every(5, "campaigns.sweep_welcomes"),
    # A code of the platform lasts 20 seconds, so a lost wake-up leaves time for another.
    "contact welcomes": every(5, "campaigns.sweep_contact_welcomes"),
    # Alerts end by whole days; hourly, because the day of each time zone ends at its own hour.
    "churn alerts": at(crontab(minute=20), "campaigns.tend_churn_alerts"),
    # How long an approved member waits once a chat has room again.
    "waiting applications": every(30, "members.sweep_waiting_applications"),
    # How much longer than the time to undo it a reviewer's decision takes.
    "decisions": every(5, "members.sweep_decisions"),
    # How long those who wait rest after a worker died on the way through a new entry policy.
    "evaluations": every(10, "members.sweep_evaluations"),
    # How late the owner hears of a late review, and how much longer an application may live.
    "deadlines": every(60, "members.sweep_deadlines"),
    # Members are checked again after whole days, so an hour is soon enough; a long list goes on.
    "requalification": every(3600, "members.sweep_requalification"),
    # How long the lists of a large split rest after a worker died, and how long a split stays open
    # after the last answer when two came at once.
    "splits": every(60, "members.sweep_splits"),
    # How late a colleague hears that a community is nearly full; the last fifth takes longer.
    "capacity": every(600, "members.sweep_capacity"),
    # How long somebody waits for the list of a large segment after the wake-up was lost.
    "segments": every(60, "campaigns.sweep_segments"),
    # A community is given a month to grow, so a day is soon enough.
    "small communities": at(crontab(hour=1, minute=40), "members.sweep_small_communities"),
    # Members are valued each local night from twenty to three; this says how late.
    "values": every(600, "members.sweep_values"),
    # How long a single event waits when the wake-up was lost; promised are two seconds.
    "activity buffer": every(1, "members.sweep_activity_buffer"),
    # Scores are of whole local days, due from three in the morning; this says how late they may be.
    "churn scoring": every(600, "members.sweep_scoring"),
    # Days of communities are made anew each local night from twenty past two; this says how late.
    "snapshots": every(600, "members.sweep_snapshots"),
    # Today's figures are an hour old at most; the day after they are made once more.
    "snapshots of today": at(crontab(minute=25), "members.sweep_today"),
    # Models are fitted in the night to Sunday, from one o'clock; this says how late.
    "fitting models": every(1800, "members.sweep_fitting"),
    # The platform has counted yesterday by six; this says how late after half past we read it.
    "platform statistics": every(1800, "members.sweep_statistics"),
    # A cut-off can be checked 29 days after it, from half past three; this says how late.
    "checking scores": every(1800, "members.sweep_checking"),
    # Files of uploads that a crash cut off; they are private, so a day is soon enough.
    "orphan photos": at(crontab(hour=2, minute=40), "members.sweep_orphan_photos"),
    # Phone numbers of visitors are kept no longer than their browsers are known by them.
    "phone verifications": at(crontab(hour=2, minute=50), "members.sweep_phone_verifications"),
    # Months are made two ahead, so one run a day is plenty; a batch makes what is missing itself.
    "activity partitions": at(crontab(hour=1, minute=10), "members.prepare_partitions"),
    # Whole months of events go by policy, so once a day is plenty.
    "old activity": at(crontab(hour=1, minute=20), "members.detach_old_months"),
    # How long a file that was handed in waits when the wake-up was lost.
    "imports": every(10, "members.sweep_imports"),
    # Rules of classification are due each night, and at once when they change; this says how late.
    "classification rules": every(600, "members.sweep_classification_rules"),
    # Only what a lost message left behind: removing a rule sends one at once.
    "removed classification rules": at(
        crontab(hour=1, minute=40), "members.sweep_removed_classification_rules"
    ),
    # How long a classification may outlive its expiry for those who heard of it; criteria do not
    # wait for the sweep.
    "expired classifications": every(300, "members.sweep_expired_classifications"),
    # How long a member waits for a tier after a purchase when the wake-up was lost.
    "tier dues": every(3, "members.sweep_tier_dues"),
    # Tiers are looked at each local night from two o'clock; this says how late.
    "tiering": every(600, "members.sweep_tiering"),
    # How long a hand-over rests when the wake-up was lost, and how late it is verified.
    "transfers": every(5, "communities.sweep_transfers"),
    # How long the case of somebody who left waits for its next step.
    "resignation cases": every(10, "communities.sweep_cases"),
    # A year to inherit ends by days, and what was left behind unseen is looked for as often.
    "tending resignation cases": at(crontab(hour=0, minute=40), "communities.tend_cases"),
    # How long a forbidden change of owner stays on the list once its owner may own the chat.
    "ownership violations": every(600, "communities.sweep_violations"),
    # How late colleagues hear of what has changed hands.
    "transfer notices": every(10, "communities.sweep_notices"),
    # How long a callback of WeCom waits when the wake-up was lost.
    "inbox": every(2, "wecom.sweep_inbox"),
    # How much later than the platform shows a change it is read there.
    "reads": every(2, "wecom.sweep_reads"),
    # How long a sync rests when the wake-up of its next slice was lost; after a kill its lease, two
    # minutes, comes first.
    "syncs": every(10, "wecom.sweep_syncs"),
    # How late the full sync of each local night may begin.
    "nightly syncs": every(60, "wecom.sweep_nightly_syncs"),
    # How late we notice that the clock of a simulated platform was moved; WeCom has none.
    "simulated clocks": every(30, "wecom.learn_clocks"),
    # Personal data in callbacks is kept for days, so one run a day is plenty.
    "old payloads": at(crontab(hour=2, minute=20), "wecom.empty_old_payloads"),
}
