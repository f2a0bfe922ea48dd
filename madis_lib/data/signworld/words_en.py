"""English how-to: the lexicon of ``how2sign`` and the sentence frames it is used in.

Sign order in a clause: time, place, person, object, number, quality, tool, manner, duration, verb,
modal, question word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from madis_lib.data.signworld.words import (
    Clause,
    Concept,
    NoWord,
    Pool,
    concept,
    interleave,
    link,
    phrase,
    words_of,
)


def _thing(gloss: str, kind: str, tags: str, one: str, many: str = "") -> Concept:
    """A noun; without ``many`` it is a mass noun, without ``one`` it is always plural."""
    return concept(gloss, kind, tags, one=one, many=many)


def _verb(gloss: str, base: str, third: str, ing: str, tags: str = "") -> Concept:
    return concept(gloss, "verb", tags, base=base, third=third, ing=ing)


_TIMES = [
    concept("FIRST", "time", "step", word="first"),
    concept("TODAY", "time", "now future request", word="today"),
    concept("TOMORROW", "time", "future request", word="tomorrow"),
    concept("EVERY-DAY", "time", "routine", word="every day|daily"),
    concept("MORNING", "time", "habit request", word="in the morning"),
    concept("SUMMER", "time", "season", word="in summer|in the summer"),
    concept("LAST", "time", "step", word="finally|lastly"),
    concept("NOW", "time", "now step", word="now"),
    concept("WEEKEND", "time", "habit future request", word="on the weekend"),
    concept("NEXT", "time", "step", word="next"),
    concept("EVENING", "time", "habit request", word="in the evening"),
    concept("WINTER", "time", "season", word="in winter|in the winter"),
    concept("SATURDAY", "time", "future request", word="on Saturday"),
    concept("EVERY-WEEK", "time", "routine", word="every week|weekly"),
    concept("LATER", "time", "future request", word="later"),
    concept("SPRING", "time", "season", word="in spring|in the spring"),
    concept("AFTERNOON", "time", "habit future request", word="in the afternoon"),
    concept("AUTUMN", "time", "season", word="in autumn|in the fall"),
]

_PLACES = [
    concept("KITCHEN", "place", "food food-tool", word="in the kitchen"),
    concept("GARDEN", "place", "garden garden-tool", word="in the garden|in the yard"),
    concept("GARAGE", "place", "repair repair-tool", word="in the garage"),
    concept("HOME", "place", "food repair craft", word="at home"),
    concept("DRAWER", "store", "food-tool craft-tool repair-tool craft", word="in the drawer"),
    concept("FRIDGE", "store", "chill", word="in the fridge|in the refrigerator"),
    concept("SHED", "store", "garden-tool repair-tool seed repair", word="in the shed"),
    concept("OUTSIDE", "place", "garden repair craft", word="outside|outdoors"),
    concept("WORKSHOP", "place", "repair craft repair-tool craft-tool", word="in the workshop"),
    concept("GREENHOUSE", "place", "garden garden-tool", word="in the greenhouse"),
    concept("TABLE", "store", "food food-tool craft-tool repair-tool craft", word="on the table"),
    concept("SCHOOL", "place", "craft", word="at school"),
    concept("BASEMENT", "place", "repair craft repair-tool", word="in the basement|in the cellar"),
    concept("BALCONY", "place", "garden garden-tool", word="on the balcony"),
    concept(
        "CUPBOARD", "store", "dry food-tool craft-tool craft", word="in the cupboard|in the cabinet"
    ),
    concept("BATHROOM", "place", "repair repair-tool", word="in the bathroom"),
]

_THINGS = [
    _thing("ONION", "food", "dry veg edible slice fry fresh size count", "onion", "onions"),
    _thing("TOMATO", "food", "chill veg edible slice fresh red size count pick", "tomato", "tomatoes"),
    _thing("SOUP", "food", "chill dish heat made done serve stir", "soup"),
    _thing("EGG", "food", "chill boil fry fresh count mix edible", "egg", "eggs"),
    _thing("POTATO", "food", "dry veg edible slice fry boil size count", "potato", "potatoes"),
    _thing("SALT", "food", "dry powder", "salt"),
    _thing("APPLE", "food", "chill fruit edible slice fresh red green size count pick", "apple",
           "apples"),
    _thing("CAKE", "food", "chill baked made done slice serve decor size count cool", "cake", "cakes"),
    _thing("MILK", "food", "chill liquid heat fresh", "milk"),
    _thing("WATER", "food", "fixed liquid boil heat", "water"),
    _thing("FLOUR", "food", "dry powder mix", "flour"),
    _thing("CARROT", "food", "chill veg edible slice boil fresh count", "carrot", "carrots"),
    _thing("SUGAR", "food", "dry sugar mix", "sugar"),
    _thing("BREAD", "food", "dry baked slice fresh done serve cool", "bread"),
    _thing("CHEESE", "food", "chill slice serve melt", "cheese"),
    _thing("FISH", "food", "chill meat fry fresh done serve", "fish"),
    _thing("BUTTER", "food", "chill melt mix soft", "butter"),
    _thing("SALAD", "food", "chill dish made fresh done serve stir", "salad"),
    _thing("RICE", "food", "dry boil done serve", "rice"),
    _thing("MUSHROOM", "food", "chill veg edible slice fry fresh size count", "mushroom", "mushrooms"),
    _thing("SAUCE", "food", "chill dish liquid heat made done serve stir", "sauce"),
    _thing("LEMON", "food", "chill fruit edible slice fresh yellow count pick", "lemon", "lemons"),
    _thing("PASTA", "food", "dry boil done serve", "pasta|noodles"),
    _thing("MEAT", "food", "chill meat slice fry fresh done serve", "meat"),
    _thing("FLOWER", "garden", "bloom wet red yellow white size count pick", "flower", "flowers"),
    _thing("SEED", "garden", "seed count", "seed", "seeds"),
    _thing("TREE", "garden", "plant wet trim size age count", "tree", "trees"),
    _thing("SOIL", "garden", "ground soft", "soil|earth"),
    _thing("WEED", "garden", "weed size count", "weed", "weeds"),
    _thing("ROSE", "garden", "bloom wet trim red yellow white count pick", "rose", "roses"),
    _thing("LEAF", "garden", "waste green red yellow", "leaf", "leaves"),
    _thing("HEDGE", "garden", "fixed trim thick size", "hedge", "hedges"),
    _thing("STRAWBERRY", "garden", "grow pick fresh red edible count", "strawberry",
           "strawberries"),
    _thing("BRANCH", "garden", "trim waste thick long count", "branch", "branches"),
    _thing("PUMPKIN", "garden", "grow pick size edible count", "pumpkin", "pumpkins"),
    _thing("BEAN", "garden", "seed grow pick fresh green", "bean", "beans"),
    _thing("BICYCLE", "repair", "machine broken age red blue washable", "bicycle|bike",
           "bicycles|bikes"),
    _thing("SCREW", "repair", "screw size long count", "screw", "screws"),
    _thing("LAMP", "repair", "machine broken age size", "lamp", "lamps"),
    _thing("CHAIR", "repair", "broken age paintable count washable", "chair", "chairs"),
    _thing("DOOR", "repair", "fixed opens broken age paintable white blue", "door", "doors"),
    _thing("TIRE", "repair", "part age broken", "tire", "tires"),
    _thing("PIPE", "repair", "part screw broken age long", "pipe", "pipes"),
    _thing("WINDOW", "repair", "fixed opens broken washable size", "window", "windows"),
    _thing("CHAIN", "repair", "part screw broken age washable", "chain", "chains"),
    _thing("SHELF", "repair", "fixed paintable age long", "shelf", "shelves"),
    _thing("WALL", "repair", "fixed paintable white washable", "wall", "walls"),
    _thing("ENGINE", "repair", "machine broken age", "engine|motor", "engines|motors"),
    _thing("LOCK", "repair", "part opens broken age", "lock", "locks"),
    _thing("CABLE", "repair", "part broken long", "cable|wire", "cables|wires"),
    _thing("PAPER", "craft", "sheet white red blue thick", "paper"),
    _thing("BUTTON", "craft", "sewn small size red blue white count attach", "button", "buttons"),
    _thing("BOX", "craft", "paintable made decor size count age", "box", "boxes"),
    _thing("CARD", "craft", "sheet made decor size", "card", "cards"),
    _thing("WOOD", "craft", "board soft thick", "wood"),
    _thing("FABRIC", "craft", "sheet soft red blue white", "fabric|cloth"),
    _thing("CANDLE", "craft", "made white red size count", "candle", "candles"),
    _thing("SCARF", "craft", "knit long red blue white", "scarf", "scarves"),
    _thing("RIBBON", "craft", "attach long red yellow sheet", "ribbon", "ribbons"),
    _thing("BEAD", "craft", "attach red blue white size count", "bead", "beads"),
    _thing("BAG", "craft", "sewn made decor size age", "bag", "bags"),
    _thing("BASKET", "craft", "made decor size", "basket", "baskets"),
    _thing("DOLL", "craft", "sewn made size age", "doll", "dolls"),
]  # fmt: skip

_TOOLS = [
    _thing("KNIFE", "tool", "food sharp size long", "knife", "knives"),
    _thing("SCISSORS", "tool", "craft garden sharp size", "", "scissors"),
    _thing("SHOVEL", "tool", "garden size age", "shovel|spade", "shovels|spades"),
    _thing("SCREWDRIVER", "tool", "repair size long", "screwdriver", "screwdrivers"),
    _thing("BOWL", "tool", "food size", "bowl", "bowls"),
    _thing("BRUSH", "tool", "repair craft soft size", "brush", "brushes"),
    _thing("HAMMER", "tool", "repair size heavy", "hammer", "hammers"),
    _thing("PAN", "tool", "food heat size", "pan", "pans"),
    _thing("GLUE", "tool", "craft", "glue"),
    _thing("POT", "tool", "food size heat", "pot", "pots"),
    _thing("SPOON", "tool", "food size", "spoon", "spoons"),
    _thing("NEEDLE", "tool", "craft sharp long", "needle", "needles"),
    _thing("OVEN", "tool", "fixed food heat", "oven", "ovens"),
    _thing("BUCKET", "tool", "garden size", "bucket", "buckets"),
    _thing("WRENCH", "tool", "repair size heavy", "wrench", "wrenches"),
    _thing("RULER", "tool", "craft long", "ruler", "rulers"),
    _thing("SPONGE", "tool", "repair soft", "sponge", "sponges"),
    _thing("GLOVES", "tool", "garden thick age", "", "gloves"),
    _thing("LADDER", "tool", "garden fixed long heavy", "ladder", "ladders"),
    _thing("PLIERS", "tool", "repair size", "", "pliers"),
]

_VERBS = [
    _verb("CUT", "cut|slice", "cuts|slices", "cutting|slicing"),
    _verb("NEED", "need", "needs", ""),
    _verb("REPAIR", "repair|fix", "repairs|fixes", "repairing|fixing"),
    _verb("BOIL", "boil", "boils", "boiling", "minutes"),
    _verb("WASH", "wash|rinse", "washes|rinses", "washing|rinsing"),
    _verb("PICK", "pick|harvest", "picks|harvests", "picking|harvesting"),
    _verb("MAKE", "make", "makes", "making"),
    _verb("ADD", "add", "adds", "adding"),
    _verb("TRIM", "trim|prune", "trims|prunes", "trimming|pruning"),
    _verb("PAINT", "paint", "paints", "painting"),
    _verb("MIX", "mix|stir", "mixes|stirs", "mixing|stirring", "minutes"),
    _verb("SOW", "sow", "sows", "sowing"),
    _verb("TIGHTEN", "tighten", "tightens", "tightening"),
    _verb("USE", "use", "uses", ""),
    _verb("WAIT", "wait", "waits", "waiting"),
    _verb("FOLD", "fold", "folds", "folding"),
    _verb("REMOVE", "remove", "removes", "removing"),
    _verb("BUY", "buy", "buys", "buying"),
    _verb("SEW", "sew|stitch", "sews|stitches", "sewing|stitching"),
    _verb("FRY", "fry", "fries", "frying", "minutes"),
    _verb("KEEP", "keep|store", "keeps|stores", ""),
    _verb("DIG", "dig up|turn over", "digs up|turns over", "digging up|turning over"),
    _verb("REPLACE", "replace|change", "replaces|changes", "replacing|changing"),
    _verb("BAKE", "bake", "bakes", "baking", "minutes"),
    _verb("MEASURE", "measure", "measures", "measuring"),
    _verb("PEEL", "peel", "peels", "peeling"),
    _verb("CHECK", "check|inspect", "checks|inspects", "checking|inspecting"),
    _verb("BRING", "bring", "brings", "bringing"),
    _verb("DECORATE", "decorate", "decorates", "decorating"),
    _verb("POUR", "pour", "pours", "pouring"),
    _verb("OPEN", "open", "opens", "opening"),
    _verb("SPRAY", "spray|sprinkle", "sprays|sprinkles", "spraying|sprinkling"),
    _verb("ATTACH", "attach|fasten", "attaches|fastens", "attaching|fastening"),
    _verb("SERVE", "serve", "serves", "serving"),
    _verb("LOOSEN", "loosen", "loosens", "loosening"),
    _verb("COOL", "cool", "cools", "cooling"),
    _verb("GROW", "grow", "grows", "growing"),
    _verb("CLOSE", "close|shut", "closes|shuts", "closing|shutting"),
    _verb("KNIT", "knit", "knits", "knitting"),
    _verb("MELT", "melt", "melts", "melting"),
]

# What a verb is done to (tags), and the preposition and tools or goals that go with it.
_USES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "CUT": (("slice", "with", "KNIFE"), ("sheet", "with", "SCISSORS")),
    "REPAIR": (
        ("machine part", "with", "SCREWDRIVER WRENCH PLIERS"),
        ("paintable", "with", "HAMMER SCREWDRIVER"),
        ("opens", "with", "SCREWDRIVER"),
    ),
    "WASH": (("edible", "in", "BOWL"), ("washable", "with", "SPONGE BRUSH")),
    "PICK": (("pick", "with", "SCISSORS GLOVES"),),
    "MAKE": (("made", "", ""),),
    "ADD": (
        ("powder", "to", "SOUP SAUCE"),
        ("veg liquid", "to", "SOUP SAUCE"),
        ("sugar", "to", "MILK WATER"),
    ),
    "PAINT": (("paintable", "with", "BRUSH"),),
    "MIX": (("mix", "in", "BOWL"), ("stir", "with", "SPOON")),
    "SOW": (("seed", "", ""),),
    "TIGHTEN": (("screw", "with", "SCREWDRIVER WRENCH PLIERS"),),
    "FOLD": (("sheet", "", ""),),
    "BOIL": (("boil", "in", "POT"),),
    "REMOVE": (
        ("weed waste", "with", "SHOVEL GLOVES"),
        ("screw part", "with", "SCREWDRIVER WRENCH"),
    ),
    "SEW": (("sewn", "with", "NEEDLE"),),
    "FRY": (("fry", "in", "PAN"),),
    "DIG": (("ground", "with", "SHOVEL"),),
    "REPLACE": (("part", "with", "WRENCH SCREWDRIVER"),),
    "BAKE": (("baked", "in", "OVEN"),),
    "MEASURE": (("board sheet", "with", "RULER"),),
    "PEEL": (("veg fruit", "with", "KNIFE"),),
    "TRIM": (("trim", "with", "SCISSORS"),),
    "CHECK": (("machine part", "", ""),),
    "DECORATE": (("decor", "with", "RIBBON BEAD FLOWER"),),
    "POUR": (("liquid", "into", "BOWL POT PAN"),),
    "OPEN": (("opens", "", ""),),
    "SPRAY": (("wet", "with", "WATER"),),
    "ATTACH": (("attach", "with", "GLUE NEEDLE"),),
    "SERVE": (("serve", "with", "SALAD BREAD SAUCE"),),
    "LOOSEN": (("screw", "with", "SCREWDRIVER WRENCH PLIERS"),),
    "GROW": (("grow bloom", "", ""),),
    "CLOSE": (("opens", "", ""),),
    "KNIT": (("knit", "", ""),),
    "MELT": (("melt", "in", "PAN POT"),),
}

_QUALITIES = [
    concept("FRESH", "quality", "fresh", word="fresh"),
    concept("BIG", "quality", "size", word="big|large"),
    concept("OLD", "quality", "age", word="old"),
    concept("RED", "quality", "red", word="red"),
    concept("BROKEN", "quality", "broken", word="broken|damaged"),
    concept("SMALL", "quality", "size", word="small|little"),
    concept("SHARP", "quality", "sharp", word="sharp"),
    concept("HOT", "quality", "heat", word="hot"),
    concept("NEW", "quality", "age", word="new"),
    concept("WHITE", "quality", "white", word="white"),
    concept("LONG", "quality", "long", word="long"),
    concept("COLD", "quality", "heat", word="cold"),
    concept("SOFT", "quality", "soft", word="soft"),
    concept("BLUE", "quality", "blue", word="blue"),
    concept("READY", "quality", "done", word="ready|done"),
    concept("THICK", "quality", "thick", word="thick"),
    concept("YELLOW", "quality", "yellow", word="yellow"),
    concept("HEAVY", "quality", "heavy", word="heavy"),
    concept("GREEN", "quality", "green", word="green"),
    concept("CAREFUL", "manner", word="carefully"),
    concept("SLOW", "manner", word="slowly"),
    concept("QUICK", "manner", word="quickly"),
    concept("GENTLE", "manner", word="gently"),
    concept("OFTEN", "frequency", word="often|usually"),
    concept("ALWAYS", "frequency", word="always"),
    concept("SOMETIMES", "frequency", word="sometimes"),
]

_PEOPLE = [
    concept("YOU", "person", "are", word="you"),
    concept("ME", "person", "am", word="I"),
    concept("FRIEND", "person", "is", word="my friend"),
    concept("WE", "person", "are", word="we"),
    concept("MOTHER", "person", "is", word="my mother|my mom"),
    concept("CHILD", "person", "are", word="the children|the kids"),
    concept("NEIGHBOR", "person", "is", word="my neighbor"),
    concept("TEACHER", "person", "is", word="the teacher"),
    concept("GRANDMOTHER", "person", "is", word="my grandmother|my grandma"),
    concept("FATHER", "person", "is", word="my father|my dad"),
]

_REST = [
    concept("TWO", "number", "few", word="two"),
    concept("TEN", "number", word="ten"),
    concept("THREE", "number", "few", word="three"),
    concept("FIVE", "number", "few", word="five"),
    concept("FOUR", "number", "few", word="four"),
    concept("TWENTY", "number", word="twenty"),
    concept("SIX", "number", "few", word="six"),
    concept("FIFTEEN", "number", word="fifteen"),
    concept("EIGHT", "number", word="eight"),
    concept("THIRTY", "number", word="thirty"),
    concept("MINUTE", "unit", word="minutes"),
    concept("CAN", "modal", "aux", word="can", no="can't|cannot"),
    concept("WANT", "modal", base="want", third="wants"),
    concept("SHOULD", "modal", "aux", word="should", no="shouldn't"),
    concept("LIKE", "modal", base="like", third="likes"),
    concept("WHERE", "question", word="where"),
    concept("HOW", "question", word="how"),
    concept("WHAT", "question", word="what"),
    concept("WHEN", "question", word="when"),
    concept("WHO", "question", word="who"),
    concept("WHY", "question", word="why"),
]

CONCEPTS = interleave(_TIMES + _PLACES + _THINGS + _TOOLS + _VERBS + _QUALITIES + _PEOPLE + _REST)

FUNCTION = words_of(
    "a am an and are aren't at but do does doesn't don't every for if in into is isn't it let my never "
    "not of on over please some the them then to too up very will with won't"
)

_DOMAINS = "food garden repair craft"


@dataclass
class _Phrase:
    """A noun phrase and its signs (noun, number, quality)."""

    text: str
    signs: list[Concept]
    plural: bool


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _noun_phrase(
    p: Pool,
    noun: Concept,
    definite: bool = True,
    quality: float = 0.25,
    number: float = 0.25,
    unfit: str = "broken done",
) -> _Phrase:
    """ "the fresh tomatoes", "two eggs", "some flour", "a sharp knife"."""
    signs, adjective = [noun], ""
    if p.chance(number) and "count" in noun.tags:
        count = p.pick("number", "few")
        signs.append(count)
    if p.chance(quality):
        suited = noun.tags - set(unfit.split()) - (set() if definite else {"heat"})
        picked = p.pick("quality", " ".join(sorted(suited)))
        adjective = p.say(picked, "word")
        signs.append(picked)
    if len(signs) > 1 and signs[1].kind == "number":
        return _Phrase(phrase(p.say(signs[1], "word"), adjective, p.say(noun, "many")), signs, True)
    mass, plural = "many" not in noun.forms, "one" not in noun.forms
    plural = plural or (not mass and p.chance(0.65 if "count" in noun.tags else 0.3))
    word = phrase(adjective, p.say(noun, "many" if plural else "one"))
    if definite:
        return _Phrase(f"the {word}", signs, plural)
    some = "some" if plural or mass else _article(word)
    return _Phrase(f"{some} {word}", signs, plural or word.endswith("noodles"))


def _tool_phrase(p: Pool, preposition: str, noun: Concept) -> tuple[str, list[Concept]]:
    """ "with a sharp knife", "in the oven", "with scissors"."""
    signs, adjective = [noun], ""
    tags = noun.tags & {"sharp", "size", "soft", "long"}
    if noun.kind == "tool" and tags and p.chance(0.25):
        signs.append(p.pick("quality", " ".join(sorted(tags))))
        adjective = p.say(signs[1], "word")
    if noun.kind != "tool" and "many" in noun.forms:  # beads, flowers
        return phrase(preposition, adjective, p.say(noun, "many")), signs
    word = phrase(adjective, p.say(noun, "one" if "one" in noun.forms else "many"))
    if noun.gloss == "OVEN" or (preposition == "to"):
        return f"{preposition} the {word}", signs
    bare = "one" not in noun.forms or "many" not in noun.forms
    return phrase(preposition, "" if bare else _article(word), word), signs


def _topic(before: Sequence[Clause]) -> str:
    return before[-1].topic if before and before[-1].topic else _DOMAINS


@dataclass
class _Action:
    """A verb with its object and what goes with it."""

    verb: Concept
    thing: _Phrase
    tail: str
    tail_signs: list[Concept]  # tool, manner, duration
    topic: str

    @property
    def inside(self) -> bool:
        """Whether it says already in what it is done."""
        return self.tail.startswith(("in ", "into "))

    @property
    def signs(self) -> list[Concept]:
        return [*self.thing.signs, *self.tail_signs, self.verb]


def _action(p: Pool, topic: str, definite: bool = True, extras: float = 0.45) -> _Action:
    """ "cut the onions with a knife", "bake a cake for thirty minutes"."""
    verb = p.pick("verb")
    if verb.gloss not in _USES:
        raise NoWord(f"a use of {verb.gloss}")
    tags, preposition, tools = p.choice(_USES[verb.gloss])
    noun = p.pick(topic, tags)
    mending = verb.gloss in ("REPAIR", "REPLACE", "CHECK", "REMOVE")
    thing = _noun_phrase(p, noun, definite, unfit="done age" if mending else "broken done")
    if verb.gloss in ("MAKE", "SEW", "KNIT") and any("age" in s.tags for s in thing.signs[1:]):
        raise NoWord("a quality of a thing to be made")
    tail = ""
    signs: list[Concept] = []
    if tools and (verb.gloss == "ADD" or p.chance(extras)):
        tool = p.among(tools)
        tail, signs = _tool_phrase(p, preposition, tool)
    elif verb.gloss in ("POUR",):
        raise NoWord("somewhere to pour it")
    if p.chance(extras / 2) and verb.gloss not in ("GROW", "BOIL", "BAKE"):
        manner = p.pick("manner")
        tail, signs = phrase(tail, p.say(manner, "word")), [*signs, manner]
    elif "minutes" in verb.tags and p.chance(extras):
        text, duration = _minutes(p)
        tail, signs = phrase(tail, text), [*signs, *duration]
    return _Action(verb, thing, tail, signs, "garden" if verb.gloss == "PICK" else noun.kind)


def _minutes(p: Pool) -> tuple[str, list[Concept]]:
    number, unit = p.pick("number"), p.get("MINUTE")
    return f"for {p.say(number, 'word')} minutes", [number, unit]


def _habits(topic: str, tags: str) -> str:
    """Seasons are for the garden, and not everything is done every day."""
    more = {"garden": " season routine", "food": " routine"}.get(topic, "")
    return tags + more if "habit" in tags or "request" in tags else tags


def _timed(p: Pool, tags: str, probability: float, steps: bool) -> tuple[str, str, list[Concept]]:
    """Words before, words after the clause, and the sign of its time."""
    if not p.chance(probability):
        return "", "", []
    time = p.pick("time", tags)
    word = p.say(time, "word")
    if "step" in time.tags and steps:
        return f"{word},", "", [time]
    if p.chance(0.35) and word not in ("daily", "weekly", "later"):
        return f"{word},", "", [time]
    return "", word, [time]


def _where(p: Pool, topic: str, probability: float) -> tuple[str, list[Concept]]:
    if not p.chance(probability):
        return "", []
    place = p.pick("place", topic)
    return p.say(place, "word"), [place]


def _instruct(p: Pool, before: Sequence[Clause]) -> Clause:
    """First, wash the tomatoes carefully. Don't cut the bread with a small knife."""
    action = _action(p, _topic(before))
    negated = p.chance(0.2)
    if negated and any(s.kind == "number" for s in action.thing.signs):
        raise NoWord("a thing not to touch")
    if negated and any(s.gloss in ("CAREFUL", "SLOW", "GENTLE") for s in action.tail_signs):
        raise NoWord("a careless manner")
    tags = "step" if before else _habits(action.topic, "step request")
    start, end, time = ("", "", []) if negated else _timed(p, tags, 0.45, True)
    where, place = _where(p, action.topic, 0.0 if action.inside else 0.25)
    no = p.choice(("don't", "do not", "never")) if negated else ""
    text = phrase(start, no, p.say(action.verb, "base"), action.thing.text, action.tail, where, end)
    return Clause(text, (*time, *place, *action.signs), ".", negated, action.topic, True)


