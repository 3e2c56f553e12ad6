"""The nouns of a simulated company. Times are seconds since 1970, ids are texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from scrm.wecom.simulator.clock import moment

CUSTOMER_GROUP_SCENES = {1: 0, 2: 0, 3: 3}  # join_scene of a member -> JoinScene of the event


@dataclass(slots=True)
class App:
    """An app of the company. ``users`` and ``departments`` are its visible range; None: all."""

    agent_id: int
    secret: str
    name: str = "SCRM"
    users: list[str] | None = None
    departments: list[int] | None = None
    may_call_customers: bool = True
    trusted_ip: bool = True
    disabled: bool = False
    contact_sync: bool = False


@dataclass(slots=True)
class Token:
    text: str
    agent_id: int
    expires_at: float
    ended_with: int = 0


@dataclass(slots=True)
class Department:
    id: int
    name: str
    parent_id: int
    order: int
    leaders: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Staff:
    """``status``: 1 active, 2 disabled, 4 not activated, 5 left. ``customer_limit`` of 0: none."""

    userid: str
    name: str
    departments: list[int]
    position: str = ""
    alias: str = ""
    mobile: str = ""
    status: int = 1
    real_name: bool = True
    follows_customers: bool = True
    banned: bool = False
    customer_limit: int = 0
    last_login_at: int = 0
    resigned_at: int = 0

    @property
    def resigned(self) -> bool:
        return self.resigned_at > 0


@dataclass(slots=True)
class Person:
    """Somebody outside the company; ``type`` 1 uses WeChat, 2 the WeCom of another company."""

    id: str
    name: str
    type: int = 1
    gender: int = 0
    avatar: str = ""
    unionid: str = ""
    corp_name: str = ""


@dataclass(slots=True)
class Contact:
    """``state``: friends, half, deleted_by_staff or deleted_by_customer."""

    external_userid: str
    userid: str
    created_at: int
    serial: int
    state: str = "friends"
    add_way: int = 1
    channel: str = ""
    oper_userid: str = ""
    remark: str = ""
    description: str = ""
    remark_company: str = ""
    remark_mobiles: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    last_talk_at: int = 0

    @property
    def shown(self) -> bool:
        """A customer who deleted the staff member stays in his list, the other way round not."""
        return self.state in {"friends", "deleted_by_customer"}


@dataclass(slots=True)
class Presence:
    """Somebody who is in a group now; ``type`` 1 staff, 2 outside."""

    id: str
    type: int
    joined_at: int
    scene: int = 1
    inviter: str = ""
    state: str = ""
    nickname: str = ""


@dataclass(slots=True)
class Past:
    """A time somebody was in a group, over now. ``reason``: self, removed or dissolved."""

    id: str
    type: int
    joined_at: int
    left_at: int
    reason: str
    scene: int
    inviter: str
    state: str


@dataclass(slots=True)
class Revision:
    """What a group looked like until ``changed_at``, for reads that lag behind."""

    changed_at: float
    answer: dict[str, object]


@dataclass(slots=True)
class Group:
    """``status``: 0 normal, 1 its owner resigned, 2 being inherited, 3 inherited."""

    chat_id: str
    name: str
    owner: str
    created_at: int
    serial: int
    notice: str = ""
    admins: list[str] = field(default_factory=list)
    members: dict[str, Presence] = field(default_factory=dict)
    past: list[Past] = field(default_factory=list)
    status: int = 0
    dissolved_at: int = 0
    version: str = ""
    internal: bool = False
    needs_confirmation: bool = False
    handed_over_at: list[int] = field(default_factory=list)
    given_on_job_at: list[int] = field(default_factory=list)  # those of them that are limited
    messages: dict[str, dict[str, int]] = field(default_factory=dict)
    welcome_template: str = ""
    revisions: list[Revision] = field(default_factory=list, metadata={"kept": False})


# --- What really happened, for those who compare ------------------------------------------------


@dataclass(frozen=True, slots=True)
class Period:
    member_id: str
    type: int
    joined_at: datetime
    left_at: datetime | None
    reason: str
    scene: int
    inviter: str
    state: str


@dataclass(frozen=True, slots=True)
class Truth:
    """A group as it really was: every period of every member, in order of joining."""

    chat_id: str
    name: str
    owner: str
    created_at: datetime
    dissolved_at: datetime | None
    version: str
    periods: tuple[Period, ...]

    def of(self, member_id: str) -> list[Period]:
        return [period for period in self.periods if period.member_id == member_id]


def truth_of(group: Group) -> Truth:
    over = [
        Period(
            past.id,
            past.type,
            moment(past.joined_at),
            moment(past.left_at),
            past.reason,
            past.scene,
            past.inviter,
            past.state,
        )
        for past in group.past
    ]
    running = [
        Period(
            here.id,
            here.type,
            moment(here.joined_at),
            None,
            "",
            here.scene,
            here.inviter,
            here.state,
        )
        for here in group.members.values()
    ]
    return Truth(
        chat_id=group.chat_id,
        name=group.name,
        owner=group.owner,
        created_at=moment(group.created_at),
        dissolved_at=moment(group.dissolved_at) if group.dissolved_at else None,
        version=group.version,
        periods=tuple(sorted(over + running, key=lambda period: period.joined_at)),
    )
