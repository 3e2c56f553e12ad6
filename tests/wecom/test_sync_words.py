from scrm.wecom.rules.sync_words import counts_in_words, drift_in_words


def test_a_step_tells_how_many_it_read_even_if_there_were_none():
    counts = {"customers": {"seen": 0, "added": 0}, "groups": {"chats": 20, "joined": 3}}
    assert counts_in_words(counts) == [("客户", "读到 0"), ("客户群", "读到 20 个群，入群 3 次")]


def test_drift_is_told_as_what_the_callbacks_kept_from_us():
    drift = {"groups": {"left": 3, "joined": 12}, "directory": {"added": 0}}
    assert drift_in_words(drift) == "补记 12 次入群、补记 3 次退群：回调丢失或没有说明。"


def test_no_drift_is_no_sentence():
    assert drift_in_words({}) == drift_in_words({"groups": {"joined": 0}}) == ""


def test_a_count_without_words_keeps_its_name():
    assert drift_in_words({"tags": {"merged": 2}}).startswith("merged 2")
