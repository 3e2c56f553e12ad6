"""What campaigns refuses to do."""

from scrm.shared.errors import DomainError, InvalidInput


class BadContent(InvalidInput):
    """A text that cannot be sent: empty, too long, with unknown variables or broken braces."""

    code = "bad_content"
    field = "body"


class UnknownVariable(BadContent):
    code = "unknown_variable"


class BelongsElsewhere(DomainError):
    """A row of another enterprise was named."""

    code = "belongs_elsewhere"


class CannotEdit(DomainError):
    code = "cannot_edit"


class CannotMove(DomainError):
    """The broadcast is not in a state from which this is possible."""

    code = "cannot_move"


class CannotApprove(DomainError):
    """Somebody else has to approve."""

    code = "cannot_approve"


class TimeIsPast(InvalidInput):
    code = "time_is_past"
    field = "scheduled_at"


class AudienceEmpty(DomainError):
    code = "audience_empty"


class NoCommunity(DomainError):
    code = "no_community"


class ChannelIsOff(DomainError):
    code = "channel_is_off"


class ChannelCannotSend(InvalidInput):
    """Through this kind of channel nothing goes out by itself."""

    code = "channel_cannot_send"
    field = "channel_account"


class WelcomeTaken(DomainError):
    code = "welcome_taken"


class CannotMoveAlert(DomainError):
    """The alert is closed, or already where it should be moved."""

    code = "cannot_move_alert"


class ReasonMissing(InvalidInput):
    code = "reason_missing"
    field = "reason"


class CodeTaken(DomainError):
    code = "code_taken"


class SegmentInUse(DomainError):
    """What was approved by its criterion is on its way; ``details`` names the broadcasts."""

    code = "segment_in_use"


class SegmentTooLong(InvalidInput):
    """Something that names the segment would have too many clauses with it written out."""

    code = "too_many_clauses"
    field = "criterion"


class CannotResume(DomainError):
    """A halted broadcast goes on only by the word of somebody who approves broadcasts."""

    code = "cannot_resume"


class NothingToRetry(DomainError):
    code = "nothing_to_retry"


class CannotRemind(DomainError):
    """Nobody is asked for a confirmation there."""

    code = "cannot_remind"


class TooManyReminders(DomainError):
    """The platform takes three in 24 hours."""

    code = "too_many_reminders"


class CannotStop(DomainError):
    """Nothing of it waits for a confirmation."""

    code = "cannot_stop"


class BadArms(InvalidInput):
    """Variants that cannot be told apart, or cannot be sent."""

    code = "bad_arms"
    field = "arms"


class BadUnit(InvalidInput):
    code = "bad_unit"
    field = "unit"


class BadWindow(InvalidInput):
    code = "bad_window"
    field = "window_hours"


class BadDuration(InvalidInput):
    code = "bad_duration"
    field = "planned_days"


class BadHoldOut(InvalidInput):
    code = "bad_holdout"
    field = "holdout_percent"


class BadEffect(InvalidInput):
    """No number of recipients can show this."""

    code = "bad_effect"
    field = "effect"


class ExperimentTaken(DomainError):
    """A broadcast has at most one experiment."""

    code = "experiment_taken"


class CannotMoveExperiment(DomainError):
    """The experiment is not in a state from which this is possible."""

    code = "cannot_move_experiment"


class TooEarly(DomainError):
    """Before its end an experiment may only be ended by the always-valid sequence."""

    code = "too_early"


class VariableNotForChannel(BadContent):
    """One call of this channel carries one text, so that it cannot differ by recipient."""

    code = "variable_not_for_channel"


class BadAttachment(InvalidInput):
    """Something to go with a text that the platform would not take."""

    code = "bad_attachment"
    field = "attachments"


class AttachmentsNotForChannel(BadAttachment):
    code = "attachments_not_for_channel"


class BadChats(InvalidInput):
    """Chats that the broadcast cannot go to: of members, or outside its communities."""

    code = "bad_chats"
    field = "chats"


class SegmentOfOthers(InvalidInput):
    """A segment of chats for members, or the other way round."""

    code = "segment_of_others"
    field = "segments"


class BadReminders(InvalidInput):
    code = "bad_reminders"
    field = "remind_after_hours"


class ContentNotUsable(InvalidInput):
    """A version that is not published, or of another enterprise."""

    code = "content_not_usable"
    field = "content_version"


class ContentBlocked(DomainError):
    """What stands in the way of a broadcast; ``details`` has the findings."""

    code = "content_blocked"


class OverrideNotAccepted(DomainError):
    """There are findings that only the approver's explicit word lets pass."""

    code = "override_not_accepted"


class ContentsChanged(DomainError):
    """Not what was looked at any more; ``details`` has the digest of what it is now."""

    code = "contents_changed"


class AlreadyApproved(DomainError):
    code = "already_approved"


