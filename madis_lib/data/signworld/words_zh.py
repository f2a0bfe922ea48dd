"""Chinese daily life: the lexicon of ``csl`` and the sentence frames it is used in.

Sign order in a clause: time, place, person, companion, object, number, quality, adverb, verb,
modal, question word.
"""

from __future__ import annotations

from collections.abc import Sequence

from madis_lib.data.signworld.words import (
    Clause,
    Concept,
    NoWord,
    Pool,
    concept,
    interleave,
    link,
    words_of,
)


def _row(gloss: str, kind: str, tags: str = "", words: str = "") -> Concept:
    return concept(gloss, kind, tags, word=words or gloss)


def _thing(gloss: str, measure: str, tags: str, words: str = "") -> Concept:
    """A noun with its measure word (一本书)."""
    return concept(gloss, "thing", f"{tags} measure:{measure}", word=words or gloss)


_TIMES = [
    _row("今天", "time", "day"), _row("明天", "time", "day"), _row("早上", "time", "part"),
    _row("昨天", "time", "past day"), _row("晚上", "time", "part"), _row("现在", "time", "now"),
    _row("周末", "time", "day"), _row("星期一", "time", "day", "星期一|周一"),
    _row("下午", "time", "part"), _row("每天", "time", "habit"), _row("上个月", "time", "past"),
    _row("星期五", "time", "day", "星期五|周五"), _row("中午", "time", "part"),
    _row("后天", "time", "day"), _row("夏天", "time", "habit"), _row("上午", "time", "part"),
    _row("星期三", "time", "day", "星期三|周三"), _row("冬天", "time", "habit"),
    _row("前天", "time", "past day"), _row("星期日", "time", "day", "星期日|星期天|周日"),
    _row("去年", "time", "past"), _row("春天", "time", "habit"), _row("刚才", "time", "past"),
    _row("秋天", "time", "habit"), _row("星期二", "time", "day", "星期二|周二"),
    _row("星期四", "time", "day", "星期四|周四"), _row("星期六", "time", "day", "星期六|周六"),
]  # fmt: skip

_PLACES = [
    _row("家", "place", "eat study rest sleep cook clean sing call tidy", "家里"),
    _row("学校", "place", "study sport sing teach"),
    _row("商店", "place", "buy work", "商店|店里"),
    _row("公园", "place", "sport rest sing photo"),
    _row("饭馆", "place", "eat cook work", "饭馆|餐厅"),
    _row("医院", "place", "work rest sleep"),
    _row("北京", "place", "work study city rest photo"),
    _row("图书馆", "place", "study work"),
    _row("超市", "place", "buy work"),
    _row("办公室", "place", "work call eat study"),
    _row("厨房", "place", "cook clean tidy"),
    _row("教室", "place", "study teach clean sing"),
    _row("车站", "place", "wait call buy-ticket"),
    _row("机场", "place", "wait work call"),
    _row("房间", "place", "study rest sleep clean tidy sing", "房间里"),
    _row("银行", "place", "work wait"),
    _row("上海", "place", "work study city photo"),
    _row("体育馆", "place", "sport work"),
    _row("市场", "place", "buy"),
    _row("电影院", "place", "film wait"),
    _row("咖啡馆", "place", "drink study work wait"),
    _row("动物园", "place", "photo rest"),
]

_PEOPLE = [
    _row("我", "person"), _row("你", "person"), _row("妈妈", "person"), _row("老师", "person"),
    _row("他", "person"), _row("爸爸", "person"), _row("我们", "person"),
    _row("朋友", "person"), _row("她", "person"), _row("孩子", "person", "", "孩子|小孩"),
    _row("学生", "person"), _row("姐姐", "person"), _row("医生", "person", "", "医生|大夫"),
    _row("他们", "person"), _row("哥哥", "person"), _row("奶奶", "person"),
    _row("弟弟", "person"), _row("爷爷", "person"), _row("同学", "person"),
    _row("妹妹", "person"), _row("司机", "person"), _row("邻居", "person"),
]  # fmt: skip

