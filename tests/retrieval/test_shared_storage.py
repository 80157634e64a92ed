"""An index on object storage is used by its address, and gives the answers of one on disk."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from fashion_exp.api.search import Index, build_index, open_index
from fashion_exp.errors import InputError

pytestmark = pytest.mark.slow
ADDRESS = "s3://shop/photos"
SECRET = "not-to-be-shown"


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 server on this machine with the bucket `shop`."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="shop")
    yield
    server.stop()


def test_index_by_address_answers_as_one_on_disk(
    storage: None, index: Index, garments: Path, backbone_files: dict[str, Path], tmp_path: Path
) -> None:
    photos = tmp_path / "garments"
    shutil.copytree(garments, photos)

    def build() -> Index:
        return build_index(
            photos, "test_resnet", into=ADDRESS, attributes=photos / "items.csv",
            weights={"test_resnet": str(backbone_files["test_resnet"])}, outputs=index.outputs,
        )  # fmt: skip

    assert len(build()) == 18
    remote = open_index(ADDRESS)
    photo = garments / "dress" / "red0.png"
    for words, where in (("", None), ("but blue", None), ("striped", 'price > 60 and size = "L"')):
        images = [] if where else [photo]
        result, expected = (x.search(images, words, where=where).rows for x in (remote, index))
        columns = result.columns.drop(["path", "file"])
        pd.testing.assert_frame_equal(result[columns], expected[columns])
    (photos / "dress" / "red0.png").unlink()
    again = build().built
    assert again is not None and (again.added, again.changed, again.deleted) == (0, 0, 1)
    assert len(open_index(ADDRESS)) == 17
    remote.photos.delete()
    with pytest.raises(InputError, match=f"{ADDRESS}: no index"):
        open_index(ADDRESS)
    with pytest.raises(InputError, match=r"s3://other/photos: .*bucket does not exist"):
        open_index("s3://other/photos")


def test_storage_that_does_not_answer_is_one_line_without_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://me:{SECRET}@127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(InputError, match=f"{ADDRESS}: the storage does not answer") as error:
        open_index(ADDRESS)
    assert SECRET not in str(error.value) and "\n" not in str(error.value)
