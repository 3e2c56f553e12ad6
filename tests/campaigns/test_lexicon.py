import pytest

from campaigns.errors import BadException, TermTaken
from campaigns.rules.ad_law import SHIPPED, SHIPPED_VERSION
from campaigns.rules.guarding import Severity, TermKind
from campaigns.rules.lexicon import Lexicon, Term, is_exception_of, merged, plain_form
from campaigns.selectors.lexicon import lexicon_of
from campaigns.services.lexicon_terms import create_term, edit_term
from tests.accounts.factories import UserFactory

LEXICON = Lexicon(SHIPPED_VERSION, SHIPPED)


def found(text, lexicon=LEXICON):
    return [finding.term.text for finding in lexicon.find(text)]


@pytest.mark.parametrize(
    ("text", "term", "article"),
    [
        ("国家级工艺", "国家级", "第九条第（三）项"),
        ("人民大会堂特供酒", "特供", "第九条第（二）项"),
        ("开光手串", "开光", "第九条第（八）项"),
        ("专家推荐", "专家推荐", "第十一条"),
        ("秒杀同行", "秒杀同行", "第十三条"),
        ("治愈率 98%", "治愈率", "第十六条"),
        ("这款茶降血压", "降血压", "第十七条"),
        ("祛湿茶", "祛湿", "第十八条"),
        ("媲美母乳的奶粉", "媲美母乳", "第二十条"),
        ("今晚不醉不归", "不醉不归", "第二十三条"),
        ("考不过退全款，保过班", "保过", "第二十四条"),
        ("稳赚不赔", "稳赚不赔", "第二十五条"),
        ("小区升值空间巨大", "升值空间巨大", "第二十六条"),
        ("全网最低价", "全网最低价", "第二十八条"),
        ("驰名商标", "驰名商标", "《商标法》第十四条"),
        ("集满赞领礼品", "集满赞", "《微信外部链接内容管理规范》"),
    ],
)
def test_each_word_names_the_article_that_forbids_it(text, term, article):
    (finding,) = LEXICON.find(text)

    assert finding.term.text == term
    assert article in str(finding.term.article)
    assert str(finding.term.suggestion)


@pytest.mark.parametrize(
    "text",
    [
        "第一次来的朋友请找我，最后一天报名",
        "第一时间通知大家，安全第一",
        "最佳食用温度 4 度，最好提前预约",
        "请保持最大努力",
        "治愈系插画展",
        "快递转运中心",
        "请勿酒后驾车",
        "每人最多领 2 份",
        "本品不能代替药物",
        "TOP100 和 top10 榜单",
        "国家级非遗传承人来店",
        "",
        "周六上午十点，读书会在老地方，{{昵称}}，等你来。",
    ],
)
def test_what_means_something_else_is_no_finding(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("我们是第 一 品 牌", "第 一 品 牌"),
        ("頂級面料", "頂級"),
        ("ＴＯＰ１ 好物", "ＴＯＰ１"),
        ("全网最🔥低-价", "全网最🔥低-价"),
        ("国\u200b家\ufeff级", "国\u200b家\ufeff级"),
        ("N O . 1", "N O . 1"),
    ],
)
def test_hidden_spellings_are_found_and_quoted_as_written(text, quote):
    (finding,) = LEXICON.find(text)

    assert finding.quote == quote == text[finding.start : finding.end]


def test_sentences_are_not_read_into_each_other():
    assert found("这是大家的最爱。佳节快乐") == ["最爱"]
    assert found("名列第\n一品牌") == []


def test_only_the_longest_of_overlapping_words_is_told():
    assert found("全网第一品牌") == ["全网第一", "第一品牌"]
    assert found("全网最低价") == ["全网最低价"]


def test_every_shipped_word_is_there_once_and_its_exceptions_contain_it():
    words = [plain_form(term.text)[0] for term in SHIPPED]

    assert len(set(words)) == len(words) > 300
    for term in SHIPPED:
        assert all(is_exception_of(saying, term.text) for saying in term.exceptions), term
        assert str(term.article), term


def test_a_word_of_ours_is_judged_as_the_enterprise_says_and_keeps_our_exceptions():
    own = Term("第一", TermKind.OWN, Severity.BLOCK, exceptions=("第一食品店",))

    terms = merged(SHIPPED, [(own, True)])
    switched_off = merged(SHIPPED, [(own, False)])

    (finding,) = Lexicon("", terms).find("我们第一！第一次在第一食品店")
    assert (finding.start, finding.term.severity) == (2, Severity.BLOCK)
    assert found("我们第一", Lexicon("", switched_off)) == []


@pytest.mark.django_db
def test_the_version_changes_with_every_word_of_the_enterprise():
    actor = UserFactory()
    shipped = lexicon_of(actor.enterprise_id).version

    term = create_term(actor=actor, term="神药", severity="block", suggestion="删去")
    with_own = lexicon_of(actor.enterprise_id)
    edit_term(term.pk, actor=actor, is_active=False)

    assert shipped == SHIPPED_VERSION
    assert found("这是神藥", with_own) == ["神药"]
    versions = {shipped, with_own.version, lexicon_of(actor.enterprise_id).version}
    assert len(versions) == 3
    assert found("这是神药", lexicon_of(UserFactory().enterprise_id)) == []


@pytest.mark.django_db
def test_a_term_is_taken_once_and_an_exception_has_to_contain_it():
    actor = UserFactory()
    term = create_term(actor=actor, term="最后", severity="hint", exceptions=["最后一天"])

    with pytest.raises(TermTaken):
        create_term(actor=actor, term="最后", severity="block")
    with pytest.raises(BadException, match="里没有"):
        edit_term(term.pk, actor=actor, exceptions=["第一天"])

    assert found("最后机会，最后一天，最后了", lexicon_of(actor.enterprise_id)) == [
        "最后机会",
        "最后",
    ]