_THINGS = [
    _thing("苹果", "个", "food fruit sweet dear size red"),
    _thing("水", "杯", "drink plain"),
    _thing("书", "本", "read write dear new easy"),
    _thing("饭", "碗", "food cook plain", "饭|米饭"),
    _thing("衣服", "件", "wear wash dear new red size pretty clean"),
    _thing("茶", "杯", "drink plain dear"),
    _thing("手机", "部", "use dear new fix"),
    _thing("鸡蛋", "个", "food cook dear"),
    _thing("电影", "部", "film pretty-film"),
    _thing("门", "扇", "open new"),
    _thing("面条", "碗", "food cook tasty"),
    _thing("作业", "份", "write easy"),
    _thing("车", "辆", "drive dear new wash red fix clean", "车|汽车"),
    _thing("牛奶", "杯", "drink dear"),
    _thing("报纸", "份", "read"),
    _thing("鞋", "双", "wear dear new size pretty clean wash", "鞋|鞋子"),
    _thing("鱼", "条", "food cook dear size tasty"),
    _thing("电脑", "台", "use dear new fix"),
    _thing("咖啡", "杯", "drink dear"),
    _thing("窗户", "扇", "open size clean wash", "窗户|窗子"),
    _thing("蛋糕", "块", "food sweet cook dear size tasty"),
    _thing("帽子", "顶", "wear dear new size red pretty wash"),
    _thing("饺子", "盘", "food cook tasty dear"),
    _thing("桌子", "张", "furniture dear new size clean wash"),
    _thing("花", "束", "flower dear red pretty"),
    _thing("面包", "块", "food dear tasty cook"),
    _thing("雨伞", "把", "use dear new red", "雨伞|伞"),
    _thing("蔬菜", "份", "food cook wash dear", "蔬菜|青菜"),
    _thing("椅子", "把", "furniture dear new size clean fix"),
    _thing("信", "封", "write read"),
    _thing("果汁", "杯", "drink sweet dear"),
    _thing("照片", "张", "photo pretty"),
    _thing("自行车", "辆", "drive dear new red fix clean wash", "自行车|单车"),
    _thing("香蕉", "根", "food fruit sweet dear"),
    _thing("杯子", "个", "furniture dear size pretty clean wash"),
    _thing("礼物", "份", "flower dear pretty"),
    _thing("西瓜", "个", "food fruit sweet dear size"),
    _thing("电视", "台", "show dear new size fix"),
    _thing("票", "张", "ticket dear"),
    _thing("包", "个", "use dear new size red pretty", "书包"),
]

_VERBS = [
    _row("吃", "verb"), _row("工作", "act", "work", "工作|上班"), _row("去", "go"),
    _row("喝", "verb"), _row("学习", "act", "study"), _row("送", "give"), _row("等", "await"),
    _row("看", "verb"), _row("休息", "act", "rest"), _row("买", "verb"),
    _row("跑步", "act", "sport"), _row("写", "verb"), _row("睡觉", "act", "sleep"),
    _row("做", "verb"), _row("唱歌", "act", "sing"), _row("洗", "verb"),
    _row("打扫", "act", "clean"), _row("穿", "verb"), _row("游泳", "act", "swim"),
    _row("开", "verb"), _row("跳舞", "act", "sing"), _row("用", "verb"),
    _row("打电话", "act", "call"), _row("修", "verb"), _row("拍照", "act", "photo", "拍照|照相"),
    _row("帮助", "await", "", "帮助|帮"), _row("关", "verb"), _row("踢足球", "act", "sport"),
    _row("借", "verb"), _row("来", "go"), _row("卖", "verb"), _row("见", "await"),
    _row("找", "verb"),
]  # fmt: skip

# Verb -> the tags of its objects, and the tags of the places where it is done.
_USES = {
    "吃": ("food", "eat"), "喝": ("drink", "eat drink"), "买": ("dear", "buy"),
    "看": ("read film show", "study"), "做": ("cook", "cook"), "洗": ("wash", "tidy"),
    "写": ("write", "study"), "穿": ("wear", ""), "开": ("open", ""), "关": ("open", ""),
    "用": ("use", "study"), "修": ("fix", "work"), "借": ("use read drive", ""),
    "卖": ("dear", "buy"), "找": ("use read wear", "work tidy"),
}  # fmt: skip

