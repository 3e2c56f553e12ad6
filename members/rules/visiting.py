"""Where a visitor of the join page stands."""

from __future__ import annotations

from enum import StrEnum

from members.rules.status import ApplicationStatus


class VisitStep(StrEnum):
    APPLY = "apply"  # nothing is open: they may ask to be let in
    PHOTOS = "photos"
    CHECKING = "checking"
    REVIEW = "review"
    SEAT = "seat"  # let in, and waiting for room
    JOINED = "joined"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


STEPS = {
    ApplicationStatus.SUBMITTED: VisitStep.CHECKING,
    ApplicationStatus.EVIDENCE_PENDING: VisitStep.PHOTOS,
    ApplicationStatus.EVALUATING: VisitStep.CHECKING,
    ApplicationStatus.IN_REVIEW: VisitStep.REVIEW,
    ApplicationStatus.APPROVED: VisitStep.SEAT,
    ApplicationStatus.JOINED: VisitStep.APPLY,  # of somebody who is no member any more
    ApplicationStatus.REJECTED: VisitStep.REFUSED,
    ApplicationStatus.WITHDRAWN: VisitStep.WITHDRAWN,
    ApplicationStatus.EXPIRED: VisitStep.EXPIRED,
}

#: What can still be taken back.
OPEN_STEPS = frozenset({VisitStep.PHOTOS, VisitStep.CHECKING, VisitStep.REVIEW, VisitStep.SEAT})
#: What may lead to another application.
ENDED_STEPS = frozenset(
    {VisitStep.APPLY, VisitStep.REFUSED, VisitStep.WITHDRAWN, VisitStep.EXPIRED}
)


def step_of(status: str, *, settles: bool) -> VisitStep:
    """A decision that can still be undone has not been made, as far as the applicant knows."""
    return VisitStep.REVIEW if settles else STEPS[ApplicationStatus(status)]
