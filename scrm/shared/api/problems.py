"""The one shape of an error: RFC 9457 ``application/problem+json`` with stable English codes."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import (
    BadRequest,
    ObjectDoesNotExist,
    ObjectNotUpdated,
    SuspiciousOperation,
)
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views import defaults
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import Error, ErrorResponse
from rest_framework import exceptions, serializers, status
from rest_framework.response import Response

from scrm.shared.errors import DomainError, InvalidInput
from scrm.shared.request_id import current_request_id

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: _("请求有误"),
    401: _("需要登录"),
    403: _("没有权限"),
    404: _("不存在"),
    405: _("不支持的方法"),
    406: _("不支持的格式"),
    409: _("现在不能这样做"),
    412: _("数据已被修改"),
    413: _("请求正文太大"),
    415: _("不支持的内容类型"),
    428: _("缺少前提条件"),
    429: _("请求太频繁"),
    500: _("服务器出错"),
    503: _("服务暂时不可用"),
}
UNEXPECTED = _("服务器出错，请稍后再试；若一直如此，请把 request_id 告诉管理员。")


class Refusal(exceptions.APIException):
    """A ``DomainError`` on its way out."""

    status_code = status.HTTP_409_CONFLICT

    def __init__(self, error: DomainError) -> None:
        super().__init__(error.message, error.code)
        self.extension = error.details


class InvalidField(exceptions.ValidationError):
    """An ``InvalidInput`` on its way out: it looks like what a serializer finds."""

    def __init__(self, error: InvalidInput) -> None:
        super().__init__({error.field: [exceptions.ErrorDetail(error.message, error.code)]})
        self.extension = error.details


class Unavailable(exceptions.APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = _("数据库暂时不可用或操作超时，请稍后再试。")
    default_code = "unavailable"
    wait = 1


class ProblemHandler(ExceptionHandler):
    def convert_known_exceptions(self, exc: Exception) -> Exception:
        match exc:
            case InvalidInput():
                return InvalidField(exc)
            case DomainError():
                return Refusal(exc)
            case ModelValidationError():
                return exceptions.ValidationError(serializers.as_serializer_error(exc))
            case ObjectDoesNotExist() | ObjectNotUpdated():
                return exceptions.NotFound()  # gone between the look-up and the lock
            case SuspiciousOperation() | BadRequest():
                return exceptions.ParseError()
            case OperationalError():
                return Unavailable()
        return super().convert_known_exceptions(exc)

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        headers = self.get_headers(exc)
        return Response(data, status=exc.status_code, headers=headers, content_type=MEDIA_TYPE)


class ProblemFormatter(ExceptionFormatter):
    def get_errors(self) -> list[Error]:
        return super().get_errors() if self.is_validation() else []

    def is_validation(self) -> bool:
        return isinstance(self.exc, exceptions.ValidationError)

    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        errors = [
            {"attr": error.attr, "code": error.code, "detail": error.detail}
            for error in error_response.errors
        ]
        code, detail = self.code_and_detail(errors)
        return problem(
            self.exc.status_code,
            code=code,
            detail=detail,
            errors=errors,
            details=getattr(self.exc, "extension", None),
        )

    def code_and_detail(self, errors: list[dict[str, Any]]) -> tuple[str, str]:
        if self.is_validation():
            return "validation_error", "；".join(str(error["detail"]) for error in errors[:5])
        if not isinstance(self.original_exc, exceptions.APIException) and (
            self.exc.status_code == status.HTTP_500_INTERNAL_SERVER_ERROR
        ):
            return "error", str(UNEXPECTED)
        detail: Any = self.exc.detail
        return str(getattr(detail, "code", self.exc.default_code)), str(detail)


def problem(
    status_code: int,
    *,
    code: str,
    detail: str,
    errors: list[dict[str, Any]] | None = None,
    details: object = None,
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"urn:scrm:problem:{code}",
        "title": str(TITLES.get(status_code, TITLES[400 if status_code < 500 else 500])),
        "status": status_code,
        "code": code,
        "detail": detail,
        "errors": errors or [],
        "request_id": current_request_id(),
    }
    if details is not None:
        body["details"] = details
    return body


class ProblemErrorSerializer(serializers.Serializer[Any]):
    attr = serializers.CharField(
        allow_null=True, help_text=_("出错的字段，嵌套的用点连接；null 表示整个请求。")
    )
    code = serializers.CharField(help_text=_("稳定的英文代码，供程序判断。"))
    detail = serializers.CharField(help_text=_("给人看的说明。"))


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457. ``code`` is for programs, ``detail`` for people."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text=_("稳定的英文代码，供程序判断。"))
    detail = serializers.CharField(help_text=_("给人看的说明。"))
    errors = ProblemErrorSerializer(many=True)  # type: ignore[assignment]  # DRF has a property
    request_id = serializers.CharField(help_text=_("报告问题时请附上。"))
    details = serializers.JSONField(
        required=False, help_text=_("更多事实，例如没有通过的准入条件。")
    )


# Django's own error pages, for URLs that no view answers. Named in scrm/urls.py.


def is_for_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def answer(status_code: int, code: str, detail: object) -> HttpResponse:
    body = problem(status_code, code=code, detail=str(detail))
    return JsonResponse(
        body,
        status=status_code,
        content_type=MEDIA_TYPE,
        json_dumps_params={"ensure_ascii": False},
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not is_for_api(request):
        return defaults.bad_request(request, exception)
    return answer(400, "bad_request", TITLES[400])


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not is_for_api(request):
        return defaults.permission_denied(request, exception)
    return answer(403, "permission_denied", TITLES[403])


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not is_for_api(request):
        return defaults.page_not_found(request, exception)
    return answer(404, "not_found", _("没有这个地址。"))


def server_error(request: HttpRequest) -> HttpResponse:
    if not is_for_api(request):
        return defaults.server_error(request)
    return answer(500, "error", UNEXPECTED)
