"""Setting the made-up customer up: organisation, classification, tiers, communities."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from communities.models import ClassificationAxis, ClassificationValue, Community, Tier, TierScheme
from communities.services.classifying import create_axis, create_value
from communities.services.founding import create_community
from communities.services.gatekeeping import set_entry_policy
from communities.services.lifecycle import move_community
from communities.services.tiering import create_tier, create_tier_scheme
from scrm.accounts.models import Department, Enterprise, Staff, User
from scrm.accounts.services.departments import create_department
from scrm.accounts.services.staff import create_staff
from scrm.accounts.services.users import create_user_account, edit_user
from scrm.demo import world
from scrm.shared.criteria import parse_criterion
from scrm.wecom.models import ChannelAccount, WecomConnection
from scrm.wecom.rules.status import Platform
from scrm.wecom.services.channel_accounts import create_channel_account
from scrm.wecom.services.connections import connect_company
from scrm.wecom.simulator.corp import Corp


@dataclass
class Founded:
    """What the later steps need to find again."""

    enterprise: Enterprise
    admin: User
    now: datetime
    staff: dict[str, Staff] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    axes: dict[str, ClassificationAxis] = field(default_factory=dict)
    values: dict[str, ClassificationValue] = field(default_factory=dict)  # by "axis:code"
    scheme: TierScheme = field(init=False)
    communities: dict[str, Community] = field(default_factory=dict)
    sandbox: ChannelAccount = field(init=False)
    carrier: ChannelAccount = field(init=False)  # of the chats: WeCom where it is simulated
    connection: WecomConnection = field(init=False)  # only where it is simulated


def found(now: datetime, *, corp: Corp | None) -> Founded:
    enterprise = Enterprise.objects.create(name=world.ENTERPRISE_NAME, slug=world.ENTERPRISE_SLUG)
    admin = create_user_account(
        actor=None,
        enterprise=enterprise,
        username=world.ADMIN.username,
        role=world.ADMIN.role,
        data_scope=world.ADMIN.data_scope,
    )
    founded = Founded(enterprise, admin, now.astimezone(enterprise.zone))
    found_organisation(founded)
    found_axes(founded)
    found_communities(founded, found_tiers(founded))
    founded.sandbox = founded.carrier = create_channel_account(
        actor=admin, name="沙盒渠道", kind="sandbox", failure_percent=3
    )
    if corp is not None:
        connect(founded, corp)
    return founded


def connect(founded: Founded, corp: Corp) -> None:
    founded.connection = connect_company(
        actor=founded.admin,
        corp_id=corp.corp_id,
        agent_id=corp.agent_id,
        app_secret=corp.secret,
        name="企业微信（模拟）",
        platform=Platform.SIMULATOR,
    )
    founded.carrier = founded.connection.account


def found_organisation(founded: Founded) -> None:
    departments: dict[str, Department] = {}
    for number, spec in enumerate(world.DEPARTMENTS, start=1):
        departments[spec.key] = create_department(
            actor=founded.admin,
            name=spec.name,
            parent=departments.get(spec.parent),
            external_id=str(number),
        )
    for person in world.STAFF:
        founded.staff[person.key] = create_staff(
            actor=founded.admin,
            name=person.name,
            department=departments[person.department],
            external_id=person.key,
        )
    edit_user(founded.admin.pk, actor=founded.admin, staff=founded.staff[world.ADMIN.staff])
    founded.admin = User.objects.select_related("enterprise", "staff").get(pk=founded.admin.pk)
    for user in world.USERS:
        founded.users[user.username] = create_user_account(
            actor=founded.admin,
            username=user.username,
            password=secrets.token_urlsafe(18),  # told to nobody: an administrator sets another
            role=user.role,
            data_scope=user.data_scope,
            staff=founded.staff.get(user.staff),
        )


def found_axes(founded: Founded) -> None:
    for spec in world.AXES:
        axis = create_axis(
            actor=founded.admin,
            code=spec.code,
            name=spec.name,
            is_exclusive=spec.is_exclusive,
            requires_evidence=spec.requires_evidence,
            evidence_valid_days=spec.evidence_valid_days,
        )
        founded.axes[spec.code] = axis
        for value in spec.values:
            founded.values[f"{spec.code}:{value.code}"] = create_value(
                axis=axis,
                actor=founded.admin,
                code=value.code,
                name=value.name,
                parent=founded.values.get(f"{spec.code}:{value.parent}"),
            )


def found_tiers(founded: Founded) -> dict[int, Tier]:
    code, name = world.TIER_SCHEME
    founded.scheme = create_tier_scheme(code=code, name=name, actor=founded.admin)
    return {
        rank: create_tier(
            scheme=founded.scheme,
            criterion=parse_criterion(criterion),
            actor=founded.admin,
            rank=rank,
            name=name,
        )
        for rank, name, criterion in world.TIERS
    }


def found_communities(founded: Founded, tiers: dict[int, Tier]) -> None:
    for spec in world.COMMUNITIES:
        community = create_community(
            actor=founded.admin,
            code=spec.code,
            name=spec.name,
            audience_statement=spec.who,
            purpose_statement=spec.what,
            kind=spec.kind,
            circle=spec.circle,
            parent=founded.communities.get(spec.parent),
            classification_values=[founded.values[name] for name in spec.values],
            minimum_tier=tiers.get(spec.minimum_tier or 0),
            owner=founded.staff[spec.owner],
            adviser=founded.staff.get(spec.adviser),
            target_size=spec.target_size,
        )
        founded.communities[spec.code] = community
        if spec.status != "draft":
            set_entry_policy(
                community.pk,
                mode=spec.mode,
                criterion=parse_criterion(spec.criterion),
                evidence_axes=[founded.axes[code] for code in spec.evidence],
                actor=founded.admin,
            )
        steps = world.STATUS_PATH[1 : world.STATUS_PATH.index(spec.status) + 1]
        for status in steps:
            move_community(community.pk, target=status, actor=founded.admin)
        community.created_at = founded.now - timedelta(days=spec.created_days_ago)
        community.save(update_fields=["created_at"])
        community.refresh_from_db()
