"""What exactly a broadcast says, to whom and when: the facts that an approval is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Manager

from campaigns.models import Broadcast, MediaAsset, Schedule, Segment
from campaigns.rules.attachments import Attachment, assets_named
from campaigns.rules.digests import digest
from campaigns.rules.schedules import schedule_facts
from campaigns.selectors.arms import experiment_facts
from campaigns.selectors.texts import newly_blocked


def facts_of(broadcast: Broadcast) -> dict[str, Any]:
    """Everything that is sent and to whom, with its segments written out.

    Not the time of one that runs once, which is chosen after its approval, and nothing that
    changes by itself while it runs.
    """
    segments = list(broadcast.segments.order_by("pk"))
    excluded = list(broadcast.excluded_segments.order_by("pk"))
    return {
        "category": str(broadcast.category),
        "body": broadcast.body,
        "attachments": attachment_facts(broadcast.attachments),
        "target": str(broadcast.target),
        "channel_account": broadcast.channel_account_id,
        "communities": _ids(broadcast.communities),
        "chats": _ids(broadcast.chats),
        "criterion": broadcast.criterion,
        "segments": [segment.code for segment in segments],
        "excluded_segments": [segment.code for segment in excluded],
        "named": _written_out(broadcast, [*segments, *excluded]),
        "freeze_at": str(broadcast.freeze_at),
        "schedule": schedule_facts(Schedule.objects.filter(broadcast=broadcast.pk).first()),
        "experiment": experiment_facts(broadcast),
    }


def digest_of(broadcast: Broadcast) -> str:
    """One string for all of it: two broadcasts with the same digest send the same."""
    return digest(facts_of(broadcast))


def is_as_approved(broadcast: Broadcast) -> bool:
    """Whether it still says what was approved to whom it was approved for, and nothing that was
    forbidden since. Of one approved before there were digests nothing is known."""
    if not broadcast.content_digest:
        return True
    return digest_of(broadcast) == broadcast.content_digest and not newly_blocked(broadcast)


def attachment_facts(attachments: Iterable[Attachment]) -> list[Attachment]:
    """Attachments with what is in their files, so that another file under the same name shows."""
    attachments = list(attachments)
    files = MediaAsset.objects.filter(pk__in=assets_named(attachments))
    hashes = dict(files.values_list("pk", "sha256"))
    return [
        {**one, "sha256": hashes.get(one.get("asset") or one.get("picture") or 0, "")}
        for one in attachments
    ]


def _ids(rows: Manager[Any]) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _written_out(broadcast: Broadcast, segments: Iterable[Segment]) -> dict[str, Any]:
    """The criterion of every segment that it names, directly or over other segments."""
    known: dict[str, Any] = {segment.code: segment.criterion for segment in segments}
    named = set(_segments_in([broadcast.criterion, *known.values()])) - known.keys()
    while named:
        found = Segment.objects.filter(enterprise=broadcast.enterprise_id, code__in=named)
        criteria = dict(found.values_list("code", "criterion"))
        known |= {code: criteria.get(code) for code in named}
        named = set(_segments_in(list(criteria.values()))) - known.keys()
    return known


def _segments_in(raw: Any) -> Iterator[str]:
    """The codes that stored criteria name, of members or of chats."""
    if isinstance(raw, dict):
        if str(raw.get("metric")).endswith("segment") and isinstance(raw.get("value"), str):
            yield raw["value"]
        raw = list(raw.values())
    if isinstance(raw, list):
        for part in raw:
            yield from _segments_in(part)