def _chain(p: Pool, before: Sequence[Clause]) -> Clause:
    """Peel the potatoes and cut them with a knife."""
    first, second = _action(p, _topic(before), extras=0.15), p.pick("verb")
    noun = first.thing.signs[0]
    uses = [u for u in _USES.get(second.gloss, ()) if noun.tags & set(u[0].split())]
    undone = {"OPEN CLOSE", "TIGHTEN LOOSEN", "ATTACH REMOVE", "SOW GROW"}
    pair = f"{first.verb.gloss} {second.gloss}"
    ordered = _STEP.get(first.verb.gloss, 1) < _STEP.get(second.gloss, 1)
    if not uses or not ordered or pair in undone:
        raise NoWord("a second step")
    start, _, time = _timed(p, "step", 0.3, True)
    _, preposition, tools = p.choice(uses)
    tail = ""
    signs: list[Concept] = []
    if tools and (preposition in ("to", "into") or p.chance(0.5)):
        tail, signs = _tool_phrase(p, preposition, p.among(tools))
    pronoun = "them" if first.thing.plural else "it"
    text = phrase(
        start, p.say(first.verb, "base"), first.thing.text, first.tail,
        p.choice(("and", "and then")), p.say(second, "base"), pronoun, tail,
    )  # fmt: skip
    return Clause(text, (*time, *first.signs, *signs, second), topic=first.topic, alone=True)