_QUALITIES = [
    _row("贵", "quality", "dear"), _row("大", "quality", "size"), _row("新", "quality", "new"),
    _row("高兴", "feeling", "", "高兴|开心"), _row("红", "quality", "red", "红|红色"),
    _row("累", "feeling"), _row("好吃", "quality", "tasty food"), _row("忙", "feeling"),
    _row("漂亮", "quality", "pretty", "漂亮|好看"), _row("便宜", "quality", "dear"),
    _row("小", "quality", "size"), _row("饿", "feeling"), _row("旧", "quality", "new"),
    _row("冷", "weather"), _row("甜", "quality", "sweet"), _row("渴", "feeling"),
    _row("干净", "quality", "clean"), _row("热", "weather"), _row("脏", "quality", "clean"),
    _row("难过", "feeling", "", "难过|伤心"), _row("有意思", "quality", "read film", "有意思|有趣"),
    _row("紧张", "feeling"), _row("难", "quality", "easy"), _row("生气", "feeling"),
    _row("容易", "quality", "easy"), _row("安静", "calm"), _row("热闹", "calm"),
]  # fmt: skip

_REST = [
    _row("想", "modal", "", "想|想要"), _row("喜欢", "modal", "like"), _row("会", "modal", "skill"),
    _row("可以", "modal", "may", "可以|能"), _row("应该", "modal", "", "应该|应当"),
    _row("常常", "adverb", "", "常常|经常"), _row("一起", "together"),
    _row("有时候", "adverb", "", "有时候|有时"), _row("马上", "soon", "", "马上|立刻"),
    _row("慢慢", "manner", "", "慢慢地"), _row("认真", "manner", "careful", "认真地|仔细地"),
    _row("两", "number"), _row("三", "number"), _row("一", "number"), _row("五", "number"),
    _row("四", "number"), _row("六", "number"), _row("八", "number"), _row("十", "number"),
    _row("七", "number"), _row("九", "number"),
    _row("公共汽车", "vehicle", "near far", "公共汽车|公交车"), _row("地铁", "vehicle", "near"),
    _row("火车", "vehicle", "far"), _row("飞机", "vehicle", "far"),
    _row("出租车", "vehicle", "near"),
    _row("什么", "question"), _row("哪里", "question", "", "哪里|哪儿"), _row("谁", "question"),
    _row("什么时候", "question"), _row("为什么", "question"), _row("怎么", "question"),
    _row("多少", "question"),
]  # fmt: skip

CONCEPTS = interleave(_TIMES + _PLACES + _PEOPLE + _THINGS + _VERBS + _QUALITIES + _REST)

FUNCTION = words_of(
    "的 了 在 很 非常 真 太 特别 更 比 不 没 别 不要 吗 请 这 那 和 跟 给 坐 正在 可是 钱 "
    "个 本 杯 碗 件 部 扇 辆 份 双 条 台 块 顶 盘 张 束 把 封 根"
)


def _measure(noun: Concept) -> str:
    return next(tag.partition(":")[2] for tag in noun.tags if tag.startswith("measure:"))


def _object(
    p: Pool, noun: Concept, number: float = 0.3, quality: float = 0.3
) -> tuple[str, list[Concept]]:
    """苹果, 三个苹果, 一本新的书; signs: noun, number, quality."""
    signs, words = [noun], p.say(noun, "word")
    if p.chance(quality):
        picked = p.pick("quality", " ".join(sorted(noun.tags)))
        words = f"{p.say(picked, 'word')}的{words}"
        signs.append(picked)
    if p.chance(number):
        costly = noun.tags & {"use", "drive", "film", "show", "furniture"}
        count = p.among("一 两 三") if costly else p.pick("number")
        words = p.say(count, "word") + _measure(noun) + words
        signs.insert(1, count)
    return words, signs


def _when(p: Pool, before: Sequence[Clause], tags: str = "") -> tuple[str, list[Concept], bool]:
    """Words, signs, and whether it is past; a day may be followed by a part of the day."""
    if before or not p.chance(0.65):
        return "", [], False
    time = p.pick("time", tags)
    words, signs = p.say(time, "word"), [time]
    if "day" in time.tags and p.chance(0.25):
        part = p.pick("time", "part")
        words, signs = words + p.say(part, "word"), [time, part]
    return words, signs, "past" in time.tags


def _habitual(times: Sequence[Concept]) -> bool:
    """Whether something may happen often at these times."""
    return all(t.tags & {"habit", "part"} or t.gloss == "周末" for t in times)


def _where(p: Pool, tags: str, probability: float = 0.5) -> tuple[str, list[Concept]]:
    if not tags or not p.chance(probability):
        return "", []
    place = p.pick("place", tags)
    return "在" + p.say(place, "word"), [place]


