"""The HTML of the pages. Everything that people wrote is escaped by format_html."""

from __future__ import annotations

from urllib.parse import quote

from django.utils.html import format_html
from django.utils.safestring import SafeString

from scrm.wecom.simulator.corp import Corp
from scrm.wecom.simulator.html import (
    choice,
    clock_text,
    document,
    field,
    form,
    labelled,
    link,
    section,
    table,
    together,
)
from scrm.wecom.simulator.join_ways import JoinWay
from scrm.wecom.simulator.mass_messages import UNSENT
from scrm.wecom.simulator.page_actions import RATES, SWITCHES
from scrm.wecom.simulator.records import Group
from scrm.wecom.simulator.world import World

STATUS = {0: "正常", 1: "群主已离职", 2: "继承中", 3: "已继承"}
KINDS = {
    "refuse": "返回错误码", "status": "HTTP 错误", "lost_answer": "做成但丢失应答",
    "slow": "变慢", "truncate": "应答截断", "fail_items": "部分失败",
}  # fmt: skip
WORDS = {
    "drop": "丢失", "duplicate": "重复", "delay": "延迟", "reorder": "乱序",
    "old_payload": "旧格式（不含成员）", "event_per_member": "每人一个事件",
    "reduced_directory": "通讯录只给编号", "owner_change_event": "接口换群主也发事件",
    "resigned_owner_filter_refused": "按离职群主筛选时报 40003",
}  # fmt: skip
SHOWN = 200


# --- Companies ----------------------------------------------------------------------------------


def missing() -> str:
    return document("没有这一页", "", link("/_sim/", "回到企业列表"))


def companies(world: World, note: str) -> str:
    rows = [
        (link(f"/_sim/corps/{corp.corp_id}", corp.name), corp.corp_id, len(corp.groups))
        for corp in world.corps.values()
    ]
    return document(
        "模拟企业微信",
        note,
        SafeString("<p>这里代替企业微信：在这里发生的事，系统会像从真的企业微信那里一样知道。</p>"),
        table(("企业", "corpid", "群"), rows),
        section("新建企业", form("/_sim/corps", "", "新建", field("text", "name", hint="名称"))),
    )


def company(corp: Corp, note: str) -> str:
    back = f"/_sim/corps/{corp.corp_id}"
    return document(
        corp.name,
        note,
        link("/_sim/", "全部企业"),
        clock_section(corp, back),
        groups_section(corp, back),
        staff_section(corp, back),
        waiting_section(corp, back),
        faults_section(corp, back),
        callbacks_section(corp, back),
    )


def working(corp: Corp) -> list[tuple[str, str]]:
    return [(staff.userid, staff.name) for staff in corp.everybody if not staff.resigned]


def clock_section(corp: Corp, back: str) -> SafeString:
    steps = (("1 分钟", 60), ("1 小时", 3600), ("1 天", 86_400), ("30 天", 30 * 86_400))
    return section(
        "时间",
        format_html("<p>现在是 {}</p>", clock_text(corp.clock.time())),
        together(
            form(f"{back}/move_clock", back, f"拨快 {label}", seconds=str(seconds))
            for label, seconds in steps
        ),
    )


def groups_section(corp: Corp, back: str) -> SafeString:
    living = [each for each in corp.groups.values() if not each.dissolved_at]
    rows = [
        (
            link(f"{back}/groups/{each.chat_id}", each.name),
            owner_name(corp, each),
            len(each.members),
            STATUS[each.status],
            form(f"{back}/join", back, "20 人进群", chat_id=each.chat_id, count="20"),
        )
        for each in living[:SHOWN]
    ]
    return section(
        f"客户群（{len(living)}）",
        table(("群名", "群主", "人数", "状态", "操作"), rows),
        form(
            f"{back}/create_group",
            back,
            "建群",
            choice("userid", working(corp)),
            field("text", "name", hint="群名"),
            labelled("成员数", field("number", "count", 5)),
        ),
    )


def owner_name(corp: Corp, group: Group) -> str:
    staff = corp.staff.get(group.owner.lower())
    return f"{staff.name}（{staff.userid}）" if staff else group.owner


