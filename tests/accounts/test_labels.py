from django.contrib import admin
from django.contrib.admin.utils import flatten
from unfold.decorators import display
from unfold.utils import display_for_label

from scrm.accounts.admin_scope import EnterpriseModelAdmin
from scrm.accounts.models import Staff


def test_a_label_without_a_colour_still_shows_its_words():
    class StaffAdmin(EnterpriseModelAdmin[Staff]):
        @display(label={"red": "danger"})
        def state(self, staff):
            return "grey", "已停用"

    shown = display_for_label(("grey", "已停用"), "-", StaffAdmin.state.label)

    assert "已停用" in shown
    assert "grey" not in shown


def test_every_label_of_the_admin_may_lack_a_colour():
    for model_admin in admin.site._registry.values():
        for name in model_admin.list_display:
            label = getattr(getattr(model_admin, str(name), None), "label", None)
            if isinstance(label, dict):
                assert label["no such status"] == "", f"{model_admin}.{name}"


def test_labels_of_inlines_are_covered_as_well():
    for model_admin in admin.site._registry.values():
        for inline in model_admin.inlines:
            for name in inline.readonly_fields or ():
                label = getattr(getattr(inline, str(name), None), "label", None)
                if isinstance(label, dict):
                    assert label["no such status"] == "", f"{inline}.{name}"


def test_no_form_shows_a_label():
    """On a form Unfold knows no labels: it would show the pair of value and words as it is."""
    for model_admin in admin.site._registry.values():
        shown = getattr(model_admin, "fields", None) or ()
        for name in {*model_admin.readonly_fields, *flatten(shown)}:
            column = getattr(model_admin, str(name), None)
            assert not isinstance(getattr(column, "label", None), dict), f"{model_admin}.{name}"
