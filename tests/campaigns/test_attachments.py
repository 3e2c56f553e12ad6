import pytest

from campaigns.errors import BadAttachment, BadReminders
from campaigns.rules.attachments import (
    assets_named,
    clean_attachments,
    kinds_of_assets,
    texts_of,
)
from campaigns.rules.full_blast import is_full_blast
from campaigns.rules.reminders import clean_hours

IMAGE = {"kind": "image", "asset": 7}
LINK = {"kind": "link", "title": "报名", "url": "https://example.com/a"}
APP = {"kind": "miniprogram", "title": "商城", "appid": "wx1", "page": "p/i", "picture": 8}


def test_attachments_are_kept_in_one_form():
    kept = clean_attachments([IMAGE, LINK | {"title": " 报名 "}, APP])

    assert kept == [IMAGE, LINK | {"desc": "", "picture": None}, APP]
    assert clean_attachments(kept) == kept
    assert assets_named(kept) == [7, 8]
    assert kinds_of_assets(kept) == {7: {"image"}, 8: {"image"}}
    assert texts_of(kept) == ["报名", "", "商城"]


@pytest.mark.parametrize(
    "wrong",
    [
        "image",
        [None],
        [{"kind": "voice", "asset": 1}],
        [{"kind": "image"}],
        [{"kind": "image", "asset": "7"}],
        [{"kind": "image", "asset": True}],
        [{"kind": "image", "asset": -1}],
        [IMAGE | {"url": "https://example.com"}],
        [LINK | {"url": "javascript:alert(1)"}],
        [LINK | {"url": "https://"}],
        [LINK | {"url": "https://example.com/a b"}],
        [LINK | {"url": "http://[1"}],
        [LINK | {"title": ""}],
        [LINK | {"title": "字" * 43}],  # 129 bytes
        [LINK | {"desc": "a\x00"}],
        [LINK | {"desc": 5}],
        [{key: value for key, value in APP.items() if key != "picture"}],
        [APP | {"title": "字" * 22}],  # 66 bytes
        [IMAGE] * 10,
    ],
)
def test_what_the_platform_would_not_take_is_refused(wrong):
    with pytest.raises(BadAttachment):
        clean_attachments(wrong)


def test_reminders_are_at_most_three_in_any_day():
    assert clean_hours([24, 4, 4]) == [4, 24]
    assert clean_hours([1, 2, 3, 25]) == [1, 2, 3, 25]
    for hours in ([1, 2, 3, 24], [0], [721]):
        with pytest.raises(BadReminders):
            clean_hours(hours)


@pytest.mark.parametrize(
    ("recipients", "eligible", "has_filter", "expected"),
    [
        (80, 100, False, True),
        (79, 100, False, False),
        (100, 100, True, False),
        (99, 99, False, False),  # too few for a share to mean something
    ],
)
def test_a_full_blast_is_nearly_everybody_without_a_choice(
    recipients, eligible, has_filter, expected
):
    blast = is_full_blast(
        target="members",
        recipients=recipients,
        eligible=eligible,
        has_filter=has_filter,
        limit_percent=80,
    )

    assert blast is expected
