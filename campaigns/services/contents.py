"""The library of what is worth saying: from the topic over the reviewed version to what was
learnt by sending it, and round again."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack, cast

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from campaigns.errors import (
    BadAttachment,
    CannotMoveContent,
    CannotPublish,
    LearntMissing,
    ReasonMissing,
)
from campaigns.models import Content, ContentVersion, MediaAsset, Run
from campaigns.rules.attachments import clean_attachments, kinds_of_assets
from campaigns.rules.contents import CONTENT_MOVES, ContentStatus
from campaigns.rules.templates import Variable, clean_text
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services.audit import record_audit, snapshot

FIELDS = ("title", "category", "author_kind", "language", "brief")
MOVED = ("status", "status_reason", "learnt")


class ContentFields(TypedDict, total=False):
    title: str
    category: str
    author_kind: str
    language: str
    brief: str


@transaction.atomic
def create_content(*, actor: User, **fields: Unpack[ContentFields]) -> Content:
    """A topic: what it is about and for whom, before anything is written."""
    content = Content(enterprise_id=actor.enterprise_id, author=actor, **fields)
    content.save(force_insert=True)
    record_audit(actor, verb="create_content", subject=content, after=snapshot(content, FIELDS))
    return content


@transaction.atomic
def edit_content(content_id: int, *, actor: User, **changes: Unpack[ContentFields]) -> Content:
    """What it is called and what it is for. What it says stands in its versions."""
    content = _locked(content_id)
    if content.status == ContentStatus.RETIRED:
        raise CannotMoveContent(_("已停用的内容不能修改。"))
    before = snapshot(content, changes)
    for name, value in changes.items():
        setattr(content, name, value)
    if changes:
        content.save(update_fields=list(changes))
    after = snapshot(content, changes)
    record_audit(actor, verb="edit_content", subject=content, before=before, after=after)
    return content


@transaction.atomic
def write_version(
    content_id: int, *, actor: User, body: str, attachments: list[dict[str, Any]] | None = None
) -> ContentVersion:
    """A new version. A topic is drafted by it, and what was sent and learnt from is drafted anew;
    one that is being reviewed has to be returned first."""
    content = _locked(content_id)
    if content.status != ContentStatus.DRAFTING:
        _move(content, ContentStatus.DRAFTING, verb="draft_content", actor=actor)
    clean = clean_attachments(attachments or [])
    _refuse_files(content, clean)
    last = content.versions.aggregate(last=Max("number"))["last"] or 0
    version = ContentVersion.objects.create(
        content=content,
        number=last + 1,
        body=clean_text(body, allowed=tuple(Variable)),
        attachments=clean,
        written_by=actor,
    )
    record_audit(
        actor,
        verb="write_version",
        subject=content,
        after={"number": version.number, **snapshot(version, ["body", "attachments"])},
    )
    return version


class Revision(ContentFields, total=False):
    body: str
    attachments: list[dict[str, Any]]


@transaction.atomic
def revise_content(content_id: int, *, actor: User, **changes: Unpack[Revision]) -> Content:
    """What a page saves at once: its facts, and a new version where the text or the attachments
    are others than those of the newest."""
    newest = ContentVersion.objects.filter(content=content_id).order_by("-number").first()
    body = changes.get("body", newest.body if newest else "")
    attachments = changes.get("attachments", newest.attachments if newest else [])
    facts = {name: value for name, value in changes.items() if name in FIELDS}
    content = edit_content(content_id, actor=actor, **cast(ContentFields, facts))
    is_new = newest is None or (body.strip(), attachments) != (newest.body, newest.attachments)
    if is_new and (body.strip() or attachments):
        write_version(content_id, actor=actor, body=body, attachments=attachments)
        content.refresh_from_db()
    return content


@transaction.atomic
def submit_content(content_id: int, *, actor: User) -> Content:
    """Ask for the newest version to be published."""
    content = _locked(content_id)
    _newest_unpublished(content)
    return _move(content, ContentStatus.REVIEW, verb="submit_content", actor=actor)


@transaction.atomic
def return_content(content_id: int, *, actor: User, reason: str) -> Content:
    """From the review, for changes."""
    content = _locked(content_id)
    if content.status != ContentStatus.REVIEW:
        raise _cannot(content, ContentStatus.DRAFTING)
    return _move(
        content,
        ContentStatus.DRAFTING,
        verb="return_content",
        actor=actor,
        status_reason=_needed(reason),
    )


@transaction.atomic
def publish_content(content_id: int, *, actor: User) -> Content:
    """By somebody who did not write the version: from now on it can be sent."""
    content = _locked(content_id)
    if not actor.can(Capability.APPROVE_CAMPAIGNS):
        raise CannotPublish(_("没有发布内容的权限。"))
    version = _newest_unpublished(content)
    if version.written_by_id == actor.pk:
        raise CannotPublish(_("撰写人不能发布自己写的版本，请让另一位同事发布。"))
    _move(content, ContentStatus.PUBLISHED, verb="publish_content", actor=actor)
    version.published_by, version.published_at = actor, Now()
    version.save(update_fields=["published_by", "published_at"])
    return content


@transaction.atomic
def collect_feedback(content_id: int, *, actor: User | None) -> Content:
    """It has been sent: now its result is looked at."""
    return _move(_locked(content_id), ContentStatus.FEEDBACK, verb="collect_feedback", actor=actor)


@transaction.atomic
def optimise_content(content_id: int, *, actor: User, learnt: str) -> Content:
    """What was learnt, in words: the next version goes by it."""
    content = _locked(content_id)
    return _move(
        content,
        ContentStatus.OPTIMISED,
        verb="optimise_content",
        actor=actor,
        learnt=_learnt(learnt),
    )


@transaction.atomic
def retire_content(content_id: int, *, actor: User, reason: str = "") -> Content:
    """For good: nothing is sent from it any more. What was sent stays."""
    return _move(
        _locked(content_id),
        ContentStatus.RETIRED,
        verb="retire_content",
        actor=actor,
        status_reason=reason.strip()[:300],
    )


@transaction.atomic
def note_measured(run_id: int) -> None:
    """The report of a run is final: a published content of it goes on to its feedback."""
    run = Run.objects.select_related("content_version").get(pk=run_id)
    if run.content_version is None:
        return
    content = _locked(run.content_version.content_id)
    if content.status == ContentStatus.PUBLISHED:
        _move(content, ContentStatus.FEEDBACK, verb="collect_feedback", actor=None)


def _locked(content_id: int) -> Content:
    return Content.objects.select_for_update(no_key=True).get(pk=content_id)


def _move(
    content: Content,
    to: ContentStatus,
    *,
    verb: str,
    actor: User | None,
    status_reason: str = "",
    learnt: str | None = None,
) -> Content:
    if to not in CONTENT_MOVES[content.status]:
        raise _cannot(content, to)
    before = snapshot(content, MOVED)
    content.status, content.status_reason = to, status_reason
    if learnt is not None:
        content.learnt = learnt
    content.save(update_fields=list(MOVED))
    after = snapshot(content, MOVED)
    record_audit(actor, verb=verb, subject=content, before=before, after=after)
    return content


def _cannot(content: Content, to: ContentStatus) -> CannotMoveContent:
    return CannotMoveContent(
        _("“%(current)s”的内容不能变为“%(target)s”。")
        % {"current": content.get_status_display(), "target": to.label}
    )


def _newest_unpublished(content: Content) -> ContentVersion:
    version = content.versions.order_by("-number").first()
    if version is None or version.published_at is not None:
        raise CannotMoveContent(_("还没有新写的版本，请先写正文。"))
    return version


def _needed(reason: str) -> str:
    if not reason.strip():
        raise ReasonMissing(_("请写明原因。"))
    return reason.strip()[:300]


def _learnt(words: str) -> str:
    if not words.strip():
        raise LearntMissing(_("请写明学到了什么，下一版按它改。"))
    return words.strip()[:2000]


def _refuse_files(content: Content, attachments: list[dict[str, Any]]) -> None:
    wanted = kinds_of_assets(attachments)
    held = dict(MediaAsset.objects.filter(pk__in=wanted).values_list("pk", "enterprise_id"))
    if any(held.get(asset) != content.enterprise_id for asset in wanted):
        raise BadAttachment(_("有素材不存在，请重新选择。"))
