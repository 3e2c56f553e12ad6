"""Staff and departments, as far as the app may see them."""

from __future__ import annotations

from scrm.wecom.client.apis import reading
from scrm.wecom.client.arguments import identity
from scrm.wecom.client.calls import Calls
from scrm.wecom.client.parsing import many, parse, texts
from scrm.wecom.client.results import Department, StaffDetail

LIST_DEPARTMENTS = reading("department/list", method="GET")
GET_DEPARTMENT = reading("department/get", method="GET")
LIST_STAFF = reading("user/list", method="GET")
GET_STAFF = reading("user/get", method="GET")
CALLBACK_IPS = reading("getcallbackip", method="GET")


class Directory(Calls):
    def departments(self) -> tuple[Department, ...]:
        """All that the app may see."""
        return many(Department)(self.ask(LIST_DEPARTMENTS).get("department"))

    def department(self, department_id: int) -> Department:
        answer = self.ask(GET_DEPARTMENT, params={"id": str(department_id)})
        return parse(Department, self.required(GET_DEPARTMENT, answer, "department", dict))

    def department_staff(self, department_id: int) -> tuple[StaffDetail, ...]:
        """Those of this department alone, not of the ones below it. Who belongs to two
        departments is told in both."""
        answer = self.ask(LIST_STAFF, params={"department_id": str(department_id)})
        return many(StaffDetail)(answer.get("userlist"))

    def staff(self, userid: str) -> StaffDetail:
        answer = self.ask(GET_STAFF, params={"userid": identity("userid", userid)})
        self.required(GET_STAFF, answer, "userid", str)
        return parse(StaffDetail, answer)

    def callback_ips(self) -> tuple[str, ...]:
        """Where the platform's callbacks come from: addresses and ranges."""
        return texts(self.ask(CALLBACK_IPS).get("ip_list"))
