"""Two nodes of a Ray cluster give the rows of one machine."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fashion_exp.errors import InputError
from fashion_exp.inference.predict import predict_paths
from fashion_exp.inference.ray_cluster import predict_on_ray
from fashion_exp.inference.sources import list_photos
from fashion_exp.inference.trained_run import TrainedRun

pytestmark = pytest.mark.slow

cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray Data warns of its own options
def test_rows_of_two_nodes_equal_those_of_one_machine(
    trained: TrainedRun, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainedRun, "batch_size", 9)  # eight tasks
    monkeypatch.chdir(photos)
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    paths = [*list_photos(["train", "validation"])[:30], str(tmp_path / "broken.jpg")]
    local = pd.concat(predict_paths(trained, paths, processes=0), ignore_index=True)
    cluster = cluster_utils.Cluster(True, head_node_args={"num_cpus": 0})
    done: list[int] = []
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        tables = list(predict_on_ray(trained, paths, None, cluster.address, done.append))
    finally:
        cluster.shutdown()
    assert done[-1] == 31 and len(done) == 4
    pd.testing.assert_frame_equal(pd.concat(tables, ignore_index=True), local)


def test_unreachable_cluster_is_an_input_error(trained: TrainedRun) -> None:
    with pytest.raises(InputError, match=r"--ray=127\.0\.0\.1:1: cannot connect"):
        next(predict_on_ray(trained, ["a.jpg"], None, "127.0.0.1:1"))
