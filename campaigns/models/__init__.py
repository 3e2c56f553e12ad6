from campaigns.models.broadcast import Broadcast, Run
from campaigns.models.churn_alert import ChurnAlert
from campaigns.models.contact_welcome import ContactWelcome
from campaigns.models.content import Content, ContentVersion, MediaAsset, MediaUpload
from campaigns.models.delivery import Delivery, Dispatch
from campaigns.models.experiment import Experiment, ExperimentArm
from campaigns.models.forecast import BroadcastForecast
from campaigns.models.guard import (
    Approval,
    ChannelRate,
    CommunityPost,
    FrequencyCap,
    LexiconTerm,
    QuitWatch,
    RunReport,
    SendPolicy,
)
from campaigns.models.sandbox import SandboxMessage
from campaigns.models.schedule import HolidayOverride, Occasion, Schedule
from campaigns.models.segment import Segment, SegmentChat, SegmentMember
from campaigns.models.sop import SopEnrolment, SopPlan, SopStep, SopTask
from campaigns.models.welcome import WelcomeDelivery, WelcomePolicy
from campaigns.models.winback import WinbackAction, WinbackPolicy

__all__ = [
    "Approval",
    "Broadcast",
    "BroadcastForecast",
    "ChannelRate",
    "ChurnAlert",
    "CommunityPost",
    "ContactWelcome",
    "Content",
    "ContentVersion",
    "Delivery",
    "Dispatch",
    "Experiment",
    "ExperimentArm",
    "FrequencyCap",
    "HolidayOverride",
    "LexiconTerm",
    "MediaAsset",
    "MediaUpload",
    "Occasion",
    "QuitWatch",
    "Run",
    "RunReport",
    "SandboxMessage",
    "Schedule",
    "Segment",
    "SegmentChat",
    "SegmentMember",
    "SendPolicy",
    "SopEnrolment",
    "SopPlan",
    "SopStep",
    "SopTask",
    "WelcomeDelivery",
    "WelcomePolicy",
    "WinbackAction",
    "WinbackPolicy",
]
