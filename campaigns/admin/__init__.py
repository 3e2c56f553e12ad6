"""The operators' doors to campaigns; Django finds them by importing this package."""

from campaigns.admin import (
    broadcast,
    churn_alert,
    contact_welcome,
    content,
    dispatch,
    experiment,
    holiday,
    lexicon_term,
    media_asset,
    run,
    run_report,
    sandbox,
    schedule,
    segment,
    send_policy,
    welcome,
)

__all__ = [
    "broadcast",
    "churn_alert",
    "contact_welcome",
    "content",
    "dispatch",
    "experiment",
    "holiday",
    "lexicon_term",
    "media_asset",
    "run",
    "run_report",
    "sandbox",
    "schedule",
    "segment",
    "send_policy",
    "welcome",
]
