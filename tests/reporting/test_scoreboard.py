"""The scoreboard says what the judgements say, in every form."""

import json
from html.parser import HTMLParser

import pandas as pd
import pytest

from madis_lib import paper
from madis_lib.experiments.verdicts import Comparison, Judgement
from madis_lib.reporting import scoreboard

EVIL = "<script>x</script> & co"


@pytest.fixture
def judgements():
    """Every verdict, on claims of several artefacts."""
    comparison = Comparison("csl.r1", "a - b", 1.0, -float("inf"), 2.0, "as claimed", 0.1, 0.9, 1)
    made = []
    for i, claim in enumerate(paper.CLAIMS):
        verdict = scoreboard.VERDICTS[i % len(scoreboard.VERDICTS)]
        made.append(
            Judgement(claim, verdict, f"Because {EVIL}.", "5.99", "1.2 [1, 2]", "", 1.2, 1.0, 2.0)
            if i % 2
            else Judgement(claim, verdict, "So.", "", low=-float("inf"), seeds=1,
                           comparisons=(comparison, comparison), missing=("a - c in csl.r1",))
        )  # fmt: skip
    return made


class Reader(HTMLParser):
    VOID = ("br",)

    def __init__(self):
        super().__init__()
        self.open, self.rows, self.words = [], 0, []

    def handle_starttag(self, tag, attrs):
        self.rows += tag == "tr" and "id" in dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        assert "script" not in self.open
        self.words.append(data)


def test_section_is_well_formed_and_complete(judgements):
    reader = Reader()
    reader.feed(scoreboard.section(judgements))
    text = " ".join(reader.words)
    assert reader.open == [] and reader.rows == len(judgements)
    assert EVIL in text
    for verdict, n in scoreboard.counts(judgements).items():
        assert f"{scoreboard.LOOKS[verdict][0]} {verdict}" in text and n > 0
    for claim in paper.CLAIMS:
        assert claim.statement in text


def test_frame_has_a_row_a_claim(judgements):
    frame = scoreboard.frame(judgements)
    assert list(frame.id) == [c.id for c in paper.CLAIMS]
    assert frame.verdict.value_counts().to_dict() == scoreboard.counts(judgements)
    assert frame.estimate[1] == 1.2 and pd.isna(frame.estimate[0]) and frame.seeds[0] == 1


def test_file_is_strict_json_in_a_stable_order(judgements, tmp_path):
    record = {"preset": "made up", "commit": "abc"}
    scoreboard.write(judgements, tmp_path, record)
    first = (tmp_path / "claims.json").read_bytes()
    scoreboard.write(judgements[::-1], tmp_path, record)
    assert (tmp_path / "claims.json").read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["claims.json"]

    def refuse(constant):
        raise AssertionError(constant)

    found = json.loads(first, parse_constant=refuse)
    assert found["provenance"] == record
    assert sum(found["counts"].values()) == len(found["claims"]) == len(paper.CLAIMS)
    claim = next(c for c in found["claims"] if c["id"] == paper.CLAIMS[0].id)
    assert claim["low"] is None and claim["comparisons"][0]["low"] is None
    assert claim["missing"] == ["a - c in csl.r1"] and claim["estimate"] is None


def test_what_people_wrote_stands_beside_the_verdicts(judgements, tmp_path):
    assert scoreboard.read_readings(tmp_path) == {}
    first, second, *_ = (j.claim.id for j in judgements)
    path = tmp_path / "readings.md"
    path.write_text(f"# Notes\n\n## {first}, {second}\n\nTried & **failed**.\n\n<b>Twice.\n")
    readings = scoreboard.read_readings(tmp_path)
    assert readings == dict.fromkeys((first, second), "Tried & **failed**.\n\n<b>Twice.")
    scoreboard.write(judgements, tmp_path, {}, readings)
    claims = json.loads((tmp_path / "claims.json").read_text())["claims"]
    assert {c["id"] for c in claims if c["reading"]} == {first, second}
    page = scoreboard.section(judgements, readings)
    assert page.count("<p>Tried &amp; <strong>failed</strong>.</p>\n<p>&lt;b&gt;Twice.</p>") == 1
    assert page.count(f'<a href="#claim-{first}">our reading</a>') == 1
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    for wrong, said in (("table9.x", "table9.x.* is no claim"), (f"{first}, {first}", "one text")):
        path.write_text(f"## {wrong}\n\nSo.\n")
        with pytest.raises(ValueError, match=f"readings.md: .*{said}"):
            scoreboard.read_readings(tmp_path)
    path.write_text(f"## {first}\n\n## {second}\n\nSo.\n")
    with pytest.raises(ValueError, match="one text"):
        scoreboard.read_readings(tmp_path)


def test_picture_shows_the_counts(judgements):
    figure = scoreboard.scoreboard(judgements)
    by = figure.data["counts"]
    assert {v: sum(c[v] for c in by.values()) for v in scoreboard.VERDICTS} == scoreboard.counts(
        judgements
    )
    drawn = sum(bar.get_width() for bar in figure.axes[0].patches)
    assert drawn == len(judgements)


def test_every_verdict_has_its_own_look():
    assert set(scoreboard.LOOKS) == set(scoreboard.VERDICTS)
    assert len({(fill, hatch) for _, fill, hatch in scoreboard.LOOKS.values()}) == len(
        scoreboard.LOOKS
    )


def test_titles_name_their_place():
    assert scoreboard.title("table2").startswith("Table 2: ")
    assert scoreboard.title("fig10") == "Fig. 10"
    assert scoreboard.title("alpha").startswith("§3.3 and supplement: ")
