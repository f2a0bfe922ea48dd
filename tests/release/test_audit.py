"""The rows of notebook 12: complete, well-formed, and naming what exists."""

import importlib
import re

import pytest

from madis_lib.release import audit

IDS = {
    *("E1", "E2", "B1", "L1", "L2", "D1", "V1", "T1", "R"),
    *(f"U{i}" for i in range(1, 7)),
    *(f"N{i}" for i in range(1, 4)),
    *(f"P{i}" for i in range(1, 7)),
    *(f"S{i}" for i in range(1, 4)),
    *(f"X{i}" for i in range(1, 9)),
}


def test_every_row_is_there_once_and_full():
    rows = audit.of()
    assert sorted(d.id for d in rows) == sorted(IDS)
    for d in rows:
        assert all((d.topic, d.place, d.paper, d.release, d.consequence, d.here)), d.id
        assert "|" not in f"{d.topic}{d.here}{d.open}", f"{d.id}: would break the table"
    assert sum(audit.counts().values()) == len(rows)


@pytest.mark.parametrize("row", audit.of(), ids=lambda d: d.id)
def test_what_is_named_as_ours_exists(row):
    for name in re.findall(r"(?<!`)`([a-z][\w.]*)`(?!`)", row.here):
        parts = name.split(".")
        for cut in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(["madis_lib", *parts[:cut]]))
            except ModuleNotFoundError:
                continue
            break
        else:
            raise AssertionError(f"{row.id}: no module {name}")
        for attribute in parts[cut:]:
            found = getattr(found, attribute)


def test_rows_are_chosen_by_id_or_group():
    assert [d.id for d in audit.of("P2", "orders")] == ["N1", "N2", "N3", "P2"]
    with pytest.raises(ValueError, match="Z9"):
        audit.of("Z9")
    assert audit.overview(audit.of("E1")).splitlines()[-1] == (
        "| E1 | learning where to stop | checked here |"
    )
    assert audit.card("E1").count("**E1 · ") == 1
    assert "*Open:*" in audit.card("E1") and "*Open:*" not in audit.card("E2")
