"""German weather reports: the lexicon of ``phoenix`` and the sentence frames it is used in.

Sign order in a clause: time, place, subject or topic, object, number, quality, verb, question word.
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


def _day(gloss: str, full: str, part: str = "", tags: str = "") -> Concept:
    """``part`` is the word to which a bare part of the day attaches: "morgen Abend"."""
    return concept(gloss, "day", tags, full=full, part=part)


def _daypart(gloss: str, full: str, adverb: str, bare: str) -> Concept:
    """ "am Abend" alone, "abends" after a date, "Abend" after "morgen"."""
    return concept(gloss, "daypart", full=full, adverb=adverb, bare=bare)


def _season(gloss: str, word: str, tags: str) -> Concept:
    return concept(gloss, "season", tags, full="|".join(f"im {w}" for w in word.split("|")))


def _place(gloss: str, at: str, over: str = "") -> Concept:
    """``at`` answers "wo?"; ``over`` is the dative phrase after "über"."""
    return concept(gloss, "place", "over" if over else "", at=at, over=over)


def _compass(gloss: str, stem: str) -> Concept:
    forms = {"at": f"im {stem}", "over": f"dem {stem}", "away": f"aus {stem}", "to": f"nach {stem}"}
    return concept(gloss, "compass", "over", **forms)


def _noun(gloss: str, kind: str, tags: str, nom: str, dat: str = "", **forms: str) -> Concept:
    """``tags`` hold the gender (m f n, or pl); ``dat`` is the dative where it differs."""
    return concept(gloss, kind, tags, nom=nom, dat=dat or nom, **forms)


def _quality(
    gloss: str, word: str, stem: str = "", tags: str = "", kind: str = "quality"
) -> Concept:
    """``word`` is said of something, ``stem`` takes endings before a noun."""
    stem = stem or word
    endings = ("e", "er", "es", "en", "em")
    inflected = "|".join(one + end for one in stem.split("|") for end in endings)
    return concept(gloss, kind, tags, word=word, stem=stem, inflected=inflected)


def _verb(
    gloss: str, one: str, many: str, infinitive: str, tags: str = "", part: str = ""
) -> Concept:
    """``tags`` name the frame; ``part`` is the separable prefix."""
    return concept(gloss, "verb", tags, one=one, many=many, infinitive=infinitive, part=part)


_TIMES = [
    _day("HEUTE", "heute", "heute"),
    _day("MORGEN", "morgen", "morgen"),
    _day("UEBERMORGEN", "übermorgen", "übermorgen"),
    _day("MONTAG", "am Montag"),
    _day("JETZT", "jetzt|derzeit|momentan|zurzeit", tags="now vague"),
    _day("WOCHENENDE", "am Wochenende"),
    _day("MITTWOCH", "am Mittwoch"),
    _day("FREITAG", "am Freitag"),
    _day("SONNTAG", "am Sonntag"),
    _day("DIENSTAG", "am Dienstag"),
    _day("SAMSTAG", "am Samstag|am Sonnabend"),
    _day("DONNERSTAG", "am Donnerstag"),
    _day("BALD", "bald|demnächst", tags="vague"),
    _day("SPAETER", "später", tags="vague"),
    _day("KOMMENDE-WOCHE", "kommende Woche|nächste Woche", tags="vague"),
    _daypart("NACHT", "in der Nacht", "nachts", "Nacht"),
    _daypart("ABEND", "am Abend", "abends", "Abend"),
    _daypart("FRUEH", "in der Frühe", "frühmorgens", "früh"),
    _daypart("NACHMITTAG", "am Nachmittag", "nachmittags", "Nachmittag"),
    _daypart("MITTAG", "am Mittag", "mittags", "Mittag"),
    _daypart("VORMITTAG", "am Vormittag", "vormittags", "Vormittag"),
    _season("WINTER", "Winter", "cold"),
    _season("SOMMER", "Sommer", "warm"),
    _season("HERBST", "Herbst", "mild"),
    _season("FRUEHLING", "Frühling|Frühjahr", "mild"),
    _season("JANUAR", "Januar", "cold"),
    _season("JULI", "Juli", "warm"),
    _season("APRIL", "April", "mild"),
    _season("OKTOBER", "Oktober", "mild"),
    _season("AUGUST", "August", "warm"),
    _season("DEZEMBER", "Dezember", "cold"),
    _season("MAI", "Mai", "mild"),
    _season("NOVEMBER", "November", "mild"),
    _season("FEBRUAR", "Februar", "cold"),
    _season("JUNI", "Juni", "warm"),
    _season("MAERZ", "März", "mild"),
    _season("SEPTEMBER", "September", "mild"),
]

_PLACES = [
    _compass("NORD", "Norden"),
    _compass("SUED", "Süden"),
    _compass("WEST", "Westen"),
    _compass("OST", "Osten"),
    _compass("NORDWEST", "Nordwesten"),
    _compass("SUEDOST", "Südosten"),
    _compass("NORDOST", "Nordosten"),
    _compass("SUEDWEST", "Südwesten"),
    _place("BERG", "in den Bergen|im Bergland|im Gebirge"),
    _place("KUESTE", "an der Küste|an den Küsten", "der Küste"),
    _place("ALPEN", "in den Alpen", "den Alpen"),
    _place("NORDSEE", "an der Nordsee", "der Nordsee"),
    _place("BAYERN", "in Bayern", "Bayern"),
    _place("BERLIN", "in Berlin"),
    _place("RHEIN", "am Rhein"),
    _place("DEUTSCHLAND", "in Deutschland|bundesweit", "Deutschland"),
    _place("OSTSEE", "an der Ostsee", "der Ostsee"),
    _place("POLEN", "in Polen", "Polen"),
    _place("HAMBURG", "in Hamburg"),
    _place("TAL", "in den Tälern"),
    _place("SACHSEN", "in Sachsen", "Sachsen"),
    _place("SCHWARZWALD", "im Schwarzwald", "dem Schwarzwald"),
    _place("DONAU", "an der Donau"),
    _place("MITTE", "in der Mitte", "der Mitte"),
    _place("FRANKREICH", "in Frankreich", "Frankreich"),
    _place("MUENCHEN", "in München"),
    _place("INSEL", "auf den Inseln", "den Inseln"),
    _place("HARZ", "im Harz", "dem Harz"),
    _place("ELBE", "an der Elbe"),
    _place("KOELN", "in Köln"),
    _place("SCHWEIZ", "in der Schweiz", "der Schweiz"),
    _place("HESSEN", "in Hessen", "Hessen"),
    _place("STADT", "in den Städten"),
    _place("BODENSEE", "am Bodensee", "dem Bodensee"),
]

_WEATHER = [
    _noun("REGEN", "weather", "m any heavy light amount fall wane stop grow come wait warn pours",
          "Regen", verb="regnet", infinitive="regnen", like="regnerisch"),
    _noun("SONNE", "weather", "f any amount wait", "Sonne", like="sonnig"),
    _noun("WIND", "weather", "m any heavy light temper amount blow wane grow come", "Wind",
          like="windig"),
    _noun("SCHNEE", "weather", "m cold amount fall wait pours", "Schnee",
          verb="schneit", infinitive="schneien"),
    _noun("WOLKE", "weather", "pl any dense amount drift come clear grow", "Wolken",
          like="bewölkt|wolkig"),
    _noun("GEWITTER", "weather", "pl any heavy few drift wane stop amount warn", "Gewitter",
          "Gewittern", verb="gewittert", infinitive="gewittern", like="gewittrig"),
    _noun("NEBEL", "weather", "m any dense clear amount", "Nebel", like="neblig"),
    _noun("STURM", "weather", "m any heavy risky wane stop drift come warn", "Sturm",
          verb="stürmt", infinitive="stürmen", like="stürmisch"),
    _noun("FROST", "weather", "m cold heavy light wane warn", "Frost", like="frostig"),
    _noun("SCHAUER", "weather", "pl any heavy light few amount drift wane stop", "Schauer",
          "Schauern"),
    _noun("HAGEL", "weather", "m any heavy fall stop warn", "Hagel",
          verb="hagelt", infinitive="hageln"),
    _noun("GLAETTE", "weather", "f cold risky warn", "Glätte", like="glatt"),
    _noun("HITZE", "weather", "f warm risky wane grow warn", "Hitze"),
    _noun("BOE", "weather", "pl any heavy few wane grow warn", "Böen|Windböen", like="böig"),
    _noun("NIESELREGEN", "weather", "m any light amount wane stop fall", "Nieselregen|Sprühregen",
          verb="nieselt", infinitive="nieseln"),
    _noun("HOCHWASSER", "weather", "n any risky warn", "Hochwasser"),
    _noun("DUNST", "weather", "m any amount clear", "Dunst", like="dunstig"),
    _noun("ORKAN", "weather", "m any risky drift warn wane", "Orkan"),
    _noun("TIEF", "system", "n any drift", "Tief|Tiefdruckgebiet"),
    _noun("HOCH", "system", "n any drift", "Hoch|Hochdruckgebiet"),
    _noun("LUFT", "air", "f any", "Luft"),
    _noun("TEMPERATUR", "temperature", "pl", "Temperaturen|Werte"),
    _noun("WETTER", "report", "n", "Wetter"),
]  # fmt: skip

_QUALITIES = [
    _quality("KALT", "kalt", tags="cold air temper pair"),
    _quality("WARM", "warm", tags="warm mild air temper pair"),
    _quality("TROCKEN", "trocken", tags="any air"),
    _quality("SCHOEN", "schön", tags="any report"),
    _quality("MILD", "mild", tags="mild cold air report pair"),
    _quality("TRUEB", "trüb|grau", "trüb", tags="any report"),
    _quality("HEISS", "heiß", tags="warm air pair"),
    _quality("KUEHL", "kühl|frisch", "kühl", tags="mild air report pair"),
    _quality("NASS", "nass|feucht", "feucht", tags="any air"),
    _quality("FREUNDLICH", "freundlich|heiter", tags="any report"),
    _quality("WECHSELHAFT", "wechselhaft|unbeständig", tags="any report"),
    _quality("RUHIG", "ruhig", tags="any report"),
    _quality("SCHWUEL", "schwül", tags="warm air"),
    _quality("KLAR", "klar", tags="any air"),
    _quality("SCHLECHT", "schlecht", tags="report", kind="verdict"),
    _quality("ANGENEHM", "angenehm", tags="any report"),
    _quality("GUT", "gut", tags="report", kind="verdict"),
    _quality("DUNKEL", "dunkel", "dunkl", tags="any"),
    _quality("STARK", "stark|kräftig|heftig", tags="heavy", kind="degree"),
    _quality("SCHWACH", "schwach|leicht", tags="light", kind="degree"),
    _quality("DICHT", "dicht", tags="dense", kind="degree"),
    _quality("GEFAEHRLICH", "gefährlich", tags="risky", kind="degree"),
    _quality("EINZELN", "einzeln|vereinzelt", tags="few", kind="degree"),
    _quality("VIEL", "viel", tags="amount", kind="degree"),
    _quality("WENIG", "wenig", tags="amount", kind="degree"),
    concept("WIEDER", "adverb", word="wieder|erneut"),
    concept("VIELLEICHT", "adverb", word="vielleicht|möglicherweise|eventuell"),
    concept("TEILWEISE", "adverb", word="teilweise|gebietsweise|stellenweise|örtlich"),
    concept("OFT", "adverb", word="oft|häufig"),
    concept("MANCHMAL", "adverb", word="manchmal|zeitweise"),
    concept("LANGSAM", "pace", "change", word="langsam|allmählich"),
    concept("SCHNELL", "pace", "change", word="schnell|rasch"),
    concept("DEUTLICH", "pace", "change", word="deutlich|spürbar"),
    concept("PLOETZLICH", "pace", "change", word="plötzlich"),
    concept("VORSICHTIG", "pace", word="vorsichtig"),
]

_VERBS = [
    _verb("BRAUCHEN", "", "brauchen", "brauchen"),
    _verb("BRINGEN", "bringt", "bringen", "bringen"),
    _verb("STEIGEN", "", "steigen|klettern", "steigen|klettern", "level"),
    _verb("KOMMEN", "kommt", "kommen", "kommen"),
    _verb("NACHLASSEN", "lässt", "lassen", "nachlassen", "wane", "nach"),
    _verb("SINKEN", "", "sinken", "sinken", "level"),
    _verb("ZIEHEN", "zieht", "ziehen", "ziehen"),
    _verb("ZUNEHMEN", "nimmt", "nehmen", "zunehmen", "grow", "zu"),
    _verb("WARTEN", "", "warten", "warten", "hope"),
    _verb("BLEIBEN", "bleibt", "bleiben", "bleiben"),
    _verb("AUFLOESEN", "löst sich", "lösen sich", "auflösen", "clear", "auf"),
    _verb("WEHEN", "weht|bläst", "", "wehen"),
    _verb("FREUEN", "", "freuen sich", "freuen", "hope"),
    _verb("LIEGEN", "liegt", "", ""),
    _verb("VERGESSEN", "", "vergessen", "vergessen"),
    _verb("FAHREN", "", "fahren", "fahren"),
    _verb("WARNEN", "warnt", "warnen", "warnen"),
    _verb("AUFHOEREN", "hört", "hören", "aufhören", "stop", "auf"),
    _verb("HOFFEN", "", "hoffen", "hoffen", "hope"),
    _verb("DENKEN", "", "denken", "denken"),
    _verb("EINPACKEN", "", "packen", "einpacken", "", "ein"),
    _verb("TRAGEN", "", "tragen", "tragen"),
]

_PEOPLE = [
    _noun("KIND", "people", "pl folk", "Kinder", "Kindern"),
    _noun("BAUER", "people", "pl folk", "Bauern|Landwirte"),
    _noun("URLAUBER", "people", "pl folk", "Urlauber|Touristen"),
    _noun("AUTOFAHRER", "people", "pl folk", "Autofahrer"),
    _noun("WANDERER", "people", "pl folk", "Wanderer"),
    _noun("MENSCH", "people", "pl folk", "Menschen|Leute"),
    _noun("WETTERDIENST", "people", "m service", "Wetterdienst"),
    _noun("JACKE", "clothes", "f temper", "Jacke"),
    _noun("SCHIRM", "clothes", "m", "Schirm|Regenschirm"),
    _noun("MUETZE", "clothes", "f temper", "Mütze"),
    _noun("HANDSCHUH", "clothes", "pl temper", "Handschuhe"),
    _noun("SCHAL", "clothes", "m temper", "Schal"),
    _noun("SONNENBRILLE", "clothes", "f", "Sonnenbrille"),
    _noun("STIEFEL", "clothes", "pl temper", "Stiefel"),
    _noun("MANTEL", "clothes", "m temper", "Mantel"),
]

_NUMBERS = [
    concept(gloss, "number", word=word)
    for gloss, word in [
        ("ZEHN", "zehn"), ("FUENF", "fünf"), ("ZWANZIG", "zwanzig"), ("DREI", "drei"),
        ("FUENFZEHN", "fünfzehn"), ("ZWEI", "zwei"), ("ACHT", "acht"), ("ZWOELF", "zwölf"),
        ("DREISSIG", "dreißig"), ("SIEBEN", "sieben"), ("VIER", "vier"), ("SECHS", "sechs"),
        ("NEUN", "neun"), ("ELF", "elf"), ("NULL", "null"), ("DREIZEHN", "dreizehn"),
        ("VIERZEHN", "vierzehn"), ("ACHTZEHN", "achtzehn"),
    ]
]  # fmt: skip
_VALUE = {
    "NULL": 0, "ZWEI": 2, "DREI": 3, "VIER": 4, "FUENF": 5, "SECHS": 6, "SIEBEN": 7, "ACHT": 8,
    "NEUN": 9, "ZEHN": 10, "ELF": 11, "ZWOELF": 12, "DREIZEHN": 13, "VIERZEHN": 14,
    "FUENFZEHN": 15, "ACHTZEHN": 18, "ZWANZIG": 20, "DREISSIG": 30,
}  # fmt: skip

_REST = [
    concept("GRAD", "unit", word="Grad"),
    concept("MINUS", "sign", word="minus"),
    concept("WO", "question", word="wo"),
    concept("WANN", "question", word="wann"),
    concept("WIE", "question", word="wie"),
    concept("WARUM", "question", word="warum|weshalb|wieso"),
    concept("WOHER", "question", word="woher"),
    concept("WAS", "question", word="was"),
    concept("WER", "question", word="wer"),
    concept("WOHIN", "question", word="wohin"),
]

CONCEPTS = interleave(
    _TIMES + _PLACES + _WEATHER + _QUALITIES + _VERBS + _PEOPLE + _NUMBERS + _REST
)

FUNCTION = words_of(
    "aber am an auf aus bei bitte bis das dem den der die ein eine einem einen einer eines "
    "erreichen erwarten es fällt gibt hier im in ist kein keine keinem keinen keiner kommende "
    "mit nach nicht nächste rechnen scheint sich sie sind so über und vor "
    "werden wir wird zu"
)

_ARTICLE = {  # case: gender: article
    "def": {"nom": "m der f die n das pl die", "acc": "m den f die n das pl die"},
    "ein": {"nom": "m ein f eine n ein pl -", "acc": "m einen f eine n ein pl -"},
    "kein": {"nom": "m kein f keine n kein pl keine", "acc": "m keinen f keine n kein pl keine"},
    "": {},
}
_ENDING = {  # adjectives without an article, and after ein or kein
    "strong": {
        "nom": "m er f e n es pl e",
        "acc": "m en f e n es pl e",
        "dat": "m em f er n em pl en",
    },
    "mixed": {"nom": "m er f e n es pl en", "acc": "m en f e n es pl en"},
}


def _cell(row: str, gender: str) -> str:
    cells = row.split()
    return cells[cells.index(gender) + 1].strip("-")


def _noun_phrase(
    p: Pool, noun: Concept, case: str, article: str = "", adjective: Concept | None = None
) -> str:
    """ "starker Regen", "keinen Nebel", "den Schirm"; adjectives stand without "der"."""
    gender = next(g for g in ("m", "f", "n", "pl") if g in noun.tags)
    word = p.say(noun, "dat" if case == "dat" else "nom")
    before = _cell(_ARTICLE[article][case], gender) if article else ""
    if adjective is None:
        return phrase(before, word)
    stem = p.say(adjective, "stem")
    strong = "mixed" if article == "kein" or before else "strong"
    bare = stem in ("viel", "wenig") and gender != "pl"  # "viel Regen", but "viele Wolken"
    return phrase(before, stem + ("" if bare else _cell(_ENDING[strong][case], gender)), word)


@dataclass
class _Setting:
    """When and where: phrases to place in the clause, signs that open it."""

    adverbials: list[str]
    signs: list[Concept]
    future: bool  # "wird ... regnen" is possible


def _setting(p: Pool, before: Sequence[Clause], climate: str = "any", skip: str = "") -> _Setting:
    """A time and a place, either of which may be missing; seasons agree with ``climate``."""
    month = before[0].topic if before else ""
    if month and climate not in ("any", "") and month not in climate.split():
        raise NoWord(f"weather for {month} months")
    s = _Setting([], [], True)
    if skip != "WANN" and p.chance(0.75):
        _add_time(p, s, bool(before), climate)
    if skip != "WO" and p.chance(0.65):
        place = p.pick("place place compass")
        s.adverbials.append(p.say(place, "at"))
        s.signs.append(place)
    return s


def _add_time(p: Pool, s: _Setting, follows: bool, climate: str) -> None:
    if follows:  # the first clause has set the date
        part = p.pick("daypart")
        s.adverbials.append(p.say(part, "full"))
        s.signs.append(part)
        return
    if climate and p.chance(0.35):
        time = p.pick("season", "" if climate == "any" else climate)
    else:
        time = p.pick("day daypart")
    s.signs.append(time)
    s.adverbials.append(p.say(time, "full"))
    s.future = "now" not in time.tags
    if time.kind != "daypart" and "vague" not in time.tags and p.chance(0.25):
        part = p.pick("daypart")
        s.signs.append(part)
        if "part" in time.forms:
            s.adverbials[-1] += " " + p.say(part, "bare")
        else:
            s.adverbials.append(p.say(part, "adverb"))


def _climate(*concepts: Concept) -> str:
    """The seasons that suit these concepts: "any", or some of cold, mild, warm."""
    fits = [c.tags & {"cold", "mild", "warm"} for c in concepts if "any" not in c.tags]
    if not fits:
        return "any"
    return " ".join(sorted(frozenset.intersection(*fits)))


def _mood(p: Pool, *wh: str) -> str:
    """A statement ".", a yes/no question "?", or the gloss of a question word."""
    draw = p.rng.random()
    if draw < 0.72:
        return "."
    return "?" if draw < 0.86 or not wh else p.among(" ".join(wh)).gloss


def _clause(
    p: Pool,
    mood: str,
    s: _Setting,
    verb: str,
    subject: str,
    signs: Sequence[Concept],
    rest: str = "",
    tail: str = "",
    negated: bool = False,
    front: bool = True,
) -> Clause:
    """Lay out a main clause: verb second, verb first in yes/no questions; ``tail`` closes it."""
    middle = phrase("nicht" if negated and "kein" not in rest else "", rest, tail)
    adverbials = list(s.adverbials)
    ordered = [*s.signs, *signs]
    if mood == ".":
        if adverbials and front and (not subject or p.chance(0.65)):
            first = adverbials.pop(p.rng.randrange(len(adverbials)))
            text = phrase(first, verb, subject, *adverbials, middle)
        elif subject:
            text = phrase(subject, verb, *adverbials, middle)
        else:
            raise NoWord("something to stand before the verb")
    elif mood == "?":
        text = phrase(verb, subject, *adverbials, middle)
    else:
        asked = p.get(mood)
        text = phrase(p.say(asked, "word"), verb, subject, *adverbials, middle)
        ordered.append(asked)
    seasons = [sign.tags for sign in s.signs if sign.kind == "season"]
    topic = next((tag for tag in ("cold", "mild", "warm") if seasons and tag in seasons[0]), "")
    return Clause(text, tuple(ordered), "." if mood == "." else "?", negated, topic)


def _denied(p: Pool, mood: str) -> bool:
    return mood == "." and p.chance(0.2)


def _adverb(p: Pool, kind: str, probability: float, tags: str = "") -> tuple[str, list[Concept]]:
    """An adverb, or nothing."""
    if not p.chance(probability):
        return "", []
    adverb = p.pick(kind, tags)
    return p.say(adverb, "word"), [adverb]


_DEGREES = frozenset({"heavy", "light", "amount", "dense", "risky", "few"})


def _degree(p: Pool, noun: Concept, probability: float, also: str = "") -> list[Concept]:
    tags = " ".join(sorted(noun.tags & (_DEGREES | set(also.split()))))
    if not tags or not p.chance(probability):
        return []
    return [p.pick("degree quality" if "temper" in tags else "degree", tags)]


def _it_rains(p: Pool, before: Sequence[Clause]) -> Clause:
    """Morgen regnet es im Norden stark."""
    noun = p.pick("weather")
    verb = p.say(noun, "verb")
    mood = _mood(p, "WO", "WANN", "WARUM")
    negated = _denied(p, mood)
    s = _setting(p, before, _climate(noun), skip=mood)
    adverb, extra = _adverb(p, "adverb", 0.0 if negated or len(mood) > 1 else 0.4)
    tags = "heavy light" if "pours" in noun.tags else "heavy"
    degree = [p.pick("degree", tags)] if p.chance(0.4) and "light" in tags else []
    how = p.say(degree[0], "word") if degree else ""
    if mood == "WARUM" and how:
        how = f"so {how}"
    tail = ""
    if s.future and p.chance(0.35):
        verb, tail = "wird", p.say(noun, "infinitive")
    signs = [*extra, noun, *degree]
    return _clause(p, mood, s, verb, "es", signs, phrase(adverb, how), tail, negated)


def _there_is(p: Pool, before: Sequence[Clause]) -> Clause:
    """Am Abend gibt es in den Bergen einzelne Gewitter."""
    noun = p.pick("weather")
    mood = _mood(p, "WO", "WANN")
    negated = _denied(p, mood)
    s = _setting(p, before, _climate(noun), skip=mood)
    adverb, extra = _adverb(p, "adverb", 0.0 if negated or len(mood) > 1 else 0.3)
    degree = [] if negated else _degree(p, noun, 0.5)
    adjective = degree[0] if degree else None
    signs = [*extra, noun, *degree]
    frame = p.choice(("gibt", "erwarten", "rechnen"))
    if frame == "rechnen" and not negated:
        thing = "mit " + _noun_phrase(p, noun, "dat", adjective=adjective)
        return _clause(p, mood, s, "rechnen", "wir", signs, phrase(adverb, thing))
    thing = _noun_phrase(p, noun, "acc", "kein" if negated else "", adjective)
    verb, subject = ("erwarten", "wir") if frame == "erwarten" else ("gibt", "es")
    return _clause(p, mood, s, verb, subject, signs, phrase(adverb, thing), negated=negated)


def _it_falls(p: Pool, before: Sequence[Clause]) -> Clause:
    """Im Harz fällt viel Schnee. Am Mittag scheint die Sonne. Im Osten weht kalter Wind."""
    mood = _mood(p)
    if p.chance(0.3):
        sun = p.get("SONNE")
        s = _setting(p, before)
        return _clause(p, mood, s, "scheint", "die Sonne", [sun], negated=_denied(p, mood))
    if p.chance(0.3):
        wind, verb = p.get("WIND"), p.get("WEHEN")
        s = _setting(p, before, "")
        degree = _degree(p, wind, 1.0, "temper")
        thing = _noun_phrase(p, wind, "nom", adjective=degree[0])
        return _clause(p, mood, s, p.say(verb, "one"), "", [wind, *degree, verb], thing)
    noun = p.pick("weather", "fall")
    negated = _denied(p, mood)
    s = _setting(p, before, _climate(noun))
    degree = [] if negated else _degree(p, noun, 0.5)
    thing = _noun_phrase(p, noun, "nom", "kein" if negated else "", degree[0] if degree else None)
    return _clause(p, mood, s, "fällt", "", [noun, *degree], thing, negated=negated)


def _it_is(p: Pool, before: Sequence[Clause]) -> Clause:
    """Übermorgen bleibt es im Süden kalt und windig."""
    mood = _mood(p, "WO", "WANN", "WARUM")
    negated = _denied(p, mood)
    first = p.pick("quality weather")
    said = [p.say(first, "like" if first.kind == "weather" else "word")]
    signs = [first]
    if "pair" in first.tags and mood == "." and not negated and p.chance(0.5):
        second = p.pick("weather", "any")
        said.append(p.say(second, "like"))
        signs.append(second)
    s = _setting(p, before, _climate(*signs), skip=mood)
    rest = " und ".join(said)
    if mood == "WARUM":
        rest = f"so {rest}"
    adverb, extra = _adverb(p, "adverb", 0.0 if negated or len(mood) > 1 else 0.3)
    signs = [*extra, *signs]
    subject, verb = "es", "ist"
    if "report" in first.tags and p.chance(0.4):
        subject = "das " + p.say(p.get("WETTER"), "nom")
        signs.insert(0, p.get("WETTER"))
    if p.chance(0.3):
        signs.append(p.get("BLEIBEN"))
        verb = p.say(p.get("BLEIBEN"), "one")
    elif s.future and p.chance(0.6):
        verb = "wird"
    return _clause(p, mood, s, verb, subject, signs, phrase(adverb, rest), "", negated)


def _verdict(p: Pool, before: Sequence[Clause]) -> Clause:
    """Wie wird das Wetter am Montag? Das Wetter wird morgen schlecht."""
    report = p.get("WETTER")
    mood = "WIE" if p.chance(0.3) else _mood(p)
    s = _setting(p, before, "any" if mood != "WIE" else "")
    verb, subject = ("wird" if s.future else "ist"), "das " + p.say(report, "nom")
    if mood == "WIE":
        return _clause(p, mood, s, verb, subject, [report])
    quality = p.pick("verdict quality", "report")
    rest = p.say(quality, "word")
    adverb, extra = _adverb(p, "adverb", 0.2)
    return _clause(p, mood, s, verb, subject, [*extra, report, quality], phrase(adverb, rest))


def _how_warm(p: Pool, before: Sequence[Clause]) -> Clause:
    """Wie kalt wird es in der Nacht?"""
    quality = p.pick("quality", "pair")
    s = _setting(p, before, _climate(quality))
    how = p.get("WIE")
    text = phrase("wie", p.say(quality, "word"), "wird" if s.future else "ist", "es", *s.adverbials)
    return Clause(text, (*s.signs, quality, how), "?")


def _degrees(p: Pool, low: bool) -> tuple[str, list[Concept]]:
    """ "zwölf bis fünfzehn Grad"; below zero only for a ``low`` temperature."""
    first = p.pick("number")
    numbers = [first]
    value = _VALUE[first.gloss]
    if p.chance(0.25):
        second = p.pick("number", without=[first])
        if value < _VALUE[second.gloss] <= value + 5:
            numbers.append(second)
    text = " bis ".join(p.say(n, "word") for n in numbers) + " Grad"
    signs = [*numbers, p.get("GRAD")]
    if low and len(numbers) == 1 and 0 < value <= 15 and p.chance(0.6):
        return f"minus {text}", [p.get("MINUS"), *signs]
    return text, signs


def _temperature(p: Pool, before: Sequence[Clause]) -> Clause:
    """Die Temperaturen sinken in der Nacht auf drei Grad."""
    if before and before[0].topic:
        raise NoWord("temperatures of a month")
    topic = p.get("TEMPERATUR")
    verb = p.among("STEIGEN SINKEN BLEIBEN")
    mood = _mood(p, "WO", "WANN")
    s = _setting(p, before, "", skip=mood)
    subject = "die " + p.say(topic, "nom")
    if verb.gloss != "BLEIBEN" and p.chance(0.35):
        adverb, extra = _adverb(p, "pace", 0.8, "change")
        verbal, tail = p.say(verb, "many"), ""
        if s.future and p.chance(0.3):
            verbal, tail = "werden", p.say(verb, "infinitive")
        negated = _denied(p, mood) and not extra
        return _clause(p, mood, s, verbal, subject, [topic, *extra, verb], adverb, tail, negated)
    text, degrees = _degrees(p, low=verb.gloss != "STEIGEN")
    if p.chance(0.25):
        return _clause(p, mood, s, "erreichen", subject, [topic, *degrees], text)
    rest = phrase("bei" if verb.gloss == "BLEIBEN" else "auf", text)
    return _clause(p, mood, s, p.say(verb, "many"), subject, [topic, *degrees, verb], rest)


def _it_gets(p: Pool, before: Sequence[Clause]) -> Clause:
    """Am Montag werden es zwölf Grad."""
    if before and before[0].topic:
        raise NoWord("temperatures of a month")
    text, degrees = _degrees(p, low=True)
    mood = _mood(p, "WO", "WANN")
    s = _setting(p, before, "", skip=mood)
    return _clause(p, mood, s, "werden" if s.future else "sind", "es", degrees, text)


def _change(p: Pool, before: Sequence[Clause]) -> Clause:
    """Der Regen lässt am Nachmittag langsam nach. Der Nebel löst sich auf."""
    verb = p.pick("verb", "wane grow clear stop")
    noun = p.pick("weather", " ".join(sorted(verb.tags)))
    mood = _mood(p, "WO", "WANN")
    s = _setting(p, before, "", skip=mood)
    negated = _denied(p, mood)
    probability = 0.0 if negated or len(mood) > 1 else 0.45
    kind, tags = p.choice((("pace", "change"), ("adverb", "")))
    pace, extra = _adverb(p, kind, probability, tags)
    many = "pl" in noun.tags
    verbal, tail = p.say(verb, "many" if many else "one"), p.say(verb, "part")
    if s.future and p.chance(0.3):
        sich = " sich" if "sich" in verbal else ""
        verbal, tail = ("werden" if many else "wird") + sich, p.say(verb, "infinitive")
    subject = _noun_phrase(p, noun, "nom", "def")
    front = [] if not extra or extra[0].kind == "pace" else extra
    late = extra if not front else []
    return _clause(p, mood, s, verbal, subject, [*front, noun, *late, verb], pace, tail, negated)


def _movement(p: Pool, before: Sequence[Clause]) -> Clause:
    """Ein Tief zieht nach Osten. Der Wind weht schwach aus Westen. Woher kommt der Regen?"""
    verb = p.among("ZIEHEN KOMMEN WEHEN")
    tag = {"ZIEHEN": "drift", "KOMMEN": "come", "WEHEN": "blow"}[verb.gloss]
    noun = p.pick("weather system" if tag == "drift" else "weather", tag)
    mood = _mood(p, "WOHIN" if tag == "drift" else "WOHER")
    s = _setting(p, before, "")
    many = "pl" in noun.tags
    article = "ein" if noun.kind == "system" and p.chance(0.5) else "def"
    subject = _noun_phrase(p, noun, "nom", article)
    verbal = p.say(verb, "many" if many else "one")
    signs, how = [noun], ""
    if len(mood) > 1:
        return _clause(p, mood, s, verbal, subject, [*signs, verb])
    if p.chance(0.35) and tag != "come":
        manner = p.pick("degree", "heavy light") if tag == "blow" else p.among("LANGSAM SCHNELL")
        how, signs = p.say(manner, "word"), [noun, manner]
    compass = p.pick("compass")
    rest = phrase(how, p.say(compass, "to" if tag == "drift" else "away"))
    return _clause(p, mood, s, verbal, subject, [*signs[:1], compass, *signs[1:], verb], rest)


def _air(p: Pool, before: Sequence[Clause]) -> Clause:
    """Kalte Luft kommt aus Norden. Die Luft ist am Morgen feucht."""
    air, quality = p.get("LUFT"), p.pick("quality", "air")
    mood = _mood(p)
    if p.chance(0.35):
        s = _setting(p, before, _climate(quality))
        said, negated = p.say(quality, "word"), _denied(p, mood)
        return _clause(p, mood, s, "ist", "die Luft", [air, quality], said, negated=negated)
    verb, compass = p.among("KOMMEN ZIEHEN"), p.pick("compass")
    s = _setting(p, before, "")
    way = p.say(compass, "away" if verb.gloss == "KOMMEN" else "to")
    thing = _noun_phrase(p, air, "nom", adjective=quality)
    signs = [air, quality, compass, verb]
    return _clause(p, mood, s, p.say(verb, "one"), thing, signs, way)


def _system(p: Pool, before: Sequence[Clause]) -> Clause:
    """Das Tief bringt viel Regen. Über der Nordsee liegt ein Hoch. Was bringt das Hoch?"""
    noun = p.pick("system")
    if p.chance(0.35):
        place, verb = p.pick("place compass", "over"), p.get("LIEGEN")
        over = "über " + p.say(place, "over")
        subject = _noun_phrase(p, noun, "nom", "ein")
        text = p.choice((f"{over} {{}} {subject}", f"{subject} {{}} {over}"))
        return Clause(text.format(p.say(verb, "one")), (place, noun, verb))
    verb = p.get("BRINGEN")
    subject = _noun_phrase(p, noun, "nom", "def")
    mood = _mood(p, "WAS")
    s = _setting(p, before, "")
    if mood == "WAS":
        return _clause(p, mood, s, p.say(verb, "one"), subject, [noun, verb])
    thing = p.pick("weather")
    if noun.gloss == "HOCH":
        thing = p.among("SONNE HITZE NEBEL FROST DUNST")
    elif thing.gloss in ("SONNE", "HITZE", "DUNST"):
        thing = p.among("REGEN WOLKE")
    negated = _denied(p, mood)
    degree = [] if negated else _degree(p, thing, 0.5)
    rest = _noun_phrase(p, thing, "acc", "kein" if negated else "", degree[0] if degree else None)
    signs = [noun, thing, *degree, verb]
    return _clause(p, mood, s, p.say(verb, "one"), subject, signs, rest, negated=negated)


def _hope(p: Pool, before: Sequence[Clause]) -> Clause:
    """Die Kinder freuen sich auf Schnee. Wer wartet auf Regen?"""
    people, verb = p.pick("people", "folk"), p.pick("verb", "hope")
    thing = p.pick("weather", "wait")
    mood = _mood(p, "WARUM")
    s = _setting(p, before, "")
    degree = _degree(p, thing, 0.25)
    rest = "auf " + _noun_phrase(p, thing, "acc", adjective=degree[0] if degree else None)
    subject = "die " + p.say(people, "nom")
    signs = [people, thing, *degree, verb]
    negated = _denied(p, mood)
    return _clause(p, mood, s, p.say(verb, "many"), subject, signs, rest, negated=negated)


def _warning(p: Pool, before: Sequence[Clause]) -> Clause:
    """Der Wetterdienst warnt vor starkem Sturm."""
    verb, thing = p.get("WARNEN"), p.pick("weather", "warn")
    degree = _degree(p, thing, 0.5)
    rest = "vor " + _noun_phrase(p, thing, "dat", adjective=degree[0] if degree else None)
    mood = _mood(p, "WO", "WANN")
    s = _setting(p, before, "", skip=mood)
    signs = [thing, *degree, verb]
    if p.chance(0.4):
        return _clause(p, mood, s, p.say(verb, "many"), "wir", signs, rest)
    service = p.pick("people", "service")
    subject = "der " + p.say(service, "nom")
    return _clause(p, mood, s, p.say(verb, "one"), subject, [service, *signs], rest)


def _outfit(p: Pool) -> tuple[str, list[Concept]]:
    """ "eine warme Jacke", "Handschuhe": accusative."""
    thing = p.pick("clothes")
    quality = [p.get("WARM")] if "temper" in thing.tags and p.chance(0.3) else []
    text = _noun_phrase(p, thing, "acc", "ein", quality[0] if quality else None)
    return text, [thing, *quality]


def _wear(p: Pool, before: Sequence[Clause]) -> Clause:
    """Die Wanderer brauchen morgen einen Schirm. Was tragen die Kinder?"""
    people, verb = p.pick("people", "folk"), p.among("BRAUCHEN TRAGEN")
    mood = _mood(p, "WAS", "WER")
    s = _setting(p, before, "")
    subject, verbal = "die " + p.say(people, "nom"), p.say(verb, "many")
    if mood == "WAS":
        return _clause(p, mood, s, verbal, subject, [people, verb])
    rest, signs = _outfit(p)
    if verb.gloss == "TRAGEN" and signs[0].gloss == "SCHIRM":
        raise NoWord("umbrellas are not worn")
    if mood == "WER":
        one = {"BRAUCHEN": "braucht", "TRAGEN": "trägt"}[verb.gloss]
        return _clause(p, mood, s, one, "", [*signs, verb], rest)
    return _clause(p, mood, s, verbal, subject, [people, *signs, verb], rest)


def _advice(p: Pool, before: Sequence[Clause]) -> Clause:
    """Packen Sie morgen bitte einen Schirm ein! Vergessen Sie die Mütze nicht!"""
    verb = p.among("EINPACKEN VERGESSEN DENKEN TRAGEN")
    s = _setting(p, before, "") if p.chance(0.5) else _Setting([], [], True)
    please = "bitte" if p.chance(0.3) else ""
    say = f"{p.say(verb, 'many')} Sie"
    if verb.gloss in ("EINPACKEN", "TRAGEN"):
        thing, signs = _outfit(p)
        if verb.gloss == "TRAGEN" and signs[0].gloss == "SCHIRM":
            raise NoWord("umbrellas are not worn")
        tail = "ein" if verb.gloss == "EINPACKEN" else ""
        text = phrase(say, *s.adverbials, please, thing, tail)
        return Clause(text, (*s.signs, *signs, verb), "!")
    item = p.pick("clothes")
    thing = _noun_phrase(p, item, "acc", "def")
    if verb.gloss == "DENKEN":
        text = phrase(say, *s.adverbials, please, "an", thing)
        return Clause(text, (*s.signs, item, verb), "!")
    text = phrase(say, *s.adverbials, please, thing, "nicht")
    return Clause(text, (*s.signs, item, verb), "!", negated=True)


def _drive(p: Pool, before: Sequence[Clause]) -> Clause:
    """Fahren Sie bei Glätte bitte vorsichtig!"""
    verb, risk = p.get("FAHREN"), p.pick("weather", "warn dense")
    manner = p.among("VORSICHTIG LANGSAM")
    s = _setting(p, before, "", skip="WANN")
    please = "bitte" if p.chance(0.4) else ""
    bei = "bei " + _noun_phrase(p, risk, "dat")
    if p.chance(0.3):
        text = phrase("fahren Sie", *s.adverbials, bei, "nicht", "schnell")
        return Clause(text, (*s.signs, risk, p.get("SCHNELL"), verb), "!", negated=True)
    text = phrase("fahren Sie", *s.adverbials, bei, please, p.say(manner, "word"))
    return Clause(text, (*s.signs, risk, manner, verb), "!")


TEMPLATES = (
    _it_rains, _it_rains, _there_is, _there_is, _it_falls, _it_is, _it_is, _it_is, _verdict,
    _how_warm, _temperature, _temperature, _temperature, _it_gets, _it_gets, _change, _change, _movement, _air, _system,
    _hope, _warning, _wear, _advice, _drive,
)  # fmt: skip


def join(p: Pool, clauses: Sequence[Clause]) -> str:
    """Clauses to text."""
    return link(p, clauses, ", und ", ", aber ")