def staff_section(corp: Corp, back: str) -> SafeString:
    rows = [
        (
            each.name,
            each.userid,
            "已离职" if each.resigned else "在职",
            len(corp.customers_of(each.userid)),
            "" if each.resigned else form(f"{back}/resign_staff", back, "离职", userid=each.userid),
        )
        for each in corp.everybody[:SHOWN]
    ]
    return section(
        "员工",
        table(("姓名", "userid", "状态", "客户", "操作"), rows),
        form(
            f"{back}/add_staff",
            back,
            "入职",
            field("text", "userid", hint="userid"),
            field("text", "name", hint="姓名"),
        ),
        form(
            f"{back}/add_customer",
            back,
            "加客户",
            choice("userid", working(corp)),
            field("text", "name", hint="客户昵称，可空"),
        ),
    )


def waiting_section(corp: Corp, back: str) -> SafeString:
    """What waits for somebody's tap: mass messages and hand-overs."""
    messages = [
        (
            "群发",
            (message.text or "（只有附件）")[:40],
            task.userid,
            form(f"{back}/tap_send", back, "点击发送", msgid=message.msgid, userid=task.userid),
        )
        for message in corp.mass_messages.values()
        for task in message.tasks.values()
        if task.status == UNSENT and not message.cancelled
    ]
    transfers = [
        (
            "客户分配",
            corp.people[each.external_userid].name,
            each.takeover_userid,
            together(
                form(f"{back}/{verb}", back, label, external_userid=each.external_userid)
                for verb, label in (("accept_transfer", "同意"), ("refuse_transfer", "拒绝"))
            ),
        )
        for each in corp.transfers
        if each.status == 2
    ]
    rows = [*messages[-SHOWN:], *transfers[-SHOWN:]]
    return section("等待点击", table(("事项", "内容", "员工", "操作"), rows))


# --- Faults and callbacks -----------------------------------------------------------------------


def faults_section(corp: Corp, back: str) -> SafeString:
    troubles = [
        (KINDS.get(each.kind, each.kind), each.api, each.code or "", each.times)
        for each in corp.faults.troubles
    ]
    return section(
        "故障",
        form(f"{back}/set_faults", back, "保存", *fault_inputs(corp)),
        form(
            f"{back}/add_trouble",
            back,
            "加接口故障",
            choice("kind", KINDS.items()),
            labelled("接口", field("text", "api", "*")),
            labelled("代码", field("number", "code", 45009)),
            labelled("次数", field("number", "times", 1)),
            labelled("慢几秒", field("number", "seconds", 0)),
        ),
        form(f"{back}/end_tokens", back, "让 access_token 提前失效"),
        form(f"{back}/clear_faults", back, "清除全部故障"),
        table(("接口故障", "接口", "代码", "剩余次数"), troubles) if troubles else SafeString(""),
    )


def fault_inputs(corp: Corp) -> tuple[SafeString, SafeString, SafeString]:
    rates = together(
        format_html(
            '<label>{} <input type="number" name="{}" value="{}" min="0" max="100">%</label> ',
            WORDS[name],
            name,
            round(getattr(corp.faults, name) * 100),
        )
        for name in RATES
    )
    switches = together(
        format_html(
            '<label><input type="checkbox" name="{}"{}> {}</label> ',
            name,
            SafeString(" checked") if getattr(corp.faults, name) else "",
            WORDS[name],
        )
        for name in SWITCHES
    )
    lag = format_html(
        '<label>读取滞后 <input type="number" name="read_lag" value="{}" min="0" max="60"'
        ' step="0.5"> 秒</label> ',
        corp.faults.read_lag,
    )
    return rates, switches, lag


def callbacks_section(corp: Corp, back: str) -> SafeString:
    outbox = corp.outbox
    rows = [
        (clock_text(each.at), each.event, each.change_type, each.subject, each.attempt, each.answer)
        for each in list(outbox.log)[:50]
    ]
    state = "扣住" if outbox.mode == "hold" else "发送"
    return section(
        "回调",
        format_html(
            "<p>地址 {} · {} · 待发 {} · 扣住 {}</p>",
            corp.receiver.url if corp.receiver else "未设置",
            state,
            len(outbox.queue),
            len(outbox),
        ),
        form(f"{back}/hold_callbacks", back, "扣住回调"),
        form(f"{back}/release_callbacks", back, "放行"),
        table(("时间", "事件", "变更", "对象", "第几次", "应答"), rows),
    )