_STEP = {  # earlier steps come first in a chain
    "PICK": -3, "SOW": -3, "WASH": -2, "MEASURE": -2, "LOOSEN": -2, "PEEL": -1, "CHECK": -1,
    "REMOVE": 0, "CUT": 0, "FOLD": 0, "MAKE": 0, "BAKE": 2, "FRY": 2, "BOIL": 1, "MELT": 1,
    "POUR": 2, "ADD": 3, "DECORATE": 3, "SERVE": 4, "PAINT": 2, "REPAIR": 1, "REPLACE": 2,
    "SPRAY": 4, "TRIM": 1, "SEW": 1, "ATTACH": 2, "MIX": 1, "TIGHTEN": 3,
}  # fmt: skip


def _verb_group(
    p: Pool,
    person: Concept,
    verb: Concept,
    tense: str,
    modal: Concept | None,
    asked: bool,
    negated: bool,
) -> tuple[str, str]:
    """Auxiliary (may be empty) and main verb, agreeing with the person."""  # fmt: skip
    be = next(t for t in ("am", "is", "are") if t in person.tags)
    third = be == "is"
    if modal and "aux" in modal.tags:
        return p.say(modal, "no" if negated else "word"), p.say(verb, "base")
    if tense == "now" and not modal:
        no = {"am": "am not", "is": "isn't", "are": "aren't"}[be]
        return no if negated else be, p.say(verb, "ing")
    if tense == "future" and not modal:
        return "won't" if negated else "will", p.say(verb, "base")
    helped = asked or negated
    form = "base" if helped or not third else "third"
    main = f"{p.say(modal, form)} to {p.say(verb, 'base')}" if modal else p.say(verb, form)
    if not helped:
        return "", main
    do = "does" if third else "do"
    return do + "n't" if negated else do, main


