"""What only the store in a folder has to mind."""

from pathlib import Path

import pytest

from service.errors import NotFound, Unavailable
from service.storage.local import LocalStore


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "objects"
    folder.mkdir()
    (folder / "link").symlink_to(secret)

    with pytest.raises(NotFound), LocalStore(folder).open("link"):
        pass


def test_nothing_temporary_is_left_behind(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"text")
    store = LocalStore(tmp_path / "objects")

    store.put_file("files/a", source, content_type="text/plain")
    store.put_file("files/a", source, content_type="text/plain")

    assert [path.name for path in (tmp_path / "objects" / "files").iterdir()] == ["a"]


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    blocked = tmp_path / "a-file"
    blocked.touch()

    with pytest.raises(Unavailable) as raised:
        LocalStore(blocked).put_file("files/a", blocked, content_type="text/plain")

    assert raised.value.code == "storage_unavailable"