# --- One group, and scanning --------------------------------------------------------------------


def group(corp: Corp, group: Group, note: str) -> str:
    up = f"/_sim/corps/{corp.corp_id}"
    back, chat = f"{up}/groups/{group.chat_id}", group.chat_id
    facts = format_html(
        "<p>群主 {} · {} 人 · {} · {}</p>",
        owner_name(corp, group),
        len(group.members),
        "已解散" if group.dissolved_at else STATUS[group.status],
        link(f"/_sim/scan/{quote(chat)}", "扫码进群页"),
    )
    actions = (
        form(f"{up}/join", back, "人进群", field("number", "count", 20), chat_id=chat),
        form(f"{up}/leave", back, "人退群", field("number", "count", 3), chat_id=chat),
        form(f"{up}/rename", back, "改名", field("text", "name", group.name), chat_id=chat),
        form(f"{up}/set_notice", back, "改公告", field("text", "notice"), chat_id=chat),
        form(f"{up}/change_owner", back, "换群主", choice("userid", working(corp)), chat_id=chat),
        form(f"{up}/dissolve", back, "解散", chat_id=chat),
    )
    return document(
        group.name or "（未命名）",
        note,
        link(up, corp.name),
        facts,
        SafeString("") if group.dissolved_at else together(actions),
        members_section(corp, group, back),
    )


def members_section(corp: Corp, group: Group, back: str) -> SafeString:
    up = f"/_sim/corps/{corp.corp_id}"
    rows = [
        (
            member_name(corp, each.id),
            each.id,
            clock_text(each.joined_at),
            {1: "邀请", 2: "链接", 3: "扫码"}.get(each.scene, ""),
            ""
            if each.id == group.owner
            else together(
                form(f"{up}/{verb}", back, label, chat_id=group.chat_id, ids=each.id)
                for verb, label in (("leave", "退群"), ("remove", "移出"))
            ),
        )
        for each in list(group.members.values())[:SHOWN]
    ]
    return section("成员", table(("名字", "编号", "进群时间", "方式", "操作"), rows))


def member_name(corp: Corp, member_id: str) -> str:
    staff = corp.staff.get(member_id.lower())
    return staff.name if staff else corp.people[member_id].name


def scan(corp: Corp, chat_id: str, fields: dict[str, str]) -> str:
    """As a person sees a group's QR code: come in as somebody new or as somebody known."""
    group, state = corp.groups[chat_id], fields.get("state", "")
    here = f"/_sim/scan/{quote(chat_id)}" + (f"?state={quote(state)}" if state else "")
    outside = [
        (person.id, person.name)
        for person in list(corp.people.values())[-SHOWN:]
        if person.id not in group.members
    ]
    if group.dissolved_at:
        return document(group.name or "群", fields.get("note", ""), SafeString("<p>群已解散。</p>"))
    return document(
        group.name or "（未命名）",
        fields.get("note", ""),
        format_html("<p>{} · {} 人</p>", corp.name, len(group.members)),
        scan_forms(f"/_sim/scan/{quote(chat_id)}", here, outside, state),
    )


def way(corp: Corp, way: JoinWay, note: str) -> str:
    here = f"/_sim/ways/{way.config_id}"
    known = [(person.id, person.name) for person in list(corp.people.values())[-SHOWN:]]
    title = way.remark or way.room_base_name or "入群方式"
    return document(title, note, scan_forms(here, here, known, way.state))


def scan_forms(action: str, back: str, people: list[tuple[str, str]], state: str) -> SafeString:
    return format_html(
        '<div class="card">{}{}</div>',
        form(action, back, "扫码进群", field("text", "name", hint="我的昵称"), state=state),
        form(action, back, "以他的身份进群", choice("external_userid", people), state=state)
        if people
        else "",
    )