def _tell(p: Pool, before: Sequence[Clause]) -> Clause:
    """My friend often paints the walls in summer. Why are you peeling the apples?"""
    person, action = p.pick("person"), _action(p, _topic(before), definite=p.chance(0.7))
    draw = p.rng.random()
    mood = "." if draw < 0.6 else "?" if draw < 0.75 else p.among("HOW WHEN WHERE WHY WHO").gloss
    asked, negated = mood != ".", mood == "." and p.chance(0.2)
    tense = p.choice(("habit", "now", "future"))
    modal = p.pick("modal") if p.chance(0.35) else None
    if mood in ("HOW", "WHEN") or (modal and tense == "now"):
        tense = "habit"
    start, end = "", ""
    time: list[Concept] = []
    if not (before or mood in ("WHEN", "HOW")):
        tags = _habits(action.topic, "future request" if modal else tense)
        start, end, time = _timed(p, tags, 0.4, False)
    if asked:
        start, end = "", start.strip(",") or end
    inside = action.inside or mood == "WHERE"
    where, place = ("", []) if inside else _where(p, action.topic, 0.25)
    often, frequency = "", []
    if tense == "habit" and not asked and not negated and not modal and not time and p.chance(0.8):
        frequency = [p.pick("frequency")]
        often = p.say(frequency[0], "word")
    rest = (action.thing.text, action.tail, where, end)
    signs = [*time, *place, person, *action.thing.signs, *action.tail_signs, *frequency]
    signs += [action.verb, *([modal] if modal else [])]
    if mood == "WHO":
        signs.remove(person)
        text = phrase("who", *_who(p, action.verb, tense, modal), *rest)
    else:
        aux, main = _verb_group(p, person, action.verb, tense, modal, asked, negated)
        who = p.say(person, "word")
        wh = p.say(p.get(mood), "word") if len(mood) > 1 else ""
        order = (wh, aux, who) if asked else (start, who, aux)
        text = phrase(*order, often, main, *rest)
    if len(mood) > 1:
        signs.append(p.get(mood))
    return Clause(text, tuple(signs), "?" if asked else ".", negated, action.topic)


