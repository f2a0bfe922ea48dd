"""Orders are balanced and seeded; ratings are checked; the analysis agrees with brute force."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from madis_lib.experiments import study

NAMES, SYSTEMS = ("a", "b", "c", "d", "e"), ("s", "t", "u")


@pytest.mark.parametrize("n", range(1, 8))
def test_williams_squares_are_balanced(n):
    square = study.williams(n)
    assert all(sorted(row) == list(range(n)) for row in square)
    for column in square.T:
        assert set(Counter(column.tolist()).values()) == {len(square) // n}
    followed = Counter(pair for row in square.tolist() for pair in pairwise(row))
    assert len(followed) == n * (n - 1) and len(set(followed.values())) <= 1


@pytest.mark.parametrize("systems", [1, 2, 3, 4])
@pytest.mark.parametrize("views", [1, None])
def test_orders_are_balanced(systems, views):
    names = [f"system {i}" for i in range(systems)]
    raters = len(study.williams(systems))
    made = study.orders(NAMES, names, raters, seed=3, views=views)
    blocks = systems if views is None else views
    places = Counter()
    for shown in made:
        assert len(shown) == len(set(shown)) == blocks * len(NAMES)
        if views is None:
            assert set(shown) == {(n, s) for n in NAMES for s in names}
        assert all(a[0] != b[0] for a, b in pairwise(shown))
        for block in range(blocks):
            part = shown[block * len(NAMES) : (block + 1) * len(NAMES)]
            assert {name for name, _ in part} == set(NAMES)
            counts = Counter(s for _, s in part)
            assert max(counts.values()) - min(counts.get(s, 0) for s in names) <= 2
            places.update((*clip, block) for clip in part)
    # over all raters: every sentence by every system equally often in every block
    assert set(places.values()) == {raters // systems}
    assert len(places) == blocks * systems * len(NAMES)


def test_orders_follow_the_seed():
    first, again, other = (study.orders(NAMES, SYSTEMS, 3, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len({tuple(shown) for shown in first}) == 3  # raters differ


@pytest.fixture
def key(tmp_path):
    orders = study.orders(NAMES, SYSTEMS, 3, 0)
    made = study.Key(
        "0123456789ab", "How good?", 0, SYSTEMS, {n: f"text {n}" for n in NAMES}, ("z", "s"),
        {f"rater-0{i}": tuple(shown) for i, shown in enumerate(orders, 1)},
    )  # fmt: skip
    made.save(tmp_path / "key.json")
    assert study.Key.load(tmp_path / "key.json") == made
    return made


def truth(rater, name, system):
    """A made-up rating."""
    return 1 + (3 * SYSTEMS.index(system) + NAMES.index(name) + int(rater[-1])) % 10


def exported(key, rater, count=None):
    shown = key.orders[rater][:count]
    ratings = [
        {"trial": k, "rating": truth(rater, *clip), "seconds": 2.5}
        for k, clip in enumerate(shown, 1)
    ]
    return {
        "schema": study.RATINGS, "version": 1, "study": key.study, "rater": rater,
        "trials": len(key.orders[rater]), "ratings": ratings,
    }  # fmt: skip


def write(folder, *contents):
    paths = [folder / f"{i}.json" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return paths


def test_ratings_find_their_clips(key, tmp_path):
    files = write(tmp_path, *(exported(key, r) for r in reversed(list(key.orders))))
    ratings = study.read_ratings(key, files)
    assert ratings.unfinished == {}
    for r, rater in enumerate(ratings.raters):
        for i, name in enumerate(ratings.sentences):
            for s, system in enumerate(ratings.systems):
                assert ratings.table[r, i, s] == truth(rater, name, system)
                trial = int(ratings.place[r, i, s])
                assert key.orders[rater][trial - 1] == (name, system)


def test_unfinished_raters_count_and_are_named(key, tmp_path):
    files = write(tmp_path, exported(key, "rater-01", 4), exported(key, "rater-02"))
    ratings = study.read_ratings(key, files)
    assert ratings.unfinished == {"rater-01": "4 of 15 clips rated", "rater-03": "no file"}
    assert (~np.isnan(ratings.table)).sum() == 19
    told = study.summary(ratings)
    assert "rater-01, 4 of 15 clips rated" in told and "rater-03, no file" in told


def spoilt(change):
    def spoil(content):
        change(content)
        return content

    return spoil


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda c: "{", "not JSON"),
        (lambda c: [c], "field 'schema'"),
        (spoilt(lambda c: c.update(schema="other")), "field 'schema'"),
        (spoilt(lambda c: c.update(version=2)), "field 'version' is 2"),
        (spoilt(lambda c: c.update(study="x")), "field 'study' is 'x'"),
        (spoilt(lambda c: c.update(rater="rater-09")), "field 'rater' is 'rater-09'"),
        (spoilt(lambda c: c.update(ratings=None)), "field 'ratings' is not a list"),
        (spoilt(lambda c: c["ratings"].pop(3)), "no trial 4"),
        (spoilt(lambda c: c["ratings"].append(c["ratings"][0])), r"ratings\[15\].trial' is 1"),
        (spoilt(lambda c: c["ratings"][2].update(trial=16)), r"ratings\[2\].trial' is 16"),
        (spoilt(lambda c: c["ratings"][2].update(rating=11)), r"ratings\[2\].rating' is 11"),
        (spoilt(lambda c: c["ratings"][2].update(rating=0)), "rating' is 0"),
        (spoilt(lambda c: c["ratings"][2].update(rating=7.5)), "rating' is 7.5"),
        (spoilt(lambda c: c["ratings"][2].update(rating=True)), "rating' is True"),
        (spoilt(lambda c: c["ratings"][2].pop("rating")), "rating' is None"),
        (spoilt(lambda c: c["ratings"][2].update(seconds=-1)), "seconds' is -1"),
    ],
)
def test_bad_ratings_name_file_and_field(key, tmp_path, spoil, says):
    (path,) = write(tmp_path, spoil(exported(key, "rater-01")))
    with pytest.raises(ValueError, match=says) as caught:
        study.read_ratings(key, [path])
    assert str(caught.value).startswith(str(path))


def test_a_rater_counts_once(key, tmp_path):
    files = write(tmp_path, exported(key, "rater-01"), exported(key, "rater-01", 3))
    with pytest.raises(ValueError, match="1.json: field 'rater' is 'rater-01', as in .*0.json"):
        study.read_ratings(key, files)
    with pytest.raises(ValueError, match="no ratings"):
        study.read_ratings(key, [])


@pytest.mark.parametrize("field", ["study", "orders", "practice", "sentences"])
def test_a_damaged_key_names_its_field(key, tmp_path, field):
    content = json.loads((tmp_path / "key.json").read_text())
    del content[field]
    (tmp_path / "key.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"key.json: field '{field}' is missing"):
        study.Key.load(tmp_path / "key.json")


@pytest.fixture
def ratings():
    """Two raters, three sentences, two systems; small enough to list every draw."""
    table = np.array([[[1, 4], [2, 9], [3, 5]], [[2, 6], [2, 8], [5, 5]]], float)
    return study.Ratings(("x", "y"), ("a", "b", "c"), ("s", "t"), table, table, table, {})


def every_draw(n):
    return np.array(np.meshgrid(*[range(n)] * n)).reshape(n, -1).T


def test_intervals_agree_with_all_draws():
    table = np.random.default_rng(1).uniform(1, 10, (3, 4, 2))
    many = study.Ratings(("x", "y", "z"), tuple("abcd"), ("s", "t"), table, table, table, {})
    draws = np.array([table[r][:, i].mean((0, 1)) for r in every_draw(3) for i in every_draw(4)])
    found = study.means(many)
    for s, system in enumerate(many.systems):
        low, high = np.quantile(draws[:, s], [0.025, 0.975])
        assert found[system].estimate == pytest.approx(table[..., s].mean())
        assert (found[system].low, found[system].high) == pytest.approx((low, high), abs=0.25)
    gap = study.differences(many)["s", "t"]
    low, high = np.quantile(draws[:, 0] - draws[:, 1], [0.025, 0.975])
    assert gap.estimate == pytest.approx(found["s"].estimate - found["t"].estimate)
    assert (gap.low, gap.high) == pytest.approx((low, high), abs=0.3)
    assert study.means(many) == found  # seeded


def test_correlation_is_that_of_clips(ratings):
    score = np.array([[1.0, 7], [2, 3], [4, np.nan]])
    judged, both = ratings.table.mean(0), ~np.isnan(score)
    found = study.correlations(ratings, {"m": score, "flat": np.ones((3, 2))})
    assert found["m"].estimate == pytest.approx(stats.spearmanr(judged[both], score[both])[0])
    assert found["m"].low <= found["m"].estimate <= found["m"].high
    assert np.isnan(found["flat"].estimate)


def test_agreement_is_krippendorffs(ratings):
    from madis_lib.metrics import krippendorff_alpha

    found = study.agreement(ratings)
    assert found.estimate == krippendorff_alpha(ratings.table.reshape(2, 6))
    assert found.low <= found.estimate <= found.high


def test_why_there_is_no_agreement_is_told(ratings):
    def told(table):
        made = study.Ratings(*(getattr(ratings, n) for n in ("raters", "sentences", "systems")),
                             table, table, table, {})  # fmt: skip
        (line,) = (x for x in study.summary(made).splitlines() if x.startswith("agreement"))
        return line

    assert "all ratings are equal" in told(np.full((2, 3, 2), 7.0))
    alone = ratings.table.copy()
    alone[1] = np.nan
    assert "no unit has two ratings" in told(alone)
    assert told(ratings.table).endswith("]")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name\tsystem\n", "line 1: no metric"),
        ("name\tm\n", "line 1: no column 'system'"),
        ("name\tsystem\tm\na\tq\t1\n", "line 2, column 'system': 'q'"),
        ("name\tsystem\tm\na\ts\tx\n", "line 2, column 'm': 'x'"),
        ("name\tsystem\tm\na\ts\t1\na\ts\t1\n", "line 3: 'a' by 's' stands there twice"),
        ("name\tsystem\tm\na\ts\t1\n", "no line for 'a' by 't'"),
    ],
)
def test_bad_scores_name_line_and_column(ratings, tmp_path, text, says):
    path = tmp_path / "metrics.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match=says):
        study.read_scores(path, ratings)


def test_one_rater_says_nothing_of_others():
    table = np.full((3, len(NAMES), len(SYSTEMS)), np.nan)
    table[0] = np.arange(15).reshape(5, 3)
    found = study.resampled(lambda r, i: study._mean(table[np.ix_(r, i)]), table)
    assert found.estimate == 7 and np.isnan(found.low) and np.isnan(found.high)
    table[1] = table[0]
    assert study.resampled(lambda r, i: study._mean(table[np.ix_(r, i)]), table).low < 7


def test_a_hostile_file_of_ratings_is_an_error_with_its_name(tmp_path):
    path = tmp_path / "r1.json"
    for text in ("[" * 100_000, "1" * 5000):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"r1.json: not JSON"):
            study._read(path, "x")