def _open(p: Pool, when: str, who: str) -> str:
    """今天我 or 我今天."""
    return when + who if p.chance(0.6) else who + when


def _mood(p: Pool, *wh: str) -> str:
    """A statement ".", a yes/no question "?", or the gloss of a question word."""
    draw = p.rng.random()
    if draw < 0.74:
        return "."
    return "?" if draw < 0.87 or not wh else p.among(" ".join(wh)).gloss


def _close(mood: str, text: str) -> str:
    return text + "吗" if mood == "?" else text


def _clause(
    p: Pool, mood: str, text: str, signs: Sequence[Concept], negated: bool = False
) -> Clause:
    asked = [p.get(mood)] if len(mood) > 1 or mood == "谁" else []
    mark = "。" if mood == "." else "？"
    topicless = not any(sign.kind == "person" for sign in signs)
    if mood == "?" and any(sign.gloss == "我" for sign in signs[:3]):
        raise NoWord("someone else to ask about")
    return Clause(_close(mood, text), (*signs, *asked), mark, negated, alone=topicless)


def _do(p: Pool, before: Sequence[Clause]) -> Clause:
    """昨天妈妈在超市买了三个苹果。你想吃什么？"""
    verb = p.pick("verb")
    takes, done_at = _USES[verb.gloss]
    mood = _mood(p, "什么", "谁", "哪里", "什么时候", "为什么")
    who = p.pick("person")
    modal = p.pick("modal") if p.chance(0.3) else None
    when, times, past = _when(p, before) if mood != "什么时候" else ("", [], False)
    now = any("now" in t.tags for t in times)
    past = past and modal is None
    where, places = _where(p, done_at) if mood != "哪里" else ("", [])
    noun = p.pick("thing", takes)
    if modal and modal.gloss == "喜欢" and any(t.tags & {"past", "day", "now"} for t in times):
        raise NoWord("a habit")
    if modal and modal.gloss == "想" and any("habit" in t.tags for t in times):
        raise NoWord("a wish for now")
    if modal and modal.gloss == "会" and (verb.gloss != "做" or times or places):
        raise NoWord("a skill")
    if modal and any(t.tags & {"past", "now"} for t in times):
        raise NoWord("a time for a wish")
    negated = mood == "." and p.chance(0.2)
    plain = negated or mood != "." or modal is not None
    bare = takes in ("food", "cook", "drink") and modal is not None
    still = takes in ("open", "wear")
    thing, things = _object(p, noun, 0.0 if plain or still else 0.4, 0.1 if bare else 0.3)
    if verb.gloss == "穿" and len(things) < 2 and mood != "什么":
        raise NoWord("what kind of clothes")
    adverb, adverbs = "", []
    if not past and not modal and not negated and mood == "." and not now and p.chance(0.25):
        adverbs = [p.pick("adverb")]
        adverb = p.say(adverbs[0], "word")
        if not _habitual(times):
            raise NoWord("a time for a habit")
        if len(things) > 1 and things[1].kind == "number":
            raise NoWord("a habit has no number")
    if verb.gloss in ("吃", "喝", "写", "洗") and not plain and not adverbs and p.chance(0.2):
        adverbs = [p.get("慢慢")]
        adverb = p.say(adverbs[0], "word")
    no = ("没" if past else "不") if negated else ""
    doing = "正在" if now and not plain and not where and p.chance(0.7) else ""
    if now and negated:
        no = "没"
    word = p.say(verb, "word")
    done = "了" if past and not negated else ""
    can = p.say(modal, "word") if modal else ""
    wish = no + can
    subject = "" if mood == "谁" else p.say(who, "word")
    signs = [*times, *places, *([] if mood == "谁" else [who])]
    core = f"{wish}{where}{doing}{word}"
    verbs = [*adverbs, verb, *([modal] if modal else [])]
    start = _open(p, when, subject)
    if mood == "什么":
        return _clause(p, mood, f"{start}{core}{done}什么", [*signs, *verbs])
    ask = {"谁": "谁", "哪里": "", "什么时候": "什么时候", "为什么": "为什么"}.get(mood, "")
    if mood == "谁":
        return _clause(p, mood, f"{when}谁{core}{done}{thing}", [*signs, *things, *verbs])
    if mood == "哪里":
        ask = "在" + p.say(p.get("哪里"), "word")
        core = f"{can}{ask}{word}"
        ask = ""
    text = f"{start}{ask}{adverb}{core}{done}{thing}"
    return _clause(p, mood, text, [*signs, *things, *verbs], negated)


