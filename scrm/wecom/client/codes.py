"""What the platform's error codes mean, and what helps. Source: WeCom, page 90313.

A code answers before anything was done, so a refusal is never of unknown outcome by its code;
that it may have been done is known from an answer that did not come (see ``calls.py``), and feared
of a code that stands in no table.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scrm.wecom.client.errors import Kind, Outcome, WecomRefusal

RETRYABLE_KINDS = frozenset({Kind.TRANSIENT, Kind.RATE, Kind.BUSY, Kind.TOKEN})

#: The reason of a refusal when there is no such platform here.
NO_ADDRESS = "no_address"

#: Half a minute is the least after which "still busy" is worth asking again.
BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Code:
    """``words`` are for an operator: what it means and what to do."""

    kind: Kind
    words: str | Promise

    @property
    def outcome(self) -> Outcome:
        return Outcome.RETRYABLE if self.kind in RETRYABLE_KINDS else Outcome.PERMANENT


def code_of(number: int) -> Code | None:
    return CODES.get(number)


def words_of(number: int) -> str:
    """In the reader's language; codes that no table lists are named by their number."""
    if number == 0:
        return gettext("没有收到企业微信的有效应答，系统会自动重试；如果一直如此，请检查网络。")
    if found := CODES.get(number):
        return str(found.words)
    return gettext("企业微信返回了未收录的错误码 %(code)d，请按错误码查询官方文档。") % {
        "code": number
    }


def words_for(refusal: WecomRefusal) -> str:
    """What happened and what to do, also where the platform gave no code."""
    if refusal.code:
        return words_of(refusal.code)
    if refusal.outcome is Outcome.UNKNOWN:
        return gettext("没有收到应答，不知道操作是否已执行，请先在企业微信核对，不要直接重试。")
    if refusal.kind is Kind.RATE:
        return gettext("调用太快，已到上限，系统会自动放慢后继续。")
    if refusal.message == NO_ADDRESS:
        return gettext("没有设置模拟企业微信的地址，请设置 SCRM_SIMULATOR_URL。")
    if refusal.outcome is Outcome.PERMANENT:
        return gettext("应答不是来自企业微信（%(reason)s），请检查网络代理与地址。") % {
            "reason": refusal.message
        }
    return words_of(0)


_OBJECT_GONE = _("对象已不存在或不在应用可见范围内，重新同步后再处理。")
_BUG = _("请求参数有误，属于程序问题，请把错误码和时间告诉技术支持。")
_NOT_AUTHORISED = _("应用没有这个接口的权限，请在企业微信后台为应用开通后重试。")
_TRY_LATER = _("企业微信繁忙，系统会自动重试。")
_TOKEN = _("访问凭证失效，系统会自动换新。")