def _who(p: Pool, verb: Concept, tense: str, modal: Concept | None) -> tuple[str, str]:
    """ "Who" as subject takes the third person and no "do"."""
    anyone = concept("", "person", "is", word="who")
    return _verb_group(p, anyone, verb, tense, modal, False, False)


def _gather(p: Pool, before: Sequence[Clause]) -> Clause:
    """You need two eggs and some flour. What do we need? Bring a small hammer."""
    topic = _topic(before)
    domain = p.choice(topic.split())
    verb = p.among("NEED BUY BRING")
    nouns = [p.pick(f"{domain} tool", _pantry(domain))]
    if p.chance(0.5):
        nouns.append(p.pick(f"{domain} tool", _pantry(domain), nouns))
    if any("fixed" in noun.tags for noun in nouns):
        raise NoWord("a thing to carry")
    things = [_noun_phrase(p, noun, False) for noun in nouns]
    text = " and ".join(t.text for t in things)
    signs = [sign for t in things for sign in t.signs]
    if verb.gloss != "NEED" and p.chance(0.4):
        start, end, time = _timed(p, "request", 0.4 if not before else 0.0, True)
        said = phrase(start, p.choice(("", "please")), p.say(verb, "base"), text, end)
        return Clause(said, (*time, *signs, verb), topic=domain, alone=True)
    person = p.pick("person")
    draw = p.rng.random()
    mood = "." if draw < 0.6 else "?" if draw < 0.75 else p.among("WHAT WHERE WHY").gloss
    if mood == "WHERE" and verb.gloss != "BUY":
        mood = "?"
    negated = mood == "." and p.chance(0.2) and "some" not in text.split()
    tense = "future" if verb.gloss != "NEED" and p.chance(0.3) else "habit"
    start, end = "", ""
    time = []
    if not before and tense == "future":
        start, end, time = _timed(p, "future", 0.6, False)
    if mood != ".":
        start, end = "", start.strip(",") or end
    aux, main = _verb_group(p, person, verb, tense, None, mood != ".", negated)
    who = p.say(person, "word")
    if mood == "WHAT":
        said = phrase("what", aux, who, main, end)
        return Clause(said, (*time, person, verb, p.get("WHAT")), "?", topic=domain)
    wh = [p.get(mood)] if len(mood) > 1 else []
    order = (*(p.say(w, "word") for w in wh), aux, who) if mood != "." else (start, who, aux)
    said = phrase(*order, main, text, end)
    ordered = (*time, person, *signs, verb, *wh)
    return Clause(said, ordered, "?" if mood != "." else ".", negated, domain)


