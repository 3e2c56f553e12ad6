"""Tags: words that colleagues put on members."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from members.errors import CodeTaken
from members.models import Member, MemberTag, Tag
from members.signals import tags_swept
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing
from scrm.shared.sql import Sql, sql

SPAN = 5_000  # members that one statement tags
TABLE = MemberTag._meta.db_table
ADD = f"""
INSERT INTO {TABLE} (tag_id, member_id, added_at, added_by_id)
SELECT {{}}, member_id, {{}}, {{}} FROM unnest({{}}::bigint[]) AS chosen (member_id)
ON CONFLICT DO NOTHING RETURNING member_id
"""  # noqa: S608 - a table name
REMOVE = f"""
UPDATE {TABLE} SET removed_at = GREATEST({{}}, added_at)
WHERE tag_id = {{}} AND removed_at IS NULL AND member_id = ANY({{}}) RETURNING member_id
"""  # noqa: S608 - a table name


@transaction.atomic
def create_tag(*, code: str, name: str, actor: User) -> Tag:
    """A new word. Criteria name it by its code, which stays."""
    tag = Tag(enterprise=actor.enterprise, code=code, name=name)
    taken = CodeTaken(_("代码 %(code)s 已被使用，请换一个。") % {"code": code})
    with refusing(taken, constraint="tag_code_is_unique"):
        tag.save(force_insert=True)
    record_audit(actor, verb="create_tag", subject=tag, after={"code": code, "name": name})
    return tag


@transaction.atomic
def rename_tag(tag_id: int, *, actor: User, name: str | None = None) -> Tag:
    tag = Tag.objects.select_for_update(no_key=True).get(pk=tag_id)
    before = snapshot(tag, ["name"])
    if name is None or name == tag.name:
        return tag
    tag.name = name
    tag.save(update_fields=["name"])
    record_audit(actor, verb="rename_tag", subject=tag, before=before, after={"name": name})
    return tag


@transaction.atomic
def tag_members(tag_id: int, *, members: QuerySet[Member], actor: User) -> int:
    """Put a tag on members; those who have it keep it as it is. How many got it."""
    tag = Tag.objects.get(pk=tag_id)
    now = timezone.now()
    return _sweep(
        tag, members, actor, "tag_members", lambda ids: sql(ADD, tag.pk, now, actor.pk, ids)
    )


@transaction.atomic
def untag_members(tag_id: int, *, members: QuerySet[Member], actor: User) -> int:
    """Take a tag off members; that they wore it stays on record. How many lost it."""
    tag = Tag.objects.get(pk=tag_id)
    now = timezone.now()
    return _sweep(tag, members, actor, "untag_members", lambda ids: sql(REMOVE, now, tag.pk, ids))


def _sweep(
    tag: Tag,
    members: QuerySet[Member],
    actor: User,
    verb: str,
    statement: Callable[[list[int]], Sql],
) -> int:
    """Span by span, so that no list of everybody is ever held."""
    ids = (
        Member.objects.filter(enterprise=tag.enterprise_id, pk__in=members.values("pk"))
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    changed, last = 0, 0
    while span := list(ids.filter(pk__gt=last)[:SPAN]):
        last = span[-1]
        touched = _run(statement(span))
        changed += len(touched)
        if touched:
            tags_swept.send(sender=MemberTag, tag_id=tag.pk, member_ids=touched)
    if changed:
        record_audit(actor, verb=verb, subject=tag, after={"member_count": changed})
    return changed


def _run(statement: Sql) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        return sorted(member_id for (member_id,) in cursor.fetchall())
