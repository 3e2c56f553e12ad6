import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from campaigns.errors import (
    BadAttachment,
    BadContent,
    BelongsElsewhere,
    CannotMoveContent,
    CannotPublish,
    ContentNotUsable,
    InvalidInput,
)
from campaigns.models import Content, ContentVersion, RunReport
from campaigns.rules.contents import CONTENT_MOVES, ContentStatus
from campaigns.rules.designs import ArmDraft
from campaigns.selectors.library import results_of
from campaigns.services.composing import create_broadcast, edit_broadcast
from campaigns.services.contents import (
    collect_feedback,
    create_content,
    edit_content,
    note_measured,
    optimise_content,
    publish_content,
    retire_content,
    return_content,
    revise_content,
    submit_content,
    write_version,
)
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import BroadcastFactory, colleague_of
from tests.campaigns.content_factories import (
    ContentFactory,
    MediaAssetFactory,
    PublishedVersionFactory,
)
from tests.campaigns.experiments import experiment_on
from tests.communities.factories import CommunityFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db


def test_a_content_goes_from_the_topic_to_what_was_learnt_and_round_again():
    author = UserFactory()
    reviewer = colleague_of(author, role=Role.REVIEWER)
    content = create_content(actor=author, title="读书会", category="event", brief="给老会员")

    first = write_version(content.pk, actor=author, body="周六读书会\r\n欢迎")
    submit_content(content.pk, actor=author)
    return_content(content.pk, actor=reviewer, reason="写明时间")
    second = write_version(content.pk, actor=author, body="周六 10 点读书会")
    submit_content(content.pk, actor=author)
    publish_content(content.pk, actor=reviewer)
    collect_feedback(content.pk, actor=author)
    optimised = optimise_content(content.pk, actor=author, learnt="写明时间的互动多一倍")
    third = write_version(content.pk, actor=author, body="周六 10 点读书会，带一本书")

    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert first.body == "周六读书会\n欢迎"
    assert optimised.learnt == "写明时间的互动多一倍"
    published = ContentVersion.objects.get(published_at__isnull=False)
    assert (published, published.published_by) == (second, reviewer)
    content.refresh_from_db()
    assert content.status == ContentStatus.DRAFTING
    assert list(AuditEvent.objects.order_by("pk").values_list("verb", flat=True)) == [
        "create_content",
        "draft_content",
        "write_version",
        "submit_content",
        "return_content",
        "write_version",
        "submit_content",
        "publish_content",
        "collect_feedback",
        "optimise_content",
        "draft_content",
        "write_version",
    ]


def test_a_version_is_published_by_somebody_who_did_not_write_it():
    author = UserFactory()
    content = ContentFactory(author=author)
    version = write_version(content.pk, actor=author, body="正文")
    submit_content(content.pk, actor=author)

    for actor in (author, colleague_of(author, role=Role.OPERATOR)):
        with pytest.raises(CannotPublish):
            publish_content(content.pk, actor=actor)
    with pytest.raises(IntegrityError, match="published_by_another"), transaction.atomic():
        ContentVersion.objects.filter(pk=version.pk).update(published_by=author)


VERBS = {
    ContentStatus.REVIEW: lambda content, actor: submit_content(content.pk, actor=actor),
    ContentStatus.PUBLISHED: lambda content, actor: publish_content(content.pk, actor=actor),
    ContentStatus.FEEDBACK: lambda content, actor: collect_feedback(content.pk, actor=actor),
    ContentStatus.OPTIMISED: lambda content, actor: optimise_content(
        content.pk, actor=actor, learnt="短一点"
    ),
    ContentStatus.RETIRED: lambda content, actor: retire_content(content.pk, actor=actor),
}


@pytest.mark.parametrize("status", ContentStatus)
def test_a_verb_moves_a_content_only_where_the_loop_goes(status):
    author = UserFactory()
    content = ContentFactory(author=author, status=status)
    ContentVersion.objects.create(content=content, number=1, body="正文", written_by=author)
    reviewer = colleague_of(author)

    for target, verb in VERBS.items():
        Content.objects.filter(pk=content.pk).update(status=status)
        if target in CONTENT_MOVES[status]:
            with transaction.atomic():
                assert verb(content, reviewer).status == target
            ContentVersion.objects.update(published_by=None, published_at=None)
        else:
            with pytest.raises(CannotMoveContent):
                verb(content, reviewer)


def test_nothing_is_submitted_before_something_new_is_written():
    version = PublishedVersionFactory()
    content = version.content
    Content.objects.filter(pk=content.pk).update(status=ContentStatus.DRAFTING)

    with pytest.raises(CannotMoveContent, match="新写的版本"):
        submit_content(content.pk, actor=content.author)


def test_what_a_version_says_is_checked_like_a_message():
    content = ContentFactory()
    stranger = MediaAssetFactory(enterprise=UserFactory().enterprise)

    with pytest.raises(BadContent):
        write_version(content.pk, actor=content.author, body="{{电话}}")
    with pytest.raises(BadAttachment):
        write_version(
            content.pk,
            actor=content.author,
            body="正文",
            attachments=[{"kind": "image", "asset": stranger.pk}],
        )
    assert not content.versions.exists()


def test_a_page_that_saves_the_same_text_makes_no_new_version():
    content = ContentFactory()
    revise_content(content.pk, actor=content.author, title="别名", body="正文")
    revise_content(content.pk, actor=content.author, body="正文", attachments=[])
    revise_content(content.pk, actor=content.author, brief="要点")

    content.refresh_from_db()
    assert (content.title, content.brief, content.versions.count()) == ("别名", "要点", 1)


