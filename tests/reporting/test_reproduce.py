import gzip
import html.parser
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import time

import nbformat
import numpy as np
import pandas as pd
import pytest

from madis_lib.experiments import ablations, evaluate, provenance
from madis_lib.experiments.suite import CORPORA
from madis_lib.reporting import equations, notebook_runs, page, tables
from madis_lib.reporting import reproduce as reproducing
from madis_lib.reporting.reproduce import reproduce
from tests.browser import CHROMIUM, needs_chromium


class Page(html.parser.HTMLParser):
    """Tags, and every address that a browser would open or could follow."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "xlink:href", "data")]
        for key, value in attributes:
            if key == "srcdoc":
                inner = Page(value)
                self.addresses += inner.addresses


def test_an_unknown_preset_names_the_choices(tmp_path):
    with pytest.raises(ValueError, match="unknown preset 'nope': choose one of .*quick"):
        reproduce("nope", tmp_path / "home", tmp_path / "reports")
    assert not list(tmp_path.iterdir())


def no_figures(*_):
    """Instead of drawing those that are there already; other processes can be told of it."""


@pytest.fixture
def again(report, home, monkeypatch):
    """Call reproduce once more, without figures."""
    monkeypatch.setattr(reproducing, "_write_figures", no_figures)

    def call(notebooks=False):
        return reproduce("tiny", home, report.parent, None, notebooks)

    return call


def test_the_tables_follow_from_the_stored_results(report):
    for corpus in CORPORA:
        (kept,) = (report / "results").glob(f"evaluated-{corpus}-*.json.gz")
        stored = json.loads(gzip.decompress(kept.read_bytes()))["result"]
        table = pd.read_csv(report / "tables" / f"results-{corpus}.csv")
        measured = table[table.source == tables.MEASURED]
        assert set(measured.system) == set(stored["scores"])
        for row in measured.itertuples():
            scores = stored["scores"][row.system]
            everyone = np.arange(len(stored["texts"]))
            again = evaluate.value(scores, row.metric, everyone)
            assert again == pytest.approx(row.estimate, abs=1e-6)


def test_the_folder_says_what_came_out_where_html_is_not_shown(report):
    text = (report / "README.md").read_text(encoding="utf-8")
    counts = json.loads((report / "claims.json").read_text(encoding="utf-8"))["counts"]
    assert all(f"{verdict} | {n} |" in text for verdict, n in counts.items() if n)
    linked = re.findall(r"\]\(([^)]+)\)", text)
    assert [name for name in linked if name.startswith("figures/")] and "tables/table3.md" in linked
    assert [name for name in linked if not (report / name).is_file()] == []
    assert "SignWorld, which is synthetic" in text and "<b>" not in text


def test_a_second_call_repeats_nothing_and_numbers_its_steps(report, again, capsys):
    first = json.loads((report / "provenance.json").read_text())
    again()
    told = capsys.readouterr().out
    assert told.count("found from an earlier run") == len(first["runs"])
    steps = re.findall(r"^\[ ?(\d+)/(\d+)\]", told, re.MULTILINE)
    assert [int(n) for n, _ in steps] == list(range(1, int(steps[0][1]) + 1))
    assert "synthetic" in told and "gloss error" in told
    second = json.loads((report / "provenance.json").read_text())
    assert not any(run["made_now"] for run in second["runs"])
    kept = ("name", "key", "seconds", "peak_memory_mb")
    for a, b in zip(first["runs"], second["runs"], strict=True):
        assert [a.get(k) for k in kept] == [b.get(k) for k in kept]


def test_what_is_asked_for_is_made_and_shown(report, home, tmp_path):
    """With a seed that the preset does not have, before all else is there."""
    mine = tmp_path / "home"
    shutil.copytree(home, mine)
    (gone,) = mine.glob("tiny/tokenizer-quality-*")
    shutil.rmtree(gone)
    asked = ("fig7c", "table5", "table6")
    folder = reproduce("tiny", mine, tmp_path, only=asked, seeds=(7,))
    assert folder == tmp_path / "tiny" and not (folder / "report.html").exists()
    assert not list(mine.glob("tiny/tokenizer-quality-*"))
    tables_of = {p.name for p in folder.glob("tables/*.csv")}
    assert tables_of >= {"attention.csv", "siclip.csv", "table5.csv"}
    assert not tables_of & {"lengths.csv", "results-csl.csv", "table3.csv"}
    assert {p.stem for p in folder.glob("figures/*")} == {"fig7c"}
    for seeds in ((7,), None):
        found = reproducing.open_suite("tiny", mine, tmp_path, seeds=seeds)
        assert list(ablations.by_seed(found, ablations.gated)) == list(seeds or (0,))


def test_what_has_no_runs_leaves_no_report(suite, home, tmp_path):
    with pytest.raises(ValueError, match="no runs of 'utc_map' with preset 'tiny'"):
        reproduce("tiny", home, tmp_path, only=("utc_map",))
    assert not list(tmp_path.iterdir())


def test_the_release_protocol_has_a_report_of_its_own(suite, home, tmp_path):
    page = reproduce("tiny", home, tmp_path, None, notebooks=False, protocol="release")
    assert page.parent.name == "tiny-release" and "the release" in page.read_text()
    csv = (page.parent / "tables" / "results-csl.csv").read_text()
    assert ",release," in csv and ",paper," not in csv
    assert "of single tokens" in (page.parent / "tables" / "results-csl.md").read_text()


def test_what_an_earlier_report_left_is_gone(suite, home, report):
    for left in ("figures/fig99.svg", "tables/results-asl.csv", "results/asl.json.gz"):
        (report / left).write_text("old")
        os.utime(report / left, (0, 0))
    kept = {p.relative_to(report) for p in report.glob("*/*.*")}
    reproducing.rebuild("tiny", home, report.parent)
    gone = kept - {p.relative_to(report) for p in report.glob("*/*.*")}
    assert {p.name for p in gone} == {"fig99.svg", "results-asl.csv", "asl.json.gz"}


def test_provenance_says_what_was_run(report):
    record = json.loads((report / "provenance.json").read_text())
    assert record["preset"] == "tiny" and record["seed"] == 0
    assert record["configuration"]["corpus"]["signs"] == 40
    assert record["peak_memory_mb"]["process"] > 50
    assert {"torch", "transformers"} <= set(record["packages"])
    assert all(re.fullmatch("[0-9a-f]{16}", run["key"]) for run in record["runs"])


def test_the_commit_or_the_version(tmp_path, monkeypatch):
    assert provenance.commit()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "a" / "b" / "provenance.py"))
    assert provenance.commit().startswith("version ")


def test_the_page_says_first_that_it_is_synthetic(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    assert text.index("Everything you see here is synthetic") < text.index("<figure")
    assert "smoke size: no verdict on the paper" in text


def test_the_page_asks_for_nothing_from_elsewhere(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    shown = Page(text)
    for address in shown.addresses:
        assert address.startswith(("#", "data:", "figures/", "tables/", "notebooks/")), address
        if address.startswith(("figures/", "tables/", "notebooks/")):
            assert (report / address).is_file(), address
    assert not re.search(r"https?://|@import|url\(", text)
    assert shown.tags.count("iframe") == 3 and "script" not in shown.tags
    assert "default-src 'none'" in text


def test_five_formulas_beside_their_code(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    assert text.count("<math ") == 5
    numbers = [item.equation.number for item in equations.shown()]
    assert numbers == [1, 2, 3, 4, 5]
    for item in equations.shown():
        assert item.place in text
        name = item.name.rsplit(".", 1)[1]
        assert item.source.startswith(f"def {name}(")
        file, line = item.place.split(":")
        lines = (equations.ROOT / file).read_text(encoding="utf-8").splitlines()
        assert lines[int(line) - 1].startswith(f"def {name}(")


def test_text_from_data_cannot_become_markup(report, suite, monkeypatch):
    hostile = '</script><script>alert(1)</script><img src=x onerror=alert(2)> __BODY__ & "'
    record = json.loads((report / "provenance.json").read_text())
    plain = Page(page.render(suite, report, record))
    for corpus in ("csl", "phoenix", "how2sign"):
        texts = [hostile] * len(suite.texts(corpus, "test"))
        monkeypatch.setitem(suite._texts, (corpus, "test"), texts)
    record |= {"commit": hostile, "device": hostile, "notebook_failure": hostile}
    record["runs"][0]["title"] = hostile
    found = Page(page.render(suite, report, record))
    assert "script" not in found.tags
    assert found.tags.count("img") == plain.tags.count("img")


def requests_of(path, folder) -> set[str]:
    """What a page asks the network for, by the browser's own log; its updates do not count."""
    log = folder / "net.json"
    done = subprocess.run(
        [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}",
            "--virtual-time-budget=3000", "--dump-dom", path.resolve().as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "</html>" in done.stdout
    asked = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    return {
        p["url"]
        for p in asked
        if p.get("initiator", "not an origin") != "not an origin" and p["url"].startswith("http")
    }


@needs_chromium
def test_a_browser_opens_the_page_without_a_request(report, tmp_path):
    for name in ("page", "control"):
        (tmp_path / name).mkdir()
    assert requests_of(report / "report.html", tmp_path / "page") == set()
    control = tmp_path / "control.html"
    control.write_text('<html><img src="http://example.org/x.png"></html>')
    assert requests_of(control, tmp_path / "control") == {"http://example.org/x.png"}


def notebook(path, *cells):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    made.cells[0].metadata["tags"] = ["parameters"]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(made, path)


def test_notebooks_get_the_preset_and_a_failure_names_its_cell(tmp_path):
    source, out = tmp_path / "notebooks", tmp_path / "out"
    check = "import madis_lib\nassert (PRESET, HOME[-4:]) == ('tiny', 'home')"
    notebook(source / "00.ipynb", "PRESET, HOME = 'quick', '.'", check)
    told = []
    notebook_runs.execute("tiny", tmp_path / "home", out, source, told.append)
    assert told == ["executed 00.ipynb"] and (out / "00.ipynb").is_file()
    source = tmp_path / "failing"
    notebook(source / "01.ipynb", "PRESET = HOME = ''", "raise KeyError('gone')")
    with pytest.raises(ValueError, match=r"01\.ipynb.*cell .* failed with KeyError: .*gone"):
        notebook_runs.execute("tiny", tmp_path / "home", out, source, told.append)


def test_no_notebooks_are_skipped_with_a_note(tmp_path):
    told = []
    notebook_runs.execute("tiny", tmp_path, tmp_path, tmp_path / "none", told.append)
    assert len(told) == 1 and "skipped" in told[0]


def fail():
    raise notebook_runs.NotebookError("notebooks/05.ipynb: cell 3 failed")


def drawn_late(suite, folder, record):
    """Too late for a worker, whose notebook has failed by then."""
    if multiprocessing.parent_process() is not None:
        time.sleep(60)
    (folder / "drawn").touch()


def test_a_report_whose_notebook_failed_is_drawn_all_the_same(report, again, monkeypatch):
    monkeypatch.setattr(notebook_runs, "jobs", lambda *_: {"05.ipynb": fail})
    monkeypatch.setattr(reproducing, "_write_figures", drawn_late)
    with pytest.raises(ValueError, match="05.ipynb"):
        again(notebooks=True)
    (report / "drawn").unlink()


def fails_itself(*_):
    raise ValueError("nothing to draw")


def test_figures_that_fail_are_no_failed_notebook(again, monkeypatch, capsys):
    monkeypatch.setattr(notebook_runs, "jobs", lambda *_: {"04.ipynb": list})
    monkeypatch.setattr(reproducing, "_write_figures", fails_itself)
    with pytest.raises(ValueError, match="nothing to draw"):
        again(notebooks=True)
    assert "nothing to draw" not in capsys.readouterr().out


def test_the_report_survives_a_failing_notebook(report, again, monkeypatch, capsys):
    monkeypatch.setattr(notebook_runs, "jobs", lambda *_: {"05.ipynb": fail, "04.ipynb": list})
    with pytest.raises(ValueError, match="05.ipynb"):
        again(notebooks=True)
    told = re.findall(r"\[ *(\d+)/(\d+)\]", capsys.readouterr().out)
    assert [int(n) for n, _ in told] == [*range(1, int(told[0][1]) + 1)]  # figures among them
    assert "cell 3 failed" in (report / "report.html").read_text(encoding="utf-8")
