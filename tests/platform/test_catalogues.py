import pytest
from django.core.management import CommandError, call_command
from django.utils.translation import gettext, override

from scrm.shared import catalogues
from scrm.shared.catalogues import compile_catalogues, gaps, strings_of, update_catalogue


@pytest.fixture
def small_house(tmp_path, monkeypatch):
    """A package with three strings, and catalogues of its own."""
    package = tmp_path / "house"
    (package / "templates").mkdir(parents=True)
    (package / "words.py").write_text(
        'from x import gettext_lazy as _, ngettext\nA = _("保存")\n'
        'B = ngettext("%(n)d 人", "%(n)d 人们", 2)\n'
    )
    (package / "templates" / "page.html").write_text(
        '{% load i18n %}\n  <p>{% translate "成员" %}</p>\n {{ _("群") }}\n'
    )
    monkeypatch.setattr(catalogues, "ROOT", tmp_path)
    monkeypatch.setattr(catalogues, "OUR_PACKAGES", ("house",))
    monkeypatch.setattr(catalogues, "LOCALE", tmp_path / "locale")
    return package


def fill(language, **translations):
    path = catalogues.catalogue_path(language)
    text = path.read_text()
    for message, translation in translations.items():
        text = text.replace(
            f'msgid "{message}"\nmsgstr ""', f'msgid "{message}"\nmsgstr "{translation}"'
        )
    path.write_text(text)


def test_strings_are_found_in_code_and_in_templates(small_house):
    assert {message for _, message in strings_of(small_house)} == {
        "保存",
        ("%(n)d 人", "%(n)d 人们"),
        "成员",
        "群",
    }


def test_update_adds_what_is_new_drops_what_is_gone_and_keeps_translations(small_house):
    assert set(update_catalogue("en").missing) >= {"保存", "成员"}
    fill("en", 保存="Save", 成员="Member")
    (small_house / "words.py").write_text('from x import gettext as _\nA = _("保存"), _("新的")\n')

    found = update_catalogue("en")

    assert found.missing == ["新的", "群"]
    assert found.obsolete == []
    assert "Save" in catalogues.catalogue_path("en").read_text()


def test_gaps_sees_what_is_obsolete(small_house):
    update_catalogue("en")
    (small_house / "words.py").write_text("")

    assert "保存" in gaps("en").obsolete


def test_compile_writes_only_what_changed(small_house):
    update_catalogue("en")

    assert [compile_catalogues(), compile_catalogues()] == [1, 0]


def test_unfold_speaks_chinese_completely():
    """Fails when a new release of Unfold says something in English that we have no Chinese for."""
    assert gaps("zh_Hans") == catalogues.Gaps("zh_Hans", missing=[], obsolete=[])


def test_the_admin_of_unfold_is_read_in_chinese():
    with override("zh-hans"):
        assert gettext("Apply Filters") == "应用筛选"


def test_messages_fails_on_a_gap(small_house):
    with pytest.raises(CommandError, match="make messages"):
        call_command("messages", "--check")