def _act(p: Pool, before: Sequence[Clause]) -> Clause:
    """爸爸和弟弟在公园一起跑步。学生在图书馆认真地学习。"""
    verb = p.pick("act")
    where_tags = " ".join(sorted(verb.tags))
    mood = _mood(p, "谁", "哪里", "什么时候", "为什么")
    who = p.pick("person")
    negated = mood == "." and p.chance(0.2)
    when, times, past = _when(p, before) if mood != "什么时候" else ("", [], False)
    now = any("now" in t.tags for t in times)
    has_place = mood != "哪里" and where_tags != "swim"
    where, places = _where(p, where_tags, 0.6) if has_place else ("", [])
    signs, subject = [*times, *places], ""
    if mood != "谁":
        subject = p.say(who, "word")
        signs.append(who)
        if p.chance(0.3) and verb.gloss not in ("睡觉", "打电话"):
            other = p.pick("person", "", [who])
            together = p.get("一起")
            if {who.gloss, other.gloss} & {"我们", "他们"} or other.gloss in ("我", "你"):
                raise NoWord("a companion")
            subject += p.choice(("和", "跟")) + p.say(other, "word")
            signs.append(other)
            middle, extra = "一起", [together]
        else:
            middle, extra = "", []
    else:
        middle, extra = "", []
    modal = None
    if p.chance(0.3) and not past and not now:
        modal = p.pick("modal")
        if modal.gloss == "会" and verb.gloss not in ("游泳", "唱歌", "跳舞", "踢足球"):
            raise NoWord("a skill")
        if modal.gloss == "会" and (times or places):
            raise NoWord("a time for a skill")
        if modal.gloss == "喜欢" and times and "habit" not in times[0].tags:
            raise NoWord("a habit")
    careful = verb.gloss in ("学习", "工作", "打扫")
    if not modal and not extra and mood == "." and not negated and p.chance(0.35):
        if careful and p.chance(0.6):
            extra = [p.get("认真")]
        elif not past:
            extra = [p.pick("adverb")]
            if not _habitual(times):
                raise NoWord("a time for a habit")
        middle = p.say(extra[0], "word") if extra else ""
    can = p.say(modal, "word") if modal else ""
    no = ("没" if past or now else "不") if negated else ""
    word = p.say(verb, "word")
    end = "了" if past and not negated and mood in (".", "?") else ""
    ask = {"谁": "谁", "什么时候": "什么时候", "为什么": "为什么"}.get(mood, "")
    if mood == "哪里":
        where = "在" + p.say(p.get("哪里"), "word")
    start = when + "谁" if mood == "谁" else _open(p, when, subject) + ask
    manner = bool(extra) and extra[0].kind in ("manner", "together")
    order = f"{where}{middle}" if manner else f"{middle}{where}"
    text = f"{start}{no}{can}{order}{word}{end}"
    signs += [*extra, verb, *([modal] if modal else [])]
    return _clause(p, mood, text, signs, negated)


def _go(p: Pool, before: Sequence[Clause]) -> Clause:
    """星期六我们坐地铁去公园。你怎么去学校？"""
    go = p.pick("go")
    place = p.among("学校 商店 公园 饭馆 医院 图书馆 超市 北京 机场 银行 上海 市场 电影院 体育馆")
    far = "city" in place.tags
    mood = _mood(p, "怎么", "哪里", "什么时候", "谁", "为什么")
    who = p.pick("person")
    negated = mood == "." and p.chance(0.2)
    when, past = "", False
    times: list[Concept] = []
    if mood != "什么时候":
        when, times, past = _when(p, before, "day past habit part")
    signs = [*times, *([] if mood == "哪里" else [place]), *([] if mood == "谁" else [who])]
    ride = ""
    if mood != "怎么" and not negated and p.chance(0.5):
        vehicle = p.pick("vehicle", "far" if far else "near")
        ride = "坐" + p.say(vehicle, "word")
        signs.append(vehicle)
    modal = None
    if mood != "怎么" and not past and p.chance(0.3):
        modal = p.among("想 可以 应该")
    can = p.say(modal, "word") if modal else ""
    no = ("没" if past else "不") if negated else ""
    done = "了" if past and not negated and mood in (".", "?") else ""
    where = p.say(p.get("哪里"), "word") if mood == "哪里" else place.gloss
    subject = "谁" if mood == "谁" else p.say(who, "word")
    start = when + "谁" if mood == "谁" else _open(p, when, subject)
    ask = mood if mood in ("怎么", "什么时候", "为什么") else ""
    text = f"{start}{ask}{no}{can}{ride}{go.gloss}{done}{where}"
    return _clause(p, mood, text, [*signs, go, *([modal] if modal else [])], negated)