_EVERY = {  # tags that hold all nouns of a domain together
    "food": "veg fruit powder sugar liquid dish baked boil meat melt fry slice",
    "garden": "bloom seed plant ground waste grow",
    "repair": "machine part screw",
    "craft": "sheet board attach sewn decor knit made",
}


def _describe(p: Pool, before: Sequence[Clause]) -> Clause:
    """The knife is very sharp. Are the strawberries fresh? Why is the soup cold?"""
    topic = _topic(before)
    noun = p.pick(f"{topic} tool")
    if topic != _DOMAINS and noun.kind == "tool" and topic not in noun.tags:
        raise NoWord("a tool of this domain")
    quality = p.pick("quality", " ".join(sorted(noun.tags)))
    scale = quality.tags & {"size", "heat", "long", "thick", "heavy"}
    how = p.choice(("very", "too")) if scale and p.chance(0.4) else ""
    thing = _noun_phrase(p, noun, quality=0.0, number=0.0)
    be = "are" if thing.plural else "is"
    draw = p.rng.random()
    mood = "." if draw < 0.65 else "?" if draw < 0.85 else "WHY"
    negated = mood == "." and p.chance(0.25)
    word = p.say(quality, "word")
    signs = [*thing.signs, quality]
    start, end = "", ""
    time: list[Concept] = []
    if not before and quality.gloss in ("HOT", "COLD", "READY", "BROKEN"):
        start, end, time = _timed(p, "now", 0.4, False)
    domain = noun.kind if noun.kind != "tool" else ""
    if mood == ".":
        text = phrase(start, thing.text, be + ("n't" if negated else ""), how, word, end)
        return Clause(text, (*time, *signs), ".", negated, domain)
    why = [p.get("WHY")] if mood == "WHY" else []
    how = "too" if how else ""
    text = phrase("why" if why else "", be, thing.text, how, word, start.strip(",") or end)
    return Clause(text, (*time, *signs, *why), "?", topic=domain)


