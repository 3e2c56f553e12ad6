"""The button that forgets somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from members.services.erasing import erase_member
from scrm.accounts.admin_scope import confirm

if TYPE_CHECKING:
    from members.models import Member
    from scrm.accounts.admin_scope import EnterpriseModelAdmin

    Base = EnterpriseModelAdmin[Member]
else:
    Base = object


class EraseDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = forms.CharField(
        label=_("理由"),
        max_length=300,
        help_text=_("谁、怎样要求抹除的；不要写姓名和联系方式。"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


class EraseButton(Base):
    @action(
        description=_("抹除个人信息"),
        icon="person_off",
        permissions=["change"],
        dialog={
            **confirm(
                _("抹除个人信息"),
                _(
                    "姓名、手机号、生日、备注和照片会被删除，申请、授权、标签和分类到此为止，"
                    "以后不再给这个人发送。历史记录里只剩编号。不能撤销。"
                ),
                submit=_("抹除"),
            ),
            "form_class": EraseDialog,
        },
    )
    def erase(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self.run_on_row(
            request,
            object_id,
            erase_member,
            done=gettext("个人信息已抹除。"),
            reason=form.cleaned_data["reason"],
        )
