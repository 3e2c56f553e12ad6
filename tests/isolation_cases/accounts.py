from scrm.accounts.rules.roles import Role
from scrm.accounts.services.audit import record_audit
from tests.accounts.factories import (
    ApiKeyFactory,
    DepartmentFactory,
    OperatorTaskFactory,
    StaffFactory,
    UserFactory,
)
from tests.isolation import Call


def build(world):
    home = {"enterprise": world.enterprise}
    world.rows["enterprise"] = world.enterprise
    world.rows["department"] = DepartmentFactory(**home, name=f"{world.mark}部")
    world.rows["empty department"] = DepartmentFactory(**home, name=f"{world.mark}空部")
    world.rows["staff"] = StaffFactory(
        **home, name=f"{world.mark}员工", department=world.rows["department"]
    )
    world.rows["free staff"] = StaffFactory(**home, name=f"{world.mark}新员工")
    world.rows["former staff"] = StaffFactory(**home, name=f"{world.mark}前员工", is_active=False)
    world.rows["user"] = UserFactory(
        **home,
        username=f"{world.mark}-user",
        role=Role.OPERATOR,
        staff=world.rows["staff"],
    )
    world.rows["disabled user"] = UserFactory(
        **home, username=f"{world.mark}-disabled", role=Role.OPERATOR, is_active=False
    )
    world.rows["api key"] = ApiKeyFactory(user=world.rows["user"], name=f"{world.mark}密钥")
    world.rows["audit event"] = record_audit(
        world.rows["user"],
        verb="edit_staff",
        subject=world.rows["staff"],
        after={"name": world.mark},
    )
    world.rows["task"] = OperatorTaskFactory(
        **home,
        object_type="accounts.staff",
        object_id=world.rows["staff"].pk,
        title=f"{world.mark}待办",
        details={"reasons": [f"{world.mark}理由"]},
        assignee=world.rows["staff"],
    )


API = {
    "me": {"get": Call()},
    "enterprise": {"get": Call(), "patch": Call(body=lambda w: {"name": "新名字"})},
    "department-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {"name": "新部门", "parent": w["department"].pk}, answers=(201,)
        ),
    },
    "department-detail": {
        "get": Call(row="department"),
        "patch": Call(row="empty department", body=lambda w: {"parent": w["department"].pk}),
        "delete": Call(row="empty department", answers=(204,)),
    },
    "staff-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {"name": "新员工", "department": w["department"].pk}, answers=(201,)
        ),
    },
    "staff-detail": {
        "get": Call(row="staff"),
        "patch": Call(row="free staff", body=lambda w: {"department": w["department"].pk}),
    },
    "staff-deactivate": {"post": Call(row="staff")},
    "staff-reactivate": {"post": Call(row="former staff")},
    "user-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {
                "username": "someone.new",
                "role": "operator",
                "staff": w["free staff"].pk,
            },
            answers=(201,),
        ),
    },
    "user-detail": {
        "get": Call(row="user"),
        "patch": Call(row="user", body=lambda w: {"staff": w["free staff"].pk}),
    },
    "user-change-role": {"post": Call(row="user", body=lambda w: {"role": "analyst"})},
    "user-set-password": {
        "post": Call(row="user", body=lambda w: {"password": "correct horse battery"})
    },
    "user-disable": {"post": Call(row="user")},
    "user-enable": {"post": Call(row="disabled user")},
    "api-key-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {
                "name": "新密钥",
                "user": w["user"].pk,
                "scopes": ["communities.view"],
            },
            answers=(201,),
        ),
    },
    "api-key-detail": {"get": Call(row="api key")},
    "api-key-revoke": {"post": Call(row="api key")},
    "audit-event-list": {"get": Call()},
    "audit-event-detail": {"get": Call(row="audit event")},
    "operator-task-list": {"get": Call()},
    "operator-task-detail": {"get": Call(row="task")},
    "operator-task-complete": {"post": Call(row="task", body=lambda w: {"note": "已办"})},
    "operator-task-dismiss": {"post": Call(row="task", body=lambda w: {"reason": "不需要"})},
    "operator-task-assign": {
        "post": Call(row="task", body=lambda w: {"assignee": w["free staff"].pk})
    },
}

ADMIN = {
    "accounts.enterprise": "enterprise",
    "accounts.department": "department",
    "accounts.staff": "free staff",
    "accounts.user": "user",
    "accounts.apikey": "api key",
    "accounts.auditevent": "audit event",
    "accounts.operatortask": "task",
}

ADMIN_URLS = {
    "accounts_staff_deactivate": Call(row="staff"),
    "accounts_staff_reactivate": Call(row="former staff"),
    "accounts_user_change_role": Call(
        row="user", body=lambda w: {"role": "analyst", "data_scope": "all"}
    ),
    "accounts_user_reset_password": Call(
        row="user", body=lambda w: {"password": "correct horse battery"}
    ),
    "accounts_user_disable": Call(row="user"),
    "accounts_user_enable": Call(row="disabled user"),
    "accounts_apikey_revoke": Call(row="api key"),
    "accounts_operatortask_complete": Call(row="task", body=lambda w: {"note": "已办"}),
    "accounts_operatortask_dismiss": Call(row="task", body=lambda w: {"reason": "不需要"}),
    "accounts_operatortask_assign": Call(
        row="task", body=lambda w: {"assignee": w["free staff"].pk}
    ),
}