class CannotMoveContent(DomainError):
    """The content is not in a state from which this is possible."""

    code = "cannot_move_content"


class LearntMissing(InvalidInput):
    code = "reason_missing"
    field = "learnt"


class CannotPublish(DomainError):
    """Somebody else has to publish."""

    code = "cannot_publish"


class BadFile(InvalidInput):
    """A file that cannot be sent; the code says why."""

    code = "bad_file"
    field = "file"


class FileTooLarge(BadFile):
    code = "file_too_large"


class TermTaken(DomainError):
    code = "term_taken"


class BadTerm(InvalidInput):
    code = "bad_term"
    field = "term"


class BadException(InvalidInput):
    """A saying that does not contain the term and so excuses nothing."""

    code = "bad_exception"
    field = "exceptions"


class BadSchedule(InvalidInput):
    """A rule that no calendar can follow; its kinds say which part of it."""

    code = "bad_schedule"
    field = "kind"


class BadScheduleLocalTime(BadSchedule):
    field = "local_time"


class BadScheduleTimeZone(BadSchedule):
    field = "time_zone"


class BadScheduleRrule(BadSchedule):
    field = "rrule"


class BadScheduleFestivals(BadSchedule):
    field = "festivals"


class BadScheduleMemberDay(BadSchedule):
    field = "member_day"


class BadScheduleSilentDays(BadSchedule):
    field = "silent_days"


class BadScheduleTier(BadSchedule):
    field = "tier"


class BadScheduleEnd(BadSchedule):
    field = "ends_on"


class BadScheduleMaxCount(BadSchedule):
    field = "max_count"


class BadScheduleOffset(BadSchedule):
    field = "day_offset"


class TimeIsGiven(InvalidInput):
    """The schedule says when, nobody else."""

    code = "time_is_given"
    field = "scheduled_at"


class ScheduleIsOver(DomainError):
    """It gives no time any more."""

    code = "schedule_is_over"


class ScheduleDoesNotFit(DomainError):
    """The broadcast cannot be begun in this way."""

    code = "schedule_does_not_fit"


class NoSchedule(DomainError):
    code = "no_schedule"


class AlreadyDecided(DomainError):
    """Somebody has said what becomes of the missed occurrence."""

    code = "already_decided"


class DayTaken(DomainError):
    code = "day_taken"


class SendPolicyExists(DomainError):
    """An enterprise has one; change that."""

    code = "send_policy_exists"


class QuietHoursNeedBothEnds(InvalidInput):
    code = "quiet_hours_need_both_ends"
    field = "quiet_until"


class BadPercentage(InvalidInput):
    code = "bad_percentage"
    field = "advert_block_percent"


class CapTaken(DomainError):
    """There is a cap for this target, category and window; change that."""

    code = "cap_taken"


class ServiceHasNoCap(InvalidInput):
    code = "service_has_no_cap"
    field = "category"


class CannotMoveSop(DomainError):
    """The plan, the chat's run through it or the task is not in a state that allows this."""

    code = "cannot_move_sop"


class SopNeedsSteps(DomainError):
    code = "sop_needs_steps"


class BadSopStep(InvalidInput):
    """``details`` says which one, counted from 1."""

    code = "bad_sop_step"
    field = "steps"


class BadSopChats(InvalidInput):
    code = "bad_sop_chats"
    field = "chats"


class BadSopItems(InvalidInput):
    code = "bad_sop_items"
    field = "items"


class AlertIsHeldOut(DomainError):
    """Nobody is to act on it, so that it is known what acting does."""

    code = "alert_held_out"


class AlertIsClosed(DomainError):
    code = "alert_closed"


class WinbackIsPlanned(DomainError):
    """The same is planned for this alert already."""

    code = "winback_planned"


class NothingToWinBack(DomainError):
    """None of the alerts could be acted on; ``details`` says why for each."""

    code = "nothing_to_win_back"


class CannotMoveWinback(DomainError):
    """It is done, or follows the broadcast that carries it."""

    code = "cannot_move_winback"


class TooManyAlerts(InvalidInput):
    code = "too_many_alerts"
    field = "alerts"


class BenefitMissing(InvalidInput):
    code = "benefit_missing"
    field = "benefit"


class BadCost(InvalidInput):
    code = "bad_cost"
    field = "cost_amount"


class BadThreshold(InvalidInput):
    code = "bad_winback_policy"
    field = "threshold_percent"


class BadTopPercent(InvalidInput):
    code = "bad_winback_policy"
    field = "top_percent"


class BadHoldoutPercent(InvalidInput):
    code = "bad_winback_policy"
    field = "holdout_percent"


class BadCooldown(InvalidInput):
    code = "bad_winback_policy"
    field = "cooldown_days"


class WinbackPolicyExists(DomainError):
    """There is one for this scope; change that."""

    code = "winback_policy_exists"
