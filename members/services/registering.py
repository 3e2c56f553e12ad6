"""Getting to know members."""

from __future__ import annotations

from typing import TypedDict, Unpack

from django.db import transaction
from django.utils.translation import gettext as _

from members.errors import AlreadyErased, ExternalIdTaken, NotAPhone, PhoneTaken
from members.models import Member, MemberIdentity
from members.models.member import IdentityKind
from members.rules.phones import masked, normalised
from scrm.accounts.models import Enterprise, User
from scrm.accounts.services.audit import record_audit
from scrm.shared.crypto import lookup_digest
from scrm.shared.errors import refusing


class MemberFields(TypedDict, total=False):
    nickname: str
    phone: str
    birthday: int | None


@transaction.atomic
def register_member(*, external_id: str, actor: User, **fields: Unpack[MemberFields]) -> Member:
    """Keep a customer's file under the number by which the enterprise knows them."""
    return add_member(actor.enterprise, external_id=external_id, actor=actor, **fields)


@transaction.atomic
def add_member(
    enterprise: Enterprise,
    *,
    external_id: str,
    actor: User | None,
    **fields: Unpack[MemberFields],
) -> Member:
    """``register_member`` for what runs without an operator, such as an import."""
    phone = _read_phone(fields.get("phone", ""))
    taken = ExternalIdTaken(_("客户编号 %(id)s 已存在，请直接使用那位成员。") % {"id": external_id})
    with refusing(taken, constraint="member_external_id_is_unique"):
        member = Member.objects.create(
            enterprise=enterprise,
            external_id=external_id,
            nickname=fields.get("nickname", ""),
            phone=phone,
            birthday=fields.get("birthday"),
        )
    _identify_by_phone(member)
    record_audit(
        actor,
        verb="register_member",
        subject=member,
        after={"external_id": external_id, "phone": masked(phone)},
    )
    return member


@transaction.atomic
def edit_member(member_id: int, *, actor: User, **changes: Unpack[MemberFields]) -> Member:
    """Change a nickname, phone number or birthday; the customer number stays."""
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    if member.erased_at is not None:
        raise AlreadyErased(_("这位成员的个人信息已应本人要求抹除，不能再填写。"))
    before = picture(member)
    if "nickname" in changes:
        member.nickname = changes["nickname"]
    if "phone" in changes:
        member.phone = _read_phone(changes["phone"])
    if "birthday" in changes:
        member.birthday = changes["birthday"]
    member.save(update_fields=list(changes))
    if "phone" in changes:
        member.identities.filter(kind=IdentityKind.PHONE).delete()
        _identify_by_phone(member)
    record_audit(actor, verb="edit_member", subject=member, before=before, after=picture(member))
    return member


def learn_birthday(member: Member, birthday: int | None) -> bool:
    """Fill in what was not known; whether it was not. An import knows no better than an operator,
    and nothing is learnt about who asked to be forgotten."""
    unknown = Member.objects.filter(pk=member.pk, birthday=None, erased_at=None)
    return birthday is not None and bool(unknown.update(birthday=birthday))


def picture(member: Member) -> dict[str, object]:
    """What the audit keeps of a file: no number in full, no birthday."""
    return {
        "nickname": member.nickname,
        "phone": masked(member.phone),
        "has_birthday": member.birthday is not None,
    }


def _read_phone(raw: str) -> str:
    if not raw.strip():
        return ""
    number = normalised(raw)
    if number is None:
        raise NotAPhone(_("这不是手机号，请填 6 到 15 位数字，可带 + 和国家代码。"))
    return number


def _identify_by_phone(member: Member) -> None:
    """Make the member findable by phone without keeping the number readable."""
    if not member.phone:
        return
    taken = PhoneTaken(_("这个手机号已属于另一位成员，请先核对是不是同一个人。"))
    with refusing(taken, constraint="identity_belongs_to_one_member"):
        MemberIdentity.objects.create(
            enterprise_id=member.enterprise_id,
            member=member,
            kind=IdentityKind.PHONE,
            digest=lookup_digest(
                member.phone, purpose=IdentityKind.PHONE, enterprise_id=member.enterprise_id
            ),
        )
