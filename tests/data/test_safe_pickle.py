from __future__ import annotations

import builtins
import collections
import gzip
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madis_lib.data import safe_pickle
from madis_lib.data.errors import DataError, MissingDataError


def store(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def same(a: object, b: object) -> bool:
    if isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in b)
    if isinstance(b, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


CUBE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
VALUES = {
    "numbers": [1, 2**80, -0.5, 1e300, True, None],
    "text": ("", "Wetter 天气 🤟", b"\x00\xff"),
    "floats": np.linspace(0, 1, 7),
    "half": np.float16([1, 2]),
    "fortran": np.asfortranarray(CUBE[0]),
    "transposed": CUBE.transpose(2, 0, 1),
    "big endian": np.arange(3, dtype=">i4").astype("<i4"),
    "empty": np.zeros((0, 3), np.float32),
    "zero-dimensional": np.array(3.0),
    "flags": np.array([True, False]),
    "names": np.array(["a", "bcd"]),
    "scalar": np.float32(1.5),
    "text scalar": np.str_("ja"),
    np.int64(3): np.int64(4),
    "nested": {"list": [{"tuple": (CUBE, [CUBE[0]])}]},
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("zipped", [False, True])
def test_plain_data_comes_back(tmp_path, protocol, zipped):
    path = tmp_path / "x.pkl"
    data = pickle.dumps(VALUES, protocol=protocol)
    path.write_bytes(gzip.compress(data) if zipped else data)
    assert same(safe_pickle.load(path), VALUES)


@settings(max_examples=40, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
        max_leaves=12,
    )
)
def test_any_plain_nest_comes_back(tmp_path_factory, value):
    path = store(tmp_path_factory.mktemp("p") / "x.pkl", value)
    assert same(safe_pickle.load(path), value)


def test_numpy_1_and_numpy_2_names_are_the_same(tmp_path):
    data = pickle.dumps([CUBE, np.float32(2)], protocol=3)
    assert b"cnumpy._core.multiarray\n" in data
    old = data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    (tmp_path / "old.pkl").write_bytes(old)
    assert same(safe_pickle.load(tmp_path / "old.pkl"), [CUBE, np.float32(2)])


def test_big_endian_arrays_become_native(tmp_path):
    got = safe_pickle.load(store(tmp_path / "x", np.arange(3, dtype=">i4")))
    assert got.dtype == np.dtype("i4") and got.tolist() == [0, 1, 2]


def test_ordered_dict_is_a_dict_in_order(tmp_path):
    value = collections.OrderedDict([("b", CUBE), ("a", 1)])
    got = safe_pickle.load(store(tmp_path / "x.pkl", value))
    assert type(got) is dict and list(got) == ["b", "a"] and np.array_equal(got["b"], CUBE)


def test_shared_and_circular_containers(tmp_path):
    shared = (CUBE,)
    ring: list = [shared, shared]
    ring.append(ring)
    got = safe_pickle.load(store(tmp_path / "x.pkl", ring))
    assert got[2] is got and got[0] is got[1] and np.array_equal(got[0][0], CUBE)


class Call:
    """Pickles as the call ``function(*args)``."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def attacks(marker: Path) -> dict[str, object]:
    touch = f"open({str(marker)!r}, 'w')"
    return {
        "posix.system": Call(os.system, f"touch {marker}"),
        "builtins.eval": Call(builtins.eval, touch),
        "builtins.exec": {"smplx_root_pose": [1, ({"deep": Call(builtins.exec, touch)},)]},
        "builtins.getattr": Call(getattr, marker.name, "upper"),
        "pathlib.PosixPath": [marker],
    }


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", list(attacks(Path("/x"))))
def test_code_is_refused_and_never_run(tmp_path, name, zipped, protocol):
    marker = tmp_path / "ran"
    data = pickle.dumps(attacks(marker)[name], protocol=protocol)
    path = tmp_path / "evil.pkl"
    path.write_bytes(gzip.compress(data) if zipped else data)
    module, _, attribute = name.rpartition(".")
    with pytest.raises(DataError, match=rf"evil\.pkl.*{attribute}") as caught:
        safe_pickle.load(path)
    assert module in str(caught.value) or protocol < 3  # old protocols have old module names
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def test_the_attacks_would_work(tmp_path):
    """Guards the test above: the ordinary reader does run them."""
    marker = tmp_path / "ran"
    pickle.loads(pickle.dumps(attacks(marker)["builtins.exec"]))
    assert marker.exists()


class Hidden(np.ndarray):
    pass


@pytest.mark.parametrize(
    "value",
    [
        np.array([{"a": 1}, None], dtype=object),
        np.zeros(2, dtype=[("a", "f4"), ("b", "O")]),
        np.zeros(2, dtype=[("a", "f4")]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.zeros(2).view(Hidden),
        np.dtype("f4"),
        [np.ndarray],
        {1, 2},
    ],
    ids=["object", "object field", "fields", "dates", "subclass", "dtype", "type", "set"],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_other_arrays_are_refused(tmp_path, value, protocol):
    with pytest.raises(DataError, match="x.pkl"):
        safe_pickle.load(store(tmp_path / "x.pkl", value, protocol))


def test_a_pickle_cannot_alter_its_reader(tmp_path):
    # GLOBAL numpy.dtype, then BUILD with slot state that would replace what it calls
    data = b"\x80\x02cnumpy\ndtype\n(N}X\t\x00\x00\x00_functionK\x01s" + b"tb."
    (tmp_path / "x.pkl").write_bytes(data)
    with pytest.raises(DataError):
        safe_pickle.load(tmp_path / "x.pkl")
    assert np.array_equal(safe_pickle.load(store(tmp_path / "y.pkl", CUBE)), CUBE)


def test_wrong_sized_array_bytes_are_refused(tmp_path):
    data = pickle.dumps(np.arange(4, dtype=np.uint8), protocol=2)
    (tmp_path / "x.pkl").write_bytes(data.replace(b"K\x04\x85", b"K\x09\x85"))
    with pytest.raises(DataError, match="reshape"):
        safe_pickle.load(tmp_path / "x.pkl")


@pytest.mark.parametrize("zipped", [False, True])
def test_every_truncation_is_one_clear_error(tmp_path, zipped):
    data = pickle.dumps({"a": CUBE, "b": "text"}, protocol=4)
    data = gzip.compress(data) if zipped else data
    path = tmp_path / "short.pkl"
    for end in range(0, len(data), 3):
        path.write_bytes(data[:end])
        with pytest.raises(DataError, match="short.pkl.*(cut short|empty).*; copy or make"):
            safe_pickle.load(path)


def test_damage_gives_data_or_a_data_error(tmp_path):
    data = bytearray(pickle.dumps({"a": CUBE, "b": np.float64(2), "c": [1, "x"]}, protocol=4))
    rng = np.random.default_rng(0)
    path = tmp_path / "x.pkl"
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            safe_pickle.load(path)
        except DataError:
            refused += 1
    assert refused > 50


def test_no_such_file(tmp_path):
    with pytest.raises(MissingDataError, match="none.pkl"):
        safe_pickle.load(tmp_path / "none.pkl")
    with pytest.raises(FileNotFoundError):
        safe_pickle.load(tmp_path / "none.pkl")
