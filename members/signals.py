"""The facts that members announces, inside the transaction that makes them true."""

from django.dispatch import Signal

# membership_id: int, stay_id: int
member_joined = Signal()

# membership_id: int; not sent for each member when a whole community is dissolved: that is
# communities' community_moved
member_left = Signal()

# membership_ids: list[int], stay_ids: list[int]; the same as member_joined for many at once, of one
# enterprise. Who came back to a membership has no stay in the list
members_joined = Signal()

# membership_ids: list[int]; the same as member_left for many at once, of one enterprise
members_left = Signal()

# follow_id: int, occurred_at: datetime, welcome_code: str; a customer and a colleague have become
# contacts, and the platform lets us greet the customer once within 20 seconds of then
contact_added = Signal()

# application_id: int; for every decision, by a rule or by a person
entry_decided = Signal()

# community_id: int, scored_on: date; every score of the community for that day is written
churn_scored = Signal()

# scheme_id: int, assignment_ids: list[int]; the periods that began, and of members whom no tier
# takes any more the ones that ended. In lists of bounded length, each with its transaction
tiers_changed = Signal()

# member_id: int, value_id: int; a classification began, ended or got another expiry
classification_changed = Signal()

# value_id: int, member_ids: list[int]; the same for many members at once, at most some thousands
classifications_swept = Signal()

# member_id: int, purpose: str
consent_recorded = Signal()

# member_id: int; what says who they are is gone here, and is to go wherever else it is kept
member_erased = Signal()

# plan_id: int; the children exist, the lists of whom to invite are being made
split_started = Signal()

# branch_id: int, actor_id: int; its members are to be told of the new community
split_invited = Signal()

# members' tiers have to be looked at: a row for each of them is written
tiers_due = Signal()

# scheme_id: int, day: date; a run over all members of the enterprise is to be gone on with
tiering_begun = Signal()

# tag_id: int, member_ids: list[int]; put on or taken off, at most some thousands at once
tags_swept = Signal()

# run_id: int; a file is kept and waits for a worker
import_handed_in = Signal()
