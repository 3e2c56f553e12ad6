"""What a hand-over of chats is, in a page: the verbs are compared with this.

One receiver is named for each hand-over, and others for single items. Answers are codes of
refusals, or "" where it was done.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HELD = {"pending", "queued", "sending", "unknown", "accepted"}
STUCK = {"blocked", "failed"}
CHANGEABLE = {"planned", "blocked", "pending", "queued", "failed"}
NOT_SUBMITTED = {"draft", "rejected"}
OVER = {"cancelled"}


@dataclass
class Item:
    chat: int
    giver: int
    receiver: int
    state: str = "planned"
    reason: str = ""


@dataclass
class Transfer:
    author: int
    planner: int
    items: list[Item] = field(default_factory=list)
    status: str = "draft"
    needs_approval: bool = True

    def among(self, states, picked=None):
        items = self.items if picked is None else [self.items[n] for n in picked]
        return [item for item in items if item.state in states]

    @property
    def is_submitted(self):
        return self.status not in NOT_SUBMITTED | OVER

    @property
    def is_waiting(self):
        return self.is_submitted and bool(self.among({"pending"}))

    @property
    def is_stuck(self):
        return self.is_submitted and bool(self.among(STUCK))

    @property
    def is_closed(self):
        return self.status not in {*NOT_SUBMITTED, "awaiting_approval"} and not self.among(HELD)


class Model:
    """``owners`` of the chats, whom the platform lets receive, and the hand-overs."""

    def __init__(self, owners, *, approval):
        self.owners = list(owners)
        self.approval = approval
        self.barred: set[int] = set()
        self.transfers: list[Transfer] = []

    # --- the verbs ---

    def draft(self, actor, chats, receiver):
        items = [Item(chat, self.owners[chat], receiver) for chat in sorted(chats)]
        transfer = Transfer(actor, actor, items)
        self.transfers.append(transfer)
        self.plan(transfer)
        return ""

    def preflight(self, transfer):
        if transfer.status not in {*NOT_SUBMITTED, "awaiting_approval"}:
            return "transfer_not_open"
        self.plan(transfer)
        self.hold(transfer)
        return self.settle(transfer)

    def submit(self, transfer):
        if transfer.status not in NOT_SUBMITTED:
            return "transfer_not_open"
        self.plan(transfer)
        if not transfer.among({"planned"}):
            return self.why_nothing(transfer)
        transfer.status = "awaiting_approval" if transfer.needs_approval else "submitted"
        self.hold(transfer)
        return self.settle(transfer)

    def approve(self, transfer, actor):
        if not transfer.is_waiting:
            return "transfer_not_open"
        if actor in {transfer.author, transfer.planner}:
            return "approver_is_author"
        for item in transfer.among({"pending"}):
            if item.receiver in self.barred:
                item.state, item.reason = "blocked", "receiver_not_allowed"
        pending = transfer.among({"pending"})
        if not pending:
            self.settle(transfer)
            return self.why_nothing(transfer)
        for item in pending:
            item.state = "queued"
        transfer.status = "submitted"
        return self.settle(transfer)

    def reject(self, transfer):
        if not transfer.is_waiting:
            return "transfer_not_open"
        is_new = transfer.status == "awaiting_approval"
        for item in transfer.among({"pending"}):
            item.state, item.reason = ("planned", "") if is_new else ("blocked", "not_approved")
        if is_new:
            transfer.status = "rejected"
        return self.settle(transfer)

    def cancel(self, transfer):
        stopped = transfer.among(CHANGEABLE - {"failed"})
        may_come_back = transfer.among({"sending", "unknown"})
        useful = stopped or may_come_back or transfer.status in NOT_SUBMITTED
        if transfer.status in OVER or not useful:
            return "transfer_not_open"
        for item in stopped:
            item.state, item.reason = "cancelled", "withdrawn"
        transfer.status = "cancelled"
        return self.settle(transfer)

    def waive(self, transfer, picked):
        if transfer.status in OVER:
            return "transfer_not_open"
        waived = transfer.among(CHANGEABLE, picked)
        for item in waived:
            item.state, item.reason = "waived", "waived"
        return self.settle(transfer) if waived else "no_such_items"

    def assign(self, transfer, picked, receiver, actor):
        if transfer.status in OVER:
            return "transfer_not_open"
        changed = [each for each in transfer.among(CHANGEABLE, picked) if each.giver != receiver]
        if changed and receiver in self.barred:
            return "receiver_not_eligible"
        if not changed:
            return "no_such_items"
        for item in changed:
            item.receiver = receiver
            if item.state in {"queued", "failed"}:
                item.state = "blocked"
        transfer.planner = actor
        self.plan(transfer)
        self.hold(transfer)
        return self.settle(transfer)

    def retry(self, transfer, picked, actor):
        if not transfer.is_submitted:
            return "transfer_not_open"
        failed = transfer.among({"failed"}, picked)
        if not failed and not transfer.among({"blocked"}, picked):
            return "no_such_items"
        transfer.planner = actor
        self.plan(transfer, failed)
        queued = [item for item in failed if item.state == "failed"]
        for item in queued:
            item.state = "queued"
        held = self.hold(transfer)
        self.settle(transfer)
        return "" if held or queued else self.why_nothing(transfer)

    # --- the platform ---

    def happens(self, transfer, item, state, reason):
        item.state, item.reason = state, reason
        if state == "verified":
            self.owners[item.chat] = item.receiver
        return self.settle(transfer)

    # --- what they share ---

    def is_held_elsewhere(self, transfer, item):
        others = (other for other in self.transfers if other is not transfer)
        return any(each.chat == item.chat for other in others for each in other.among(HELD))

    def why_not(self, transfer, item):
        if self.is_held_elsewhere(transfer, item):
            return "in_transfer"
        if self.owners[item.chat] != item.giver:
            return "owner_changed"
        if item.receiver == item.giver:
            return "receiver_is_owner"
        return "receiver_not_allowed" if item.receiver in self.barred else ""

    def plan(self, transfer, failed=()):
        found = False
        for item in [*transfer.among({"planned", "blocked", "pending"}), *failed]:
            item.reason = self.why_not(transfer, item)
            if item.reason:
                item.state = "blocked"
            elif item.state == "blocked":
                item.state = "planned"
            found = found or not item.reason
        if found:
            transfer.needs_approval = self.approval

    def hold(self, transfer):
        """How many of a submitted hand-over are newly held."""
        planned = transfer.among({"planned"}) if transfer.is_submitted else []
        for item in planned:
            item.state = "pending" if transfer.needs_approval else "queued"
        return len(planned)

    def settle(self, transfer):
        if transfer.status == "cancelled":
            for item in transfer.among({"queued"}):
                item.state, item.reason = "cancelled", "withdrawn"
        if not transfer.is_submitted:
            return ""
        if transfer.among({"pending"}) and transfer.status == "awaiting_approval":
            return ""
        if transfer.among(HELD - {"accepted"}):
            transfer.status = "submitted"
        elif transfer.among(STUCK):
            is_partial = transfer.among({"verified", "accepted"})
            transfer.status = "partially_succeeded" if is_partial else "failed"
        else:
            transfer.status = "succeeded" if transfer.among({"accepted"}) else "verified"
        return ""

    def why_nothing(self, transfer):
        reasons = {item.reason for item in transfer.among({"blocked"})}
        return "chat_in_transfer" if reasons == {"in_transfer"} else "transfer_not_possible"
