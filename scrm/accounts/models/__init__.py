from scrm.accounts.models.api_key import ApiKey
from scrm.accounts.models.audit import AuditEvent
from scrm.accounts.models.enterprise import Department, Enterprise, Staff, StaffPlatformStatus
from scrm.accounts.models.operator_task import OperatorTask
from scrm.accounts.models.user import User

__all__ = [
    "ApiKey",
    "AuditEvent",
    "Department",
    "Enterprise",
    "OperatorTask",
    "Staff",
    "StaffPlatformStatus",
    "User",
]
