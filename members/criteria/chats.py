"""Criteria over group chats, in the same language with metrics of their own."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from communities.models import GroupChat
from members.criteria.measuring import EVERYBODY, NOBODY, SIGNS
from members.metrics.chats import CHAT_MEASURES
from members.metrics.measures import Moment
from scrm.accounts.models import Enterprise
from scrm.shared.criteria import AllOf, AnyOf, Clause, Criterion, Node, Not, Operator
from scrm.shared.sql import Sql, joined, sql


def chat_holds(criterion: Criterion, *, moment: Moment) -> Sql:
    """Whether ``chat`` meets the criterion: a boolean expression that is never NULL."""
    return EVERYBODY if criterion.root is None else _node(criterion.root, moment)


def matching_chat_ids(criterion: Criterion, *, moment: Moment) -> Sql:
    """A query of the ids of the enterprise's chats that meet a criterion."""
    return sql(
        "SELECT chat.id FROM communities_groupchat chat WHERE chat.enterprise_id = {} AND {}",
        moment.enterprise.pk,
        chat_holds(criterion, moment=moment),
    )


def matching_chats(
    criterion: Criterion, *, enterprise: Enterprise, now: datetime
) -> QuerySet[GroupChat]:
    """The chats of an enterprise that meet a criterion, as one query; dissolved ones among them."""
    chats = GroupChat.objects.filter(enterprise=enterprise)
    if criterion.root is None:
        return chats
    ids = matching_chat_ids(criterion, moment=Moment(enterprise, now))
    return chats.filter(pk__in=RawSQL(ids.text, ids.params))  # noqa: S611 - values are parameters


def _node(node: Node, moment: Moment) -> Sql:
    match node:
        case Clause():
            return _clause(node, moment)
        case Not(part):
            return sql("NOT {}", _node(part, moment))
        case AllOf(parts):
            return sql(
                "({})", joined(" AND ", (EVERYBODY, *(_node(part, moment) for part in parts)))
            )
        case AnyOf(parts):
            return sql("({})", joined(" OR ", (NOBODY, *(_node(part, moment) for part in parts))))


def _clause(clause: Clause, moment: Moment) -> Sql:
    value = CHAT_MEASURES[clause.metric].value(clause, moment)
    if clause.op is Operator.IS:
        return value
    if clause.op is Operator.IS_NOT:
        return sql("NOT {}", value)
    return sql(f"COALESCE({{}} {SIGNS[clause.op]} {{}}, FALSE)", value, clause.value)