def test_a_retired_content_stays_as_it_is():
    content = ContentFactory(status=ContentStatus.RETIRED)

    with pytest.raises(CannotMoveContent):
        edit_content(content.pk, actor=content.author, title="别名")


def test_words_are_needed_where_somebody_else_has_to_understand():
    content = ContentFactory(status=ContentStatus.FEEDBACK)

    with pytest.raises(InvalidInput) as refusal:
        optimise_content(content.pk, actor=content.author, learnt="  ")
    assert refusal.value.field == "learnt"


# --- In broadcasts ------------------------------------------------------------------------------


def draft_of(author, **changes):
    home = {"enterprise": author.enterprise}
    return {
        "name": "周末",
        "communities": [CommunityFactory(**home)],
        "channel_account": ChannelAccountFactory(**home),
        **changes,
    }


def test_a_broadcast_takes_its_text_from_a_version_and_leaves_it_when_rewritten():
    version = PublishedVersionFactory()
    author = version.content.author
    broadcast = create_broadcast(actor=author, **draft_of(author, content_version=version))
    assert (broadcast.body, broadcast.content_version) == (version.body, version)

    renamed = edit_broadcast(broadcast.pk, actor=author, name="别名")
    assert renamed.content_version == version

    rewritten = edit_broadcast(broadcast.pk, actor=author, body="自己写的")
    rewritten.refresh_from_db()
    assert (rewritten.body, rewritten.content_version) == ("自己写的", None)


def test_only_a_published_version_of_the_own_enterprise_can_be_sent():
    author = UserFactory()
    unpublished = ContentVersion.objects.create(
        content=ContentFactory(author=author), number=1, body="草稿", written_by=author
    )
    retired = PublishedVersionFactory(
        content=ContentFactory(author=author, status=ContentStatus.RETIRED)
    )
    for version, refusal in (
        (unpublished, ContentNotUsable),
        (retired, ContentNotUsable),
        (PublishedVersionFactory(), BelongsElsewhere),
    ):
        with pytest.raises(refusal):
            create_broadcast(actor=author, **draft_of(author, content_version=version))


def report_of(version, figures, *, is_final=True, arms=None):
    broadcast = BroadcastFactory(author=version.content.author, content_version=version)
    if arms:
        experiment_on(broadcast, arms=arms)
    run = broadcast.runs.create(planned_for=timezone.now(), content_version=version)
    RunReport.objects.create(run=run, figures=figures, is_final=is_final)
    return run


FIGURES = {
    "people_reached": 100,
    "funnel": [{"step": "clicked", "people": 20}, {"step": "interacted", "people": 10}],
    "leaves": [
        {"window_hours": 24, "leaves": 1, "usual_rate": 0.001, "exposed": 100},
        {"window_hours": 72, "leaves": 3, "usual_rate": 0.01, "exposed": 100},
    ],
    "cost_amount": 500,
    "value_lost_amount": 200,
    "net_amount": 1300,
    "by_arm": [
        {"arm": 1, "reached": 60, "leaves": 2, "clicked": 9, "interacted": 6, "ordered": 0},
        {"arm": 2, "reached": 40, "leaves": 1, "clicked": 11, "interacted": 4, "ordered": 0},
    ],
}


def test_the_measured_result_of_its_runs_stands_beside_a_version():
    version = PublishedVersionFactory()
    report_of(version, FIGURES)
    report_of(version, FIGURES, is_final=False)
    unsent = PublishedVersionFactory(content=version.content, number=2)

    results = results_of([version.pk, unsent.pk])

    assert list(results) == [version.pk]
    result = results[version.pk]
    assert (result.run_count, result.final_count, result.people_reached) == (2, 1, 200)
    assert (result.interaction_rate, result.leaves, result.usual_leaves) == (0.1, 6, 2.0)
    assert (result.cost_amount, result.net_amount) == (1000, 2600)


def test_where_nobody_was_held_out_the_net_result_is_unknown():
    version = PublishedVersionFactory()
    report_of(version, FIGURES)
    report_of(version, FIGURES | {"net_amount": None})

    assert results_of([version.pk])[version.pk].net_amount is None


def test_of_a_run_in_several_texts_only_the_arms_with_this_text_count():
    version = PublishedVersionFactory()
    report_of(version, FIGURES, arms=(ArmDraft("甲"), ArmDraft("乙", body="另一种说法")))

    result = results_of([version.pk])[version.pk]

    assert (result.people_reached, result.clicked, result.leaves) == (60, 9, 2)
    assert result.usual_leaves == 0.6
    assert (result.cost_amount, result.value_lost_amount) == (300, 133)
    assert result.net_amount is None  # nobody was held out


def test_of_a_run_in_several_texts_with_a_hold_out_the_net_result_is_that_of_the_text():
    version = PublishedVersionFactory()
    one, other = FIGURES["by_arm"]
    by_arm = [one | {"margin_amount": 1000}, other | {"margin_amount": 5000}]
    report_of(
        version, FIGURES | {"by_arm": by_arm}, arms=(ArmDraft("甲"), ArmDraft("乙", body="另一种"))
    )

    assert results_of([version.pk])[version.pk].net_amount == 1000 - 300 - 133


def test_a_published_content_goes_on_to_its_feedback_when_a_report_is_final():
    version = PublishedVersionFactory()
    run = report_of(version, FIGURES)

    note_measured(run.pk)
    note_measured(run.pk)  # the next report finds it there

    version.content.refresh_from_db()
    assert version.content.status == ContentStatus.FEEDBACK
