from campaigns.models.broadcast import Broadcast, Run
from campaigns.models.churn_alert import ChurnAlert
from campaigns.models.contact_welcome import ContactWelcome
from campaigns.models.delivery import Delivery, Dispatch
from campaigns.models.sandbox import SandboxMessage
from campaigns.models.segment import Segment, SegmentMember
from campaigns.models.welcome import WelcomeDelivery, WelcomePolicy

__all__ = [
    "Broadcast",
    "ChurnAlert",
    "ContactWelcome",
    "Delivery",
    "Dispatch",
    "Run",
    "SandboxMessage",
    "Segment",
    "SegmentMember",
    "WelcomeDelivery",
    "WelcomePolicy",
]