def _feel(p: Pool, before: Sequence[Clause]) -> Clause:
    """今天奶奶很高兴。你为什么这么累？"""
    who, feeling = p.pick("person"), p.pick("feeling")
    mood = _mood(p, "谁", "为什么")
    negated = mood == "." and p.chance(0.25)
    when, times, _ = _when(p, before, "now part" if mood == "为什么" else "day now part")
    word = p.say(feeling, "word")
    very = "" if negated or mood != "." else p.choice(("很", "非常", "真", "特别"))
    signs = [*times, *([] if mood == "谁" else [who]), feeling]
    subject = "谁" if mood == "谁" else p.say(who, "word")
    start = when + "谁" if mood == "谁" else _open(p, when, subject)
    ask = "为什么" if mood == "为什么" else ""
    very = "很" if mood in ("谁", "为什么") else very
    return _clause(p, mood, f"{start}{ask}{'不' if negated else ''}{very}{word}", signs, negated)


def _weather(p: Pool, before: Sequence[Clause]) -> Clause:
    """冬天北京很冷。教室里安静吗？"""
    quality = p.pick("weather calm")
    mood = _mood(p, "哪里")
    negated = mood == "." and p.chance(0.25)
    when, times, _ = _when(p, before)
    place = p.pick("place")
    if {quality.gloss, *(t.gloss for t in times)} >= {"夏天", "冷"} or (
        {quality.gloss, *(t.gloss for t in times)} >= {"冬天", "热"}
    ):
        raise NoWord("the weather of the season")
    very = "" if negated or mood != "." else p.choice(("很", "非常", "太"))
    end = "了" if very == "太" else ""
    signs = [*times, *([] if mood == "哪里" else [place]), quality]
    start = p.say(p.get("哪里") if mood == "哪里" else place, "word")
    very = "很" if mood == "哪里" else very
    text = f"{when}{start}{'不' if negated else ''}{very}{p.say(quality, 'word')}{end}"
    return _clause(p, mood, text, signs, negated)


def _describe(p: Pool, before: Sequence[Clause]) -> Clause:
    """这本书很有意思。妈妈的衣服漂亮吗？苹果比香蕉便宜。"""
    noun = p.pick("thing")
    quality = p.pick("quality", " ".join(sorted(noun.tags)))
    if quality.gloss == "红":
        raise NoWord("a scale")
    word = p.say(quality, "word")
    if p.chance(0.15):
        alike = noun.tags & {"fruit", "drink", "furniture", "wear", "drive", "tasty", "use"}
        if not alike:
            raise NoWord("something to compare it with")
        shared = " ".join(sorted(alike))
        other = p.pick("thing", shared, [noun])
        if not quality.tags & other.tags:
            raise NoWord("something that has this quality too")
        text = f"{p.say(noun, 'word')}比{p.say(other, 'word')}{p.choice(('', '更'))}{word}"
        return _clause(p, _mood(p), text, [other, noun, quality])
    mood = _mood(p, "为什么")
    negated = mood == "." and p.chance(0.25)
    signs = [noun, quality]
    if p.chance(0.5):
        owner = p.pick("person")
        start = f"{p.say(owner, 'word')}的"
        signs.insert(0, owner)
    else:
        start = p.choice(("这", "那")) + _measure(noun)
    very = "" if negated or mood == "?" else p.choice(("很", "非常", "真"))
    ask = "为什么" if mood == "为什么" else ""
    very = "很" if ask else very
    text = f"{start}{p.say(noun, 'word')}{ask}{'不' if negated else ''}{very}{word}"
    return _clause(p, mood, text, signs, negated)


