"""People outside the company, and who of them is whose customer."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from scrm.wecom.simulator.directory import Directory
from scrm.wecom.simulator.names import nickname
from scrm.wecom.simulator.records import App, Contact, Person, Staff
from scrm.wecom.simulator.refusals import Impossible
from scrm.wecom.simulator.state import TRANSIENT, verb


@dataclass(slots=True)
class WelcomeCode:
    text: str
    made_at: float
    userid: str
    external_userid: str
    used: bool = False


@dataclass(kw_only=True)
class People(Directory):
    """``contacts`` are kept by staff (lower-case userid); ``followers`` is their index."""

    people: dict[str, Person] = field(default_factory=dict)
    contacts: dict[str, dict[str, Contact]] = field(default_factory=dict)
    followers: dict[str, tuple[str, ...]] = field(default_factory=dict, metadata=TRANSIENT)
    welcome_codes: dict[str, WelcomeCode] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for userid, contacts in self.contacts.items():
            for external_userid in contacts:
                self._index(userid, external_userid)

    def _index(self, userid: str, external_userid: str) -> None:
        self.followers[external_userid] = (*self.followers.get(external_userid, ()), userid)

    # Asking -----------------------------------------------------------------------------------

    def person(self, external_userid: str) -> Person:
        if (found := self.people.get(external_userid)) is None:
            raise Impossible(f"没有客户 {external_userid}")
        return found

    def contact(self, userid: str, external_userid: str) -> Contact | None:
        return self.contacts.get(userid.lower(), {}).get(external_userid)

    def contacts_with(self, external_userid: str, app: App | None = None) -> list[Contact]:
        """Of working staff within the app's range, as the API shows them."""
        found = []
        for userid in self.followers.get(external_userid, ()):
            staff, contact = self.staff[userid], self.contacts[userid][external_userid]
            if not contact.shown or staff.resigned:
                continue
            if app is None or self.is_visible(staff, app):
                found.append(contact)
        return found

    def customers_of(self, userid: str) -> list[Contact]:
        return [each for each in self.contacts.get(userid.lower(), {}).values() if each.shown]

    def unionid_of(self, person: Person) -> str:
        """Only of WeChat users, and only with a developer account bound."""
        if person.type != 1 or not self.settings.developer_account:
            return ""
        return person.unionid or "o" + sha256(person.id.encode()).hexdigest()[:27]

    # Doing ------------------------------------------------------------------------------------

    @verb
    def add_person(
        self, name: str = "", *, external_userid: str = "", type: int = 1, unionid: str = ""
    ) -> str:
        """Somebody nobody here knows yet."""
        new_id = external_userid or self.new_id("wm" if type == 1 else "wo")
        if new_id in self.people:
            raise Impossible(f"客户 {new_id} 已存在")
        self.people[new_id] = Person(
            new_id, name or nickname(self.serial), type=type, unionid=unionid
        )
        return new_id

    @verb
    def add_customer(
        self,
        name: str = "",
        *,
        staff: str = "",
        external_userid: str = "",
        type: int = 1,
        add_way: int = 1,
        state: str = "",
        half: bool = False,
        unionid: str = "",
    ) -> str:
        """Somebody new; with ``staff`` they become contacts. Returns the external_userid."""
        new_id = self.add_person(name, external_userid=external_userid, type=type, unionid=unionid)
        if staff:
            self.add_contact(staff, new_id, add_way=add_way, state=state, half=half)
        return new_id

    @verb
    def add_contact(
        self,
        userid: str,
        external_userid: str,
        *,
        add_way: int = 1,
        state: str = "",
        half: bool = False,
    ) -> str:
        """They become contacts, or half so. Returns the welcome code, if there is one."""
        staff, person = self.somebody(userid), self.person(external_userid)
        before = self.contact(userid, external_userid)
        if not staff.follows_customers or staff.resigned:
            raise Impossible(f"{userid} 不能添加客户")
        contact = self._befriend(staff, person, add_way=add_way, channel=state)
        contact.state = "half" if half else "friends"
        welcome = self._welcome_code(staff, person, before)
        elements = [
            ("ChangeType", "add_half_external_contact" if half else "add_external_contact"),
            ("UserID", staff.userid),
            ("ExternalUserID", external_userid),
            *([("State", state)] if state else []),
            *([("WelcomeCode", welcome)] if welcome else []),
        ]
        self.announce("change_external_contact", *elements, subject=external_userid)
        return welcome

    def _befriend(self, staff: Staff, person: Person, *, add_way: int, channel: str) -> Contact:
        key = staff.userid.lower()
        theirs = self.contacts.setdefault(key, {})
        if person.id not in theirs:
            self._index(key, person.id)
        fresh = Contact(
            person.id,
            staff.userid,
            self.clock.second(),
            self.next_serial(),
            add_way=add_way,
            channel=channel,
            oper_userid=staff.userid if add_way in {2, 5, 202} else person.id,
            last_talk_at=self.clock.second(),
        )
        theirs.pop(person.id, None)
        theirs[person.id] = fresh
        return fresh

    def _welcome_code(self, staff: Staff, person: Person, before: Contact | None) -> str:
        """None for another company's user, and none when the half addition already gave one."""
        if person.type != 1 or (before is not None and before.state in {"half", "friends"}):
            return ""
        text = self.new_id("")
        self.welcome_codes[text] = WelcomeCode(text, self.clock.time(), staff.userid, person.id)
        return text

    @verb
    def delete_contact(self, userid: str, external_userid: str, *, by: str = "customer") -> None:
        """``by``: customer, staff, or transfer (the automatic one after a hand-over)."""
        contact = self.contact(userid, external_userid)
        if contact is None or contact.state in {"deleted_by_staff", "deleted_by_customer"}:
            raise Impossible(f"{userid} 和 {external_userid} 没有联系")
        contact.state = "deleted_by_customer" if by == "customer" else "deleted_by_staff"
        self.announce(
            "change_external_contact",
            ("ChangeType", "del_follow_user" if by == "customer" else "del_external_contact"),
            ("UserID", contact.userid),
            ("ExternalUserID", external_userid),
            *([("Source", "DELETE_BY_TRANSFER")] if by == "transfer" else []),
            subject=external_userid,
        )

    @verb
    def edit_contact(self, userid: str, external_userid: str, **changes: object) -> None:
        """A staff member changes remark, description or tags in the client."""
        if (contact := self.contact(userid, external_userid)) is None:
            raise Impossible(f"{userid} 和 {external_userid} 没有联系")
        for name, value in changes.items():
            setattr(contact, name, value)
        self.announce(
            "change_external_contact",
            ("ChangeType", "edit_external_contact"),
            ("UserID", contact.userid),
            ("ExternalUserID", external_userid),
            subject=external_userid,
        )

    @verb
    def rename_person(self, external_userid: str, name: str) -> None:
        """People change their nicknames; the platform tells nobody."""
        self.person(external_userid).name = name

    @verb
    def talk(self, userid: str, external_userid: str) -> None:
        """They wrote to each other: mass messages go to whoever talked last."""
        if (contact := self.contact(userid, external_userid)) is None:
            raise Impossible(f"{userid} 和 {external_userid} 没有联系")
        contact.last_talk_at = self.clock.second()

    def _userid_changed(self, former: str, new: str) -> None:
        super()._userid_changed(former, new)
        moved = self.contacts.pop(former.lower(), {})
        if not moved:
            return
        self.contacts[new.lower()] = moved
        for external_userid, contact in moved.items():
            contact.userid = new
            rest = tuple(x for x in self.followers[external_userid] if x != former.lower())
            self.followers[external_userid] = (*rest, new.lower())
