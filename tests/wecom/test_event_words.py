from scrm.wecom.rules.event_words import event_in_words


def test_a_member_change_is_named_by_what_happened_in_the_chat():
    assert event_in_words("change_external_chat", "update", "add_member") == "成员入群"


def test_an_event_without_detail_is_named_by_its_change():
    assert event_in_words("change_contact", "delete_user") == "删除员工"


def test_an_unknown_event_keeps_the_name_the_platform_gave_it():
    assert event_in_words("new_in_2027", "surprise") == "new_in_2027 · surprise"


def test_an_unknown_detail_of_a_known_change_is_named_by_the_change():
    assert event_in_words("change_external_chat", "update", "change_colour") == "客户群有变化"
