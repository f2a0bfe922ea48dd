import errno
import os
import shutil

import pytest

from madis_lib import files
from madis_lib.files import atomic_write, check_writable, write_text


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "file.txt"


def write(path, text):
    with atomic_write(path) as temporary:
        temporary.write_text(text)


def test_a_device_or_a_folder_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="not a file"), atomic_write(tmp_path / name):
            pass
        with pytest.raises(OSError, match="not a file"):
            check_writable(tmp_path / name)
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "folder").is_dir()
    (tmp_path / "broken").symlink_to(tmp_path / "absent" / "file")
    for name in ("absent/file", "broken"):
        with pytest.raises(FileNotFoundError, match="absent: no such folder"):
            check_writable(tmp_path / name)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with atomic_write(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"


def test_what_was_written_is_there_and_nothing_else(path):
    write(path, "old")
    with atomic_write(path) as temporary:
        assert temporary.parent == path.parent and temporary.suffix == ".txt"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"] and path.read_text() == "new"


def test_text_is_written_as_utf_8(path):
    write_text(path, "手话 ✓\n")
    assert path.read_bytes() == "手话 ✓\n".encode()


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), FileNotFoundError("no number")]
)
def test_an_error_leaves_the_old_file(path, error):
    write(path, "old")
    with pytest.raises(type(error)) as raised, atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error
    assert raised.value is error
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"] and path.read_text() == "old"


def test_an_error_of_writing_names_the_file(path):
    with pytest.raises(PermissionError) as raised, atomic_write(path) as temporary:
        raise PermissionError(errno.EACCES, "Permission denied", str(temporary))
    assert raised.value.filename == str(path) and raised.value.errno == errno.EACCES
    with pytest.raises(OSError, match="No space") as raised, atomic_write(path):
        raise OSError(errno.ENOSPC, "No space left on device")  # as a write to an open file says
    assert raised.value.filename == str(path)
    with pytest.raises(OSError, match=r"file\.txt: encoder error -2"), atomic_write(path):
        raise OSError("encoder error -2")  # as Pillow says


def test_an_error_about_another_file_stays_as_it_is(path, tmp_path):
    with pytest.raises(FileNotFoundError) as raised, atomic_write(path):
        (tmp_path / "other").read_text()
    assert raised.value.filename == str(tmp_path / "other")


@pytest.mark.parametrize("error", [RuntimeError("unexpected pos 576"), OSError("100 requested")])
def test_writers_that_do_not_say_that_the_disk_is_full(path, monkeypatch, error):
    usage = shutil.disk_usage(path.anchor)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage._replace(free=4096))
    with pytest.raises(OSError, match="No space left") as raised, atomic_write(path):
        raise error
    assert raised.value.filename == str(path) and raised.value.__cause__ is error
    assert not list(path.parent.iterdir())