CODES: dict[int, Code] = {
    # --- out of breath
    -1: Code(Kind.TRANSIENT, _TRY_LATER),
    6000: Code(Kind.TRANSIENT, _("同一数据正被别处修改，系统会自动重试。")),
    45033: Code(Kind.TRANSIENT, _("并发调用过多，系统会放慢速度后重试。")),
    45035: Code(Kind.TRANSIENT, _("同一对象正被并发修改，系统会放慢速度后重试。")),
    # --- the access token
    40014: Code(Kind.TOKEN, _TOKEN),
    41001: Code(Kind.TOKEN, _TOKEN),
    42001: Code(Kind.TOKEN, _TOKEN),
    # --- too often
    45009: Code(Kind.RATE, _("调用次数超过企业微信上限，接口暂停调用，到时自动恢复。")),
    # --- something else has to end first
    40100: Code(Kind.BUSY, _("客户正在交接中，等交接结束后再试。")),
    40129: Code(Kind.BUSY, _("客户正在交接中，等交接结束后再试。")),
    41063: Code(Kind.BUSY, _("群发任务还在派发，稍后再查询。")),
    41096: Code(Kind.BUSY, _("别的应用正在发送欢迎语，稍后再看。")),
    90507: Code(Kind.BUSY, _("群正在继承中，等继承结束后再试。")),
    # --- the company, the app, its rights
    40001: Code(Kind.CONFIG, _("Secret 不正确、与企业 ID 不匹配或应用已停用，请核对后重新填写。")),
    40091: Code(Kind.CONFIG, _("Secret 不正确，请核对后重新填写。")),
    40013: Code(Kind.CONFIG, _("企业 ID（corpid）不正确，请在“我的企业”中核对。")),
    40056: Code(Kind.CONFIG, _("AgentId 不正确，请在应用详情页核对。")),
    40057: Code(Kind.CONFIG, _("回调地址验证不通过，请核对地址、Token 和 EncodingAESKey。")),
    41002: Code(Kind.CONFIG, _("没有填写企业 ID（corpid），请补上。")),
    41004: Code(Kind.CONFIG, _("没有填写 Secret，请补上。")),
    41011: Code(Kind.CONFIG, _("没有填写 AgentId，请补上。")),
    40098: Code(Kind.CONFIG, _("员工没有完成实名认证，请该员工在企业微信中实名后再试。")),
    40205: Code(Kind.CONFIG, _("员工的登录已过期，需要该员工一年内登录过企业微信。")),
    41054: Code(Kind.CONFIG, _("员工未激活企业微信或未实名，请该员工激活后再试。")),
    48001: Code(Kind.CONFIG, _NOT_AUTHORISED),
    48002: Code(
        Kind.CONFIG,
        _("应用不能调用这个接口，请在“客户联系 → 可调用接口的应用”中勾选它。"),
    ),
    48003: Code(Kind.CONFIG, _NOT_AUTHORISED),
    48004: Code(Kind.CONFIG, _NOT_AUTHORISED),
    48005: Code(Kind.CONFIG, _("这个接口已下线，请升级本系统。")),
    48006: Code(Kind.CONFIG, _NOT_AUTHORISED),
    48009: Code(Kind.CONFIG, _("通讯录同步 Secret 不能从这个 IP 读取，请改用应用的 Secret。")),
    50002: Code(Kind.CONFIG, _("员工不在应用的权限范围内，请在应用的可见范围中加入他。")),
    50003: Code(Kind.CONFIG, _("应用已停用，请在企业微信后台启用它。")),
    60011: Code(Kind.CONFIG, _("应用无权访问该员工、部门或标签，请扩大应用的可见范围。")),
    60020: Code(
        Kind.CONFIG,
        _("本服务器的 IP 不在应用的“企业可信IP”中，请添加后等一分钟再试。"),
    ),
    60021: Code(Kind.CONFIG, _("员工不在应用的可见范围内，请在企业微信后台加入他。")),
    60030: Code(Kind.CONFIG, _("员工不在应用的可见范围内，请在企业微信后台加入他。")),
    92000: Code(Kind.CONFIG, _("员工不在应用的可见范围内，请在企业微信后台加入他。")),
    84074: Code(
        Kind.CONFIG,
        _("员工没有客户联系权限，请在“客户联系 → 权限配置 → 使用范围”中加入他。"),
    ),
    301002: Code(Kind.CONFIG, _("AgentId 与 Secret 不属于同一个应用，请核对。")),
    301007: Code(Kind.CONFIG, _("企业已被停用，请联系企业微信。")),
    301021: Code(Kind.CONFIG, _("员工 ID 不正确或不可用，请核对该员工在企业微信中的账号。")),
    600018: Code(Kind.CALLER, _("统计的起止日期不正确：只能查最近 180 天，跨度最多 30 天。")),
    701008: Code(Kind.CONFIG, _("这些员工都没有接口许可账号，请先购买或分配许可。")),
    86008: Code(Kind.CONFIG, _("这个群不是由本应用创建，不能操作。")),
    93004: Code(Kind.CONFIG, _("群机器人已被停用，请在群里重新启用。")),
    # --- what we know is old
    40003: Code(Kind.STALE, _("员工不存在、已离职或不在可见范围内，重新同步通讯录后再试。")),
    40050: Code(Kind.STALE, _("客户群不存在，重新同步后再处理。")),
    40066: Code(Kind.STALE, _("部门不存在，重新同步通讯录后再试。")),
    40068: Code(Kind.STALE, _("客户标签不存在，重新同步标签后再试。")),
    40096: Code(Kind.STALE, _("客户不存在，或添加他的员工不在可见范围内，重新同步后再处理。")),
    46004: Code(Kind.STALE, _("员工不存在，重新同步通讯录后再试。")),
    49008: Code(Kind.STALE, _("群已解散。")),
    50100: Code(Kind.STALE, _("翻页位置已失效，系统会从头读取。")),
    60003: Code(Kind.STALE, _("部门不存在，重新同步通讯录后再试。")),
    60004: Code(Kind.STALE, _("上级部门不存在，重新同步通讯录后再试。")),
    60111: Code(Kind.STALE, _("员工不存在或不在可见范围内，重新同步通讯录后再试。")),
    60123: Code(Kind.STALE, _("部门不存在，重新同步通讯录后再试。")),
    60124: Code(Kind.STALE, _("上级部门不存在，重新同步通讯录后再试。")),
    84061: Code(Kind.STALE, _("员工与客户没有好友关系，可能已被删除，重新同步该客户后再试。")),
    84084: Code(Kind.STALE, _("员工没有添加该客户，重新同步该客户后再试。")),
    86001: Code(Kind.STALE, _OBJECT_GONE),
    86003: Code(Kind.STALE, _OBJECT_GONE),
    90501: Code(Kind.STALE, _("这个群不是客户群，不能操作。")),
    93000: Code(Kind.STALE, _("群机器人地址无效或机器人已被移除，请重新添加机器人。")),
    93006: Code(Kind.STALE, _("群不存在，重新同步后再处理。")),
    # --- forbidden as things stand
    40007: Code(Kind.RULE, _("素材已过期（3 天）或类型不符，请重新上传。")),
    40037: Code(Kind.RULE, _("入群欢迎语模板不存在，请重新创建。")),
    40071: Code(Kind.RULE, _("标签名称已存在，请换一个名称。")),
    40072: Code(Kind.RULE, _("标签名称为空或太长，请改为 1 到 30 个字。")),
    40097: Code(Kind.RULE, _("员工没有离职，请改用在职交接。")),
    40099: Code(Kind.RULE, _("员工的客户数已达上限，请换一位员工。")),
    40126: Code(Kind.RULE, _("标签数量已达上限，请先删除不用的标签。")),
    40128: Code(Kind.RULE, _("客户 90 天内已交接过 2 次，暂时不能再交接。")),
    40130: Code(Kind.RULE, _("原员工与接替员工是同一个人，请换一位。")),
    40131: Code(Kind.RULE, _("原员工没有添加该客户，不能交接。")),
    40143: Code(Kind.RULE, _("接替员工的账号被限制，请换一位员工。")),
    40201: Code(Kind.RULE, _("内容被企业微信反垃圾拦截，请修改内容。")),
    40204: Code(Kind.RULE, _("内容被企业微信反垃圾拦截，请修改内容。")),
    41041: Code(Kind.RULE, _("“联系我”最多 100 人，请减少人数。")),
    41044: Code(Kind.RULE, _("活码配置不存在，请重新创建。")),
    41045: Code(Kind.RULE, _("活码数量已达上限，请先删除不用的活码。")),
    41047: Code(Kind.RULE, _("群发任务不存在，请核对后重新创建。")),
    41048: Code(Kind.RULE, _("没有可发送的对象：都已达到接收上限或不可触达。")),
    41050: Code(Kind.RULE, _("欢迎语凭证无效、超过 20 秒或已被使用，这位客户不再发送欢迎语。")),
    41051: Code(Kind.RULE, _("员工与客户已开始聊天，或欢迎语已发送，不再发送欢迎语。")),
    41053: Code(Kind.RULE, _("客户没有同意会话存档。")),
    41055: Code(Kind.RULE, _("入群欢迎语模板已达 100 个上限，请先删除不用的模板。")),
    41058: Code(Kind.RULE, _("这个模板不是本应用创建的，不能修改。")),
    41068: Code(Kind.RULE, _("敏感词太多，最多 300 个。")),
    41069: Code(Kind.RULE, _("敏感词规则已达 100 条上限，请先删除不用的规则。")),
    41070: Code(Kind.RULE, _("敏感词规则不存在，请重新创建。")),
    41071: Code(Kind.RULE, _("敏感词规则已被删除，请重新创建。")),
    41076: Code(Kind.RULE, _("敏感词规则的适用范围太大，请缩小范围。")),
    41077: Code(Kind.RULE, _("敏感词规则名称重复，请换一个名称。")),
    41083: Code(Kind.RULE, _("敏感词为空或太长，请改为 1 到 32 个字。")),
    41091: Code(Kind.RULE, _("一个群活码最多 5 个群，请减少群数。")),
    41093: Code(Kind.RULE, _("群发任务已被取消。")),
    41094: Code(Kind.RULE, _("提醒次数太多：每个群发任务 24 小时内最多提醒 3 次。")),
    42052: Code(Kind.RULE, _("消息发出已超过 24 小时，不能撤回。")),
    45029: Code(Kind.RULE, _("要读取的数据太多，请缩小查询范围。")),
    81013: Code(Kind.RULE, _("接收人都无效或没有权限，请核对接收人。")),
    81017: Code(Kind.RULE, _("可见范围超过 1000 人，必须按群主查询。")),
    84083: Code(Kind.RULE, _("员工不是服务人员，请核对。")),
    90500: Code(Kind.RULE, _("群主没有离职，请改用在职转让。")),
    90502: Code(Kind.RULE, _("群主已离职，请改用离职继承。")),
    90503: Code(Kind.RULE, _("群内微信成员已满 99 人，需要新群主在企业微信里确认。")),
    90504: Code(Kind.RULE, _("新群主就是现在的群主，不用转让。")),
    90508: Code(Kind.RULE, _("群已经继承过，不用再次操作。")),
    90509: Code(Kind.RULE, _("这个群不属于本企业。")),
    90510: Code(Kind.RULE, _("企业一年内没有活跃用户，不能使用这个接口。")),
    90511: Code(Kind.RULE, _("群标识（opengid）不正确或不存在。")),
    93008: Code(Kind.RULE, _("机器人不在群里，请先把它加入群。")),
    # --- a call that is wrong: a bug of ours, mostly
    **{
        number: Code(Kind.CALLER, _BUG)
        for number in (
            40004, 40005, 40008, 40031, 40033, 40035, 40058, 40063, 41006, 41009, 41017, 41018,
            41035, 41037, 41038, 41039, 41040, 41042, 41043, 41046, 41049, 41052, 41056, 41065,
            41084, 41088, 44001,
        )
    },
    40006: Code(Kind.CALLER, _("文件大小不符合要求，请换一个文件。")),
    40009: Code(Kind.CALLER, _("图片太大或太小，请换一张。")),
    40011: Code(Kind.CALLER, _("视频太大或太小，请换一个。")),
    40032: Code(Kind.CALLER, _("一次发送的员工太多，最多 1000 人。")),
    40206: Code(Kind.CALLER, _("请求内容太大，请分批处理。")),
    41064: Code(Kind.CALLER, _("附件太多，最多 9 个。")),
    44004: Code(Kind.CALLER, _("消息内容为空，请填写内容。")),
    45001: Code(Kind.CALLER, _("素材文件太大，请压缩后再上传。")),
    45002: Code(Kind.CALLER, _("消息内容太长，请缩短内容。")),
    82001: Code(Kind.CALLER, _("没有指定任何接收人，请选择接收人。")),
    82002: Code(Kind.CALLER, _("一次发送的部门太多，最多 100 个。")),
    82003: Code(Kind.CALLER, _("一次发送的标签太多，最多 100 个。")),
}  # fmt: skip

#: "There is no such object", or none that the app may see: the platform does not say which.
GONE = frozenset({40003, 40050, 40096, 46004, 49008, 60003, 60111, 60123, 84061, 84084, 90501})

#: The token is not accepted. Expired ones are called invalid at least as often as expired.
TOKEN_REFUSED = frozenset({40014, 42001})
TOKEN_MISSING = 41001
TOO_OFTEN = 45009
TOO_MANY_AT_ONCE = frozenset({45033, 45035})