def _locate(p: Pool, before: Sequence[Clause]) -> Clause:
    """The hammer is in the garage. Where are the seeds? Keep the milk in the fridge."""
    topic = _topic(before)
    noun = p.pick(f"{topic} tool") if topic == _DOMAINS else p.pick(f"{topic} tool", _pantry(topic))
    if "fixed" in noun.tags:
        raise NoWord("a thing that can be elsewhere")
    thing = _noun_phrase(p, noun, number=0.0)
    be = "are" if thing.plural else "is"
    domain = noun.kind if noun.kind != "tool" else ""
    draw = p.rng.random()
    where = p.get("WHERE")
    if draw < 0.2:
        if p.chance(0.5):
            return Clause(f"where {be} {thing.text}", (*thing.signs, where), "?", topic=domain)
        keep, person = p.get("KEEP"), p.pick("person")
        aux, main = _verb_group(p, person, keep, "habit", None, True, False)
        text = phrase("where", aux, p.say(person, "word"), main, thing.text)
        return Clause(text, (person, *thing.signs, keep, where), "?", topic=domain)
    kinds = {f"{domain}-tool" for domain in noun.tags & set(_DOMAINS.split())}
    kinds |= noun.tags & {"dry", "chill", "seed"} | {noun.kind}
    place = p.pick("store place", " ".join(sorted(kinds)))
    at = p.say(place, "word")
    if draw < 0.45:
        keep, negated = p.get("KEEP"), p.chance(0.3)
        no = p.choice(("don't", "do not", "never")) if negated else p.choice(("", "always"))
        extra = [p.get("ALWAYS")] if no == "always" else []
        text = phrase(no, p.say(keep, "base"), thing.text, at)
        return Clause(text, (place, *thing.signs, *extra, keep), ".", negated, domain, True)
    if draw < 0.6:
        return Clause(phrase(be, thing.text, at), (place, *thing.signs), "?", topic=domain)
    negated = p.chance(0.25)
    text = phrase(thing.text, be + ("n't" if negated else ""), at)
    return Clause(text, (place, *thing.signs), ".", negated, domain)