def _ask_price(p: Pool, before: Sequence[Clause]) -> Clause:
    """这件衣服多少钱？"""
    noun = p.pick("thing", "dear")
    text, signs = p.choice(("这", "那")) + _measure(noun), [noun]
    if p.chance(0.4):
        quality = p.pick("quality", " ".join(sorted(noun.tags - {"dear"})))
        text, signs = f"{text}{p.say(quality, 'word')}的", [noun, quality]
    return _clause(p, "多少", f"{text}{p.say(noun, 'word')}多少钱", signs)


def _give(p: Pool, before: Sequence[Clause]) -> Clause:
    """老师送给学生一本新的书。"""
    who = p.pick("person")
    other = p.pick("person", "", [who])
    if {who.gloss, other.gloss} in ({"我", "我们"}, {"他", "他们"}):
        raise NoWord("somebody else")
    noun, verb = p.pick("thing", "read wear flower use photo"), p.get("送")
    when, times, past = _when(p, before, "day past")
    thing, things = _object(p, noun, 0.7)
    if len(things) < 2 or things[1].kind != "number":
        thing = p.choice(("这", "那")) + _measure(noun) + thing
    mood = _mood(p)
    start = _open(p, when, p.say(who, "word"))
    text = f"{start}送{'了' if past else '给'}{p.say(other, 'word')}{thing}"
    return _clause(p, mood, text, [*times, who, other, *things, verb])


def _await(p: Pool, before: Sequence[Clause]) -> Clause:
    """爸爸在车站等我。谁帮助爷爷？"""
    verb, who = p.pick("await"), p.pick("person")
    other = p.pick("person", "", [who])
    if {who.gloss, other.gloss} in ({"我", "我们"}, {"他", "他们"}):
        raise NoWord("somebody else")
    mood = _mood(p, "谁", "哪里", "为什么", "什么时候")
    negated = mood == "." and p.chance(0.2)
    when, past = "", False
    times: list[Concept] = []
    if mood != "什么时候":
        when, times, past = _when(p, before, "day past part")
    where, places = _where(p, "wait city eat sport study" if verb.gloss != "帮助" else "", 0.6)
    if mood == "哪里":
        where, places = "在" + p.say(p.get("哪里"), "word"), []
    no = ("没" if past else "不") if negated else ""
    modal = p.among("想 可以 应该") if not past and p.chance(0.35) else None
    can = p.say(modal, "word") if modal else ""
    ask = mood if mood in ("为什么", "什么时候") else ""
    start = when + "谁" if mood == "谁" else _open(p, when, p.say(who, "word"))
    text = f"{start}{ask}{no}{can}{where}{p.say(verb, 'word')}{p.say(other, 'word')}"
    signs = [*times, *places, *([] if mood == "谁" else [who]), other, verb]
    return _clause(p, mood, text, [*signs, *([modal] if modal else [])], negated)


def _request(p: Pool, before: Sequence[Clause]) -> Clause:
    """请马上关门！别喝咖啡！"""
    when, times, past = _when(p, before, "day now part")
    negated = p.chance(0.45)
    if past:
        raise NoWord("a time to come")
    if p.chance(0.6):
        verb = p.among("吃 喝 买 看 洗 开 关 用 写")
        thing, things = _object(
            p, p.pick("thing", _USES[verb.gloss][0]), 0.0 if negated else 0.15, 0.25
        )
    else:
        verb, thing, things = p.among("睡觉 休息 跑步 唱歌 打扫 打电话 学习 工作"), "", []
    adverb, extra = "", []
    if p.chance(0.4):
        extra = [p.pick("manner") if negated or p.chance(0.5) else p.pick("soon")]
        fits = {"慢慢": "吃 喝 写 洗", "认真": "看 洗 写 学习 打扫 工作"}.get(extra[0].gloss, "")
        if negated or (fits and verb.gloss not in fits.split()):
            raise NoWord("a manner")
        adverb = p.say(extra[0], "word")
    word = p.say(verb, "word")
    please = p.choice(("别", "不要", "请不要")) if negated else "请"
    text = f"{when}{please}{adverb}{word}{thing}"
    signs = [*times, *things, *extra, verb]
    return Clause(text, tuple(signs), "！" if negated else "。", negated, alone=True)


TEMPLATES = (
    _do, _do, _do, _do, _act, _act, _act, _go, _go, _feel, _weather, _describe, _describe,
    _ask_price, _give, _await, _request,
)  # fmt: skip


def join(p: Pool, clauses: Sequence[Clause]) -> str:
    """Clauses to text."""
    return link(p, clauses, "，", "，可是", plain="。", space="")
