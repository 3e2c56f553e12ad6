"""What the join page is told."""

from __future__ import annotations

import unicodedata

from django import forms
from django.utils.translation import gettext_lazy as _

from members.rules.codes import DIGITS


class PhoneForm(forms.Form):
    phone = forms.CharField(max_length=40, error_messages={"required": _("请填写手机号。")})


class CodeForm(forms.Form):
    code = forms.CharField(max_length=20, error_messages={"required": _("请填写短信里的验证码。")})

    def clean_code(self) -> str:
        """As people type and paste it: full-width digits, a space in the middle."""
        text = unicodedata.normalize("NFKC", self.cleaned_data["code"])
        return "".join(text.split())[: DIGITS + 1]


class NicknameForm(forms.Form):
    nickname = forms.CharField(
        max_length=30,
        error_messages={
            "required": _("请填写昵称。"),
            "max_length": _("昵称最多 30 个字。"),
        },
    )

    def clean_nickname(self) -> str:
        nickname: str = self.cleaned_data["nickname"]
        if not all(letter.isprintable() or letter == "\u200d" for letter in nickname):
            raise forms.ValidationError(_("昵称里有不能显示的字符，请去掉。"))
        return nickname


class PhotoForm(forms.Form):
    value = forms.IntegerField(
        min_value=1,
        max_value=2**63 - 1,
        error_messages={
            "required": _("请选择照片证明什么。"),
            "invalid": _("请选择照片证明什么。"),
        },
    )
    consent = forms.BooleanField(required=False)
    photo = forms.FileField(
        allow_empty_file=True,  # refused with the other bad photos, by the same rule
        error_messages={
            "required": _("请选择一张照片。"),
            "missing": _("请选择一张照片。"),
            "max_length": _("照片的文件名太长，请改短。"),
        },
    )


def first_error(form: forms.Form) -> str:
    return next(str(messages[0]) for messages in form.errors.values())
