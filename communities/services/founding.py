"""Making communities and describing them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from communities.errors import BelongsElsewhere, CodeTaken, NotReady, TooDeep, WouldLoop
from communities.models import ClassificationValue, Community, Tier
from communities.rules.status import CommunityStatus
from communities.rules.tree import MAX_DEPTH, depth_under, would_loop
from communities.services.belonging import refuse_strangers
from scrm.accounts.models import Enterprise, Staff, User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing

SLUG_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
UNSTATED = frozenset({CommunityStatus.DRAFT, CommunityStatus.CANCELLED})


class CommunityFields(TypedDict, total=False):
    """What describes a community. Its status is not among it: that is moved."""

    code: str
    name: str
    audience_statement: str
    purpose_statement: str
    purpose_kind: str
    kind: str
    circle: str
    parent: Community | None
    classification_values: Iterable[ClassificationValue]
    minimum_tier: Tier | None
    owner: Staff | None
    adviser: Staff | None
    backup_owner: Staff | None
    minimum_size: int
    target_size: int
    allowed_categories: list[str]
    advert_share_limit: int | None


@transaction.atomic
def create_community(*, actor: User, **fields: Unpack[CommunityFields]) -> Community:
    """A new draft. Without an owner given, it belongs to the colleague who makes it."""
    values = tuple(fields.pop("classification_values", ()))
    fields.setdefault("owner", actor.staff)
    community = Community(enterprise=actor.enterprise, **fields)
    _refuse_foreign_parts(community, values)
    refuse_misplacement(community)
    with refusing(_code_taken(community.code), constraint="community_code_is_unique"):
        _save_under_a_free_slug(community)
    community.classification_values.set(values)
    record_audit(
        actor,
        verb="create_community",
        subject=community,
        after=snapshot(community, fields) | {"classification_values": values},
    )
    return community


@transaction.atomic
def edit_community(
    community_id: int, *, actor: User, **changes: Unpack[CommunityFields]
) -> Community:
    """Change what describes a community. Beyond draft it stays stated and owned."""
    community = Community.objects.select_for_update(no_key=True).get(pk=community_id)
    new_values = changes.pop("classification_values", None)
    before = snapshot(community, changes)
    for name, value in changes.items():
        setattr(community, name, value)
    values = None if new_values is None else tuple(new_values)
    _refuse_foreign_parts(community, values or ())
    if "parent" in changes:
        refuse_misplacement(community)
    if community.status not in UNSTATED:
        refuse_unstated(community)
    if changes:
        with refusing(_code_taken(community.code), constraint="community_code_is_unique"):
            community.save(update_fields=list(changes))
    after = snapshot(community, changes)
    if values is not None:
        before["classification_values"] = list(community.classification_values.all())
        after["classification_values"] = values
        community.classification_values.set(values)
    record_audit(actor, verb="edit_community", subject=community, before=before, after=after)
    return community


def refuse_unstated(community: Community, *, also: dict[str, str] | None = None) -> None:
    """A community says for whom and what for, and somebody answers for it."""
    missing = {
        "audience_statement": "" if community.audience_statement.strip() else _("写明“什么人”"),
        "purpose_statement": "" if community.purpose_statement.strip() else _("写明“做什么事”"),
        "owner": "" if community.owner_id else _("指定负责人"),
        **(also or {}),
    }
    missing = {name: words for name, words in missing.items() if words}
    if missing:
        raise NotReady(
            _("还不能离开草稿，请先：%(steps)s。") % {"steps": "、".join(missing.values())},
            details={"missing": sorted(missing)},
        )


def _refuse_foreign_parts(community: Community, values: tuple[ClassificationValue, ...]) -> None:
    enterprise_id = community.enterprise_id
    people = [community.owner, community.adviser, community.backup_owner]
    refuse_strangers(enterprise_id, [community.parent, *people])
    if community.minimum_tier is not None:
        refuse_strangers(enterprise_id, [community.minimum_tier.scheme])
    foreign = ClassificationValue.objects.filter(pk__in=[value.pk for value in values]).exclude(
        axis__enterprise_id=enterprise_id
    )
    if foreign.exists():
        raise BelongsElsewhere(_("有分类值不属于这家企业，请另选。"))


def refuse_misplacement(community: Community) -> None:
    """One tree a company, changed by one at a time: two moves together could close a loop."""
    if community.parent_id is None:
        return
    Enterprise.objects.select_for_update(no_key=True).get(pk=community.enterprise_id)
    parents = dict(
        Community.objects.filter(enterprise=community.enterprise_id).values_list("pk", "parent_id")
    )
    if would_loop(parents, node=community.pk, parent=community.parent_id):
        raise WouldLoop(_("上级社群不能是自己或自己的下级，请另选上级。"))
    if depth_under(parents, node=community.pk, parent=community.parent_id) > MAX_DEPTH:
        raise TooDeep(_("社群最多 %(limit)d 层，请选更靠上的上级。") % {"limit": MAX_DEPTH})


def _save_under_a_free_slug(community: Community) -> None:
    """The address of the join page is the code, as far as no other company has it already."""
    community.join_slug = community.code
    try:
        with transaction.atomic():
            community.save(force_insert=True)
    except IntegrityError as clash:
        diagnostics = getattr(clash.__cause__, "diag", None)
        if "join_slug" not in (getattr(diagnostics, "constraint_name", None) or ""):
            raise
        community.join_slug = f"{community.code}-{get_random_string(4, SLUG_LETTERS)}"
        community.save(force_insert=True)


def _code_taken(code: str) -> CodeTaken:
    return CodeTaken(_("已有代码为 %(code)s 的社群，请换一个代码。") % {"code": code})