def _pantry(topic: str) -> str:
    return f"{topic} {_EVERY[topic]}"


def _use(p: Pool, before: Sequence[Clause]) -> Clause:
    """Use a sharp knife for the onions."""
    use, action = p.get("USE"), _action(p, _topic(before), extras=0.0)
    tools = " ".join(t for _, prep, t in _USES[action.verb.gloss] if prep == "with")
    tool = p.among(tools)
    if tool.kind != "tool" or not _suits(action, tool):
        raise NoWord("a tool for this")
    phrase_, signs = _tool_phrase(p, "", tool)
    start, _, time = _timed(p, "step", 0.25, True)
    negated = not time and p.chance(0.2)
    no = p.choice(("don't", "do not", "never")) if negated else ""
    text = phrase(start, no, p.say(use, "base"), phrase_, "for", action.thing.text)
    return Clause(text, (*time, *action.thing.signs, *signs, use), ".", negated, action.topic, True)


def _suits(action: _Action, tool: Concept) -> bool:
    noun = action.thing.signs[0]
    return any(
        noun.tags & set(tags.split()) and tool.gloss in tools.split()
        for tags, _, tools in _USES[action.verb.gloss]
    )


def _wait(p: Pool, before: Sequence[Clause]) -> Clause:
    """Wait for ten minutes. Let the cake cool. If the pan is too hot, wait for five minutes."""
    text, duration = _minutes(p)
    start, _, time = _timed(p, "step", 0.3, True)
    if p.chance(0.35):
        cool, thing = p.get("COOL"), _noun_phrase(p, p.pick("food", "cool dish"), quality=0.0)
        text, duration = (text, duration) if p.chance(0.6) else ("", [])
        said = phrase(start, "let", thing.text, p.say(cool, "base"), text)
        return Clause(said, (*time, *thing.signs, *duration, cool), topic="food", alone=True)
    wait = p.get("WAIT")
    if p.chance(0.5):
        noun = p.pick("food tool", "heat")
        thing, hot = _noun_phrase(p, noun, quality=0.0, number=0.0), p.among("HOT COLD")
        if noun.kind == "tool" and hot.gloss == "COLD":
            raise NoWord("a reason to wait")
        be = "are" if thing.plural else "is"
        said = phrase("if", thing.text, be, "too", p.say(hot, "word") + ",", "wait", text)
        return Clause(said, (*thing.signs, hot, *duration, wait), topic="food", alone=True)
    return Clause(phrase(start, "wait", text), (*time, *duration, wait), alone=True)


TEMPLATES = (
    _instruct, _instruct, _instruct, _chain, _tell, _tell, _tell, _gather, _gather, _describe,
    _describe, _locate, _locate, _use, _wait,
)  # fmt: skip


def join(p: Pool, clauses: Sequence[Clause]) -> str:
    """Clauses to text."""
    return link(p, clauses, ", and ", ", but ")
