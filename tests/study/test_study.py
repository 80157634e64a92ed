"""A study has the runs and no path of the machine; only unaltered archives are imported."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.api.comparison import compare
from fashion_exp.api.judging import judge
from fashion_exp.api.studies import export_study, import_study, read_study
from fashion_exp.commands.study import run as study_command
from fashion_exp.comparison.find_runs import count_unfinished_jobs
from fashion_exp.errors import InputError
from fashion_exp.evaluation import test_usage
from fashion_exp.evaluation.own_code import RUN_CODE, store_code, use_run_code
from fashion_exp.evaluation.predictions import write_predictions
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.extensions.files import read_code
from fashion_exp.study import archive
from fashion_exp.study import import_study as import_module
from tests.comparison.synthetic_runs import make_run, random_correctness


def add_run(folder: Path, seed: int = 0, accuracy: float = 0.8, **facts: str) -> Path:
    validation = random_correctness(seed, 2, 30, accuracy)
    make_run(folder, f"cnn seed={seed}", validation, validation, redrawn=False, facts=facts)
    return folder


def add_sweep(outputs: Path, jobs: int = 2) -> Path:
    """A sweep with one unfinished job."""
    sweep = outputs / "sweeps" / "lr"
    for seed in range(jobs):
        add_run(sweep / f"job{seed}", seed)
    (sweep / "failed").mkdir()
    (sweep / "failed" / "options.json").write_text("{}")
    state = {"line": [f"outputs={outputs}"], "jobs": {f"job{i}": str(i) for i in range(jobs)}}
    (sweep / "sweep.json").write_text(json.dumps(state))
    return sweep


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


@pytest.fixture
def study(here: Path, tmp_path: Path) -> Path:
    """One run."""
    return export_study(tmp_path / "study.zip", add_run(here / "runs" / "a"), outputs=here).file


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.slow
def test_imported_runs_compare_as_where_they_were_made(
    here: Path, there: Path, tmp_path: Path
) -> None:
    a, sweep = add_run(here / "runs" / "a", 7, 0.9), add_sweep(here)
    file = export_study(tmp_path / "study.zip", [a, sweep], outputs=here).file
    own = add_run(there / "runs" / "own", 9, 0.7)
    before = compare([a, sweep], outputs=here).verdicts
    shutil.rmtree(here)
    placed = import_study(file, outputs=there)
    assert {run.status for run in placed} == {"imported"}
    pd.testing.assert_frame_equal(before, compare(["a", "lr"], outputs=there).verdicts)
    assert len(compare(["a", own], outputs=there).runs) == 2
    assert len(judge(["a", "own"], outputs=there).runs) == 2
    assert (there / "sweeps" / "lr" / "failed" / "options.json").is_file()
    jobs = [there / "sweeps" / "lr" / f"job{i}" for i in range(2)]
    assert count_unfinished_jobs(jobs) == 1


def test_same_content_is_the_same_run_whatever_its_folder(study: Path, there: Path) -> None:
    (first,) = import_study(study, outputs=there)
    first.folder.rename(there / "runs" / "renamed")
    before = listing(there / "runs")
    (second,) = import_study(study, outputs=there)
    assert (second.status, second.folder.name) == ("already here", "renamed")
    assert listing(there / "runs") == before


def test_other_run_of_the_same_name_stays(study: Path, there: Path) -> None:
    other = add_run(there / "runs" / "a", 5)
    content = (other / "validation_predictions.parquet").read_bytes()
    (placed,) = import_study(study, outputs=there)
    assert (placed.status, placed.folder.name) == ("renamed", "a-2")
    assert (other / "validation_predictions.parquet").read_bytes() == content
    assert import_study(study, outputs=there)[0].status == "already here"


def test_no_two_folders_of_an_archive_become_one(here: Path, there: Path, tmp_path: Path) -> None:
    names = ["runs/a", "runs/a-2", "sweeps/lr/job", "sweeps/lr-2/other"]
    folders = [add_run(here / name, seed) for seed, name in enumerate(names)]
    file = export_study(tmp_path / "study.zip", folders, outputs=here).file
    add_run(there / "runs" / "a", 8)
    add_run(there / "sweeps" / "lr" / "job", 9)
    placed = import_study(file, outputs=there)
    assert [str(run.folder.relative_to(there)) for run in placed] == [
        "runs/a-2", "runs/a-2-2", "sweeps/lr-2/job", "sweeps/lr-2-2/other",
    ]  # fmt: skip
    assert all((run.folder / "result.json").is_file() for run in placed)
    assert {run.status for run in import_study(file, outputs=there)} == {"already here"}


def test_sweep_that_grew_gets_its_new_jobs(here: Path, there: Path, tmp_path: Path) -> None:
    sweep = add_sweep(here)
    first = export_study(tmp_path / "first.zip", sweep, outputs=here).file
    add_run(sweep / "job2", 2)
    second = export_study(tmp_path / "second.zip", sweep, outputs=here).file
    import_study(first, outputs=there)
    placed = {run.folder.name: run.status for run in import_study(second, outputs=there)}
    assert placed == {"job0": "already here", "job1": "already here", "failed": "already here",
                      "job2": "imported"}  # fmt: skip
    other = tmp_path / "other"
    add_run(other / "sweeps" / "lr" / "job0", 8)
    renamed = import_study(second, outputs=other)
    assert {run.folder.parent.name for run in renamed} == {"lr-2"}
    assert {run.status for run in import_study(second, outputs=other)} == {"already here"}


def test_evaluations_of_the_test_stay_counted(study: Path, here: Path, there: Path) -> None:
    own = add_run(there / "runs" / "own", 9)
    (own / "test_evaluated.json").unlink()
    import_study(study, outputs=there)
    test_usage.mark_test_evaluated(own, there)
    assert test_usage.test_evaluations(own) == 2


def test_no_folder_of_this_machine_is_in_it(here: Path, tmp_path: Path) -> None:
    run = RunDir(add_run(here / "runs" / "a"))
    photos = tmp_path / "my photos (new)"
    photos.mkdir()
    options = {"dataset.root": str(photos), "tracking.uri": f"sqlite:///{here}/mlflow.db"}
    run.options_file.write_text(json.dumps(options | run.options()))
    run.config_file.write_text(f"dataset:\n  root: {photos}\noutputs: {here}\n")
    run.log_file.write_text(f'read {photos}/a.jpg\nFile "{here}/x/é/y.py", http://h/a/b 1/2\n')
    saved = {"dataset.root": {"absolute": str(photos), "from_run": "../.."}}
    run.paths_file.write_text(json.dumps(saved))
    run.tracked_file.write_text(json.dumps({"uri": f"sqlite:///{here}/mlflow.db", "run": "1"}))
    for part in ("validation", "test"):
        frame = run.predictions(part)
        frame = frame.assign(path=[f"{photos}/d/{path}" for path in frame["path"]])
        write_predictions(frame, run.predictions_file(part))
    file = export_study(tmp_path / "study.zip", run.path, outputs=here).file
    with zipfile.ZipFile(file) as opened:
        texts = {name: opened.read(name) for name in opened.namelist()}
        table = pd.read_parquet(io.BytesIO(texts["runs/a/test_predictions.parquet"]))
    assert len(texts) > 10
    assert not [name for name, text in texts.items() if str(tmp_path).encode() in text]
    assert json.loads(texts["runs/a/options.json"])["dataset.root"] == "my photos (new)"
    assert texts["runs/a/config/config.yaml"].decode() == (
        "dataset:\n  root: my photos (new)\noutputs: here\n"
    )
    assert texts["runs/a/run.log"].decode() == (
        'read my photos (new)/a.jpg\nFile "y.py", http://h/a/b 1/2\n'
    )
    assert table["path"][0] == "t0000.jpg"


def test_root_says_where_the_photos_are_here(study: Path, there: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (placed,) = import_study(study, outputs=there, root=tmp_path / "photos")
    saved = json.loads(RunDir(placed.folder).paths_file.read_text())
    assert saved["dataset.root"]["absolute"] == str(tmp_path / "photos")
    with pytest.raises(InputError, match="no such folder"):
        import_study(study, outputs=there, root=tmp_path / "nowhere")


def test_sizes_are_those_of_the_files(
    study: Path, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "again.zip"
    study_command(["export", str(file), "a", "--json", "--outputs", str(here)])
    output = json.loads(capsys.readouterr().out)
    with zipfile.ZipFile(file) as opened:
        sizes = [i.file_size for i in opened.infolist() if i.filename != "study.json"]
    assert (output["bytes"], output["unpacked"]) == (file.stat().st_size, sum(sizes))
    assert output["files"] == len(sizes) and sum(output["unpacked_by_kind"].values()) == sum(sizes)
    study_command(["show", str(file)])
    assert "runs/a" in capsys.readouterr().out
    study_command(["import", str(file), "--json", "--outputs", str(tmp_path / "there")])
    assert json.loads(capsys.readouterr().out)["imported"][0]["status"] == "imported"


def rewrite(file: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Path:
    """The archive with other content; infos are plain."""
    with zipfile.ZipFile(file) as opened:
        content = {name: opened.read(name) for name in opened.namelist()}
    altered = file.with_name("altered.zip")
    with zipfile.ZipFile(altered, "w") as target:
        for name, data in change(content).items():
            target.writestr(name, data)
    return altered


def add_entry(
    name: str, data: bytes = b"x", sha256: str = "0"
) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    """Adds a file to the archive and to the manifest."""

    def change(content: dict[str, bytes]) -> dict[str, bytes]:
        manifest = json.loads(content["study.json"])
        manifest["files"][name] = {"bytes": len(data), "sha256": sha256}
        return content | {name: data, "study.json": json.dumps(manifest).encode()}

    return change


@pytest.mark.parametrize(
    "name",
    ["../escape.json", "/tmp/escape.json", "runs/../../escape.json", "runs/a/..\\..\\escape.json",
     "C:/escape.json", "runs//a.json", "runs/a/code.py", "runs/a/model.pt", "runs/.a/b.json",
     "elsewhere/a/b.json", "weights/name.safetensors", "runs/a\n/b.json",
     "runs/a/extensions/own.json", "runs/a/extensions/deep/own.py", "runs/a/tracked.json",
     "runs/a/config/paths.json", "runs/a/b/result.json", "sweeps/lr/options.json",
     "runs/a/checkpoints/deep/x.safetensors", "runs/a/evaluations/own.py"],
)  # fmt: skip
def test_paths_outside_are_refused(name: str, study: Path, there: Path) -> None:
    altered = rewrite(study, add_entry(name))
    with pytest.raises(InputError, match="no path that a study has"):
        import_study(altered, outputs=there)
    assert not list(there.rglob("*")) and not (there.parent / "escape.json").exists()


def test_evaluations_and_weights_are_imported(here: Path, there: Path, tmp_path: Path) -> None:
    run = RunDir(add_run(here / "runs" / "a"))
    names = ["checkpoints/r0f0.safetensors", "calibration.npz", "evaluations/own photos.json"]
    for name in names:
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_text("{}")
    shutil.copy(run.predictions_file("test"), run.predictions_file("own photos"))
    (run.evaluations / "notes.txt").write_text("not of an evaluation")
    file = export_study(tmp_path / "study.zip", run.path, outputs=here).file
    for name in names[:2]:
        file = rewrite(file, add_entry(f"runs/a/{name}", b"{}", hashlib.sha256(b"{}").hexdigest()))
        file = file.rename(tmp_path / f"with-{len(name)}.zip")
    (placed,) = import_study(file, outputs=there)
    assert RunDir(placed.folder).evaluation_names == ["own photos"]
    assert all((placed.folder / name).is_file() for name in names)


@pytest.fixture
def coded(here: Path, tmp_path: Path) -> Path:
    """A study with weights, of a run with code of its own and of one without."""
    for name, seed in (("a", 0), ("b", 1)):
        run = add_run(here / "runs" / name, seed)
        (run / "checkpoints").mkdir()
        save_file({"weight": torch.zeros(2)}, run / "checkpoints" / "r0f0.safetensors")
    (tmp_path / "own.py").write_text("raise RuntimeError('executed')")
    store_code(read_code([str(tmp_path / "own.py")]), RunDir(here / "runs" / "a"))
    return export_study(tmp_path / "study.zip", ["a", "b"], weights=True, outputs=here).file


def test_code_is_imported_only_if_asked_for(coded: Path, there: Path) -> None:
    with pytest.raises(InputError, match=r"has code .*runs/a/extensions/own\.py"):
        import_study(coded, outputs=there)
    assert not [*there.glob("[!.]*")]
    import_study(coded, code="drop", outputs=there)
    assert not [*there.rglob("extensions*")]


def test_imported_code_is_not_executed_until_it_is_allowed(
    coded: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_study(coded, code="keep", outputs=there)
    run = RunDir(there / "runs" / "a")
    assert (run.path / "extensions" / "own.py").read_text().startswith("raise")
    saved = json.loads((run.path / "config" / "extensions.json").read_text())
    assert saved["files"][0]["path"] == "own.py"
    with pytest.raises(InputError, match="is from another machine or folder"):
        use_run_code(run)
    monkeypatch.setenv(RUN_CODE, "1")
    with pytest.raises(InputError, match="executed"):
        use_run_code(run)


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("key", ["sha256", "path"])
def test_altered_code_is_refused(key: str, is_finished: bool, coded: Path, there: Path) -> None:
    name, result = "runs/a/config/extensions.json", "runs/a/result.json"

    def change(content: dict[str, bytes]) -> dict[str, bytes]:
        known = json.loads(content[name])
        known["files"][0][key] = str(coded.parent / "own.py")
        data = json.dumps(known).encode()
        content = add_entry(name, data, hashlib.sha256(data).hexdigest())(content)
        if not is_finished:
            manifest = json.loads(content["study.json"])
            del content[result], manifest["files"][result]
            manifest["runs"][0]["state"] = "failed"
            content["study.json"] = json.dumps(manifest).encode()
        return content

    with pytest.raises(InputError, match="runs/a cannot be read"):
        import_study(rewrite(coded, change), code="keep", outputs=there)
    assert not [*there.glob("[!.]*")]


@pytest.mark.parametrize(("fixture", "schema"), [("study", 1), ("coded", 2)])
def test_study_without_code_is_one_that_earlier_versions_read(
    fixture: str, schema: int, request: pytest.FixtureRequest
) -> None:
    with zipfile.ZipFile(request.getfixturevalue(fixture)) as archive:
        assert json.loads(archive.read("study.json"))["schema"] == schema


def test_paths_of_each_sweep_are_shortened(here: Path, tmp_path: Path) -> None:
    other = add_run(here / "runs" / "a")
    sweep = add_sweep(here)
    photos = f"{tmp_path}/my photos (new)"
    state = {"line": [f"dataset.root={photos}"], "jobs": {}}
    (sweep / "sweep.json").write_text(json.dumps(state))
    options = RunDir(sweep / "job0").options() | {"dataset.root": photos}
    (sweep / "job0" / "options.json").write_text(json.dumps(options))
    file = export_study(tmp_path / "study.zip", [other, sweep], outputs=here).file
    with zipfile.ZipFile(file) as opened:
        content = json.loads(opened.read("sweeps/lr/sweep.json"))
    assert content["line"] == ["dataset.root=my photos (new)"]


def test_name_that_cannot_be_unpacked_is_refused_at_export(here: Path, tmp_path: Path) -> None:
    run = add_run(here / "runs" / "a:b")
    with pytest.raises(InputError, match="rename its folder"):
        export_study(tmp_path / "study.zip", run, outputs=here)


def test_links_are_refused(study: Path, there: Path) -> None:
    link = zipfile.ZipInfo("runs/a/knobs.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(study, "a") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="not a regular file"):
        import_study(study, outputs=there)


def test_bombs_are_refused(study: Path, there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(3 * 2**20)
    bomb = rewrite(study, add_entry("runs/a/console.log", data))
    packed = bomb.with_name("bomb.zip")
    with zipfile.ZipFile(bomb) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        for name in source.namelist():
            z.writestr(name, source.read(name))
    with pytest.raises(InputError, match="compressed too strongly"):
        import_study(packed, outputs=there)
    usage = shutil.disk_usage(study)._replace(free=1000)
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="free some space"):
        import_study(study, outputs=there)
    assert listing(there) == [".study.lock"]


def test_declared_and_real_sizes_must_be_equal(study: Path, there: Path) -> None:
    data = study.read_bytes()
    with zipfile.ZipFile(study) as opened:
        info = opened.getinfo("runs/a/split.csv")
    size = info.file_size.to_bytes(4, "little")
    start = data.rindex(b"runs/a/split.csv") - 46  # the central directory
    assert data[start : start + 4] == b"PK\x01\x02" and data[start + 24 : start + 28] == size
    altered = study.with_name("altered.zip")
    altered.write_bytes(data[: start + 24] + (info.file_size - 1).to_bytes(4, "little")
                        + data[start + 28 :])  # fmt: skip
    with pytest.raises(InputError, match="another size than in the manifest"):
        import_study(altered, outputs=there)


@pytest.mark.parametrize("size", [0, 10, 0.5, 0.98])
def test_truncated_archive_is_one_line_and_leaves_nothing(
    size: float, study: Path, there: Path
) -> None:
    data = study.read_bytes()
    study.write_bytes(data[: int(size * len(data)) if size < 1 else int(size)])
    with pytest.raises(InputError, match="damaged, or no zip file"):
        import_study(study, outputs=there)
    assert not there.exists()


def test_no_flipped_byte_is_imported_unnoticed(study: Path, there: Path) -> None:
    data = study.read_bytes()
    rng = np.random.default_rng(0)
    add_run(there / "runs" / "own", 9)
    before = listing(there / "runs")
    for position in rng.integers(0, len(data), 60):
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(rng.integers(8))
        study.write_bytes(damaged)
        try:
            import_study(study, outputs=there)
        except InputError as error:
            assert "\n" not in str(error)
            assert listing(there / "runs") == before
        else:  # a time stamp, or another byte that no reader looks at
            name = there / "runs" / "a"
            assert RunDir(name).predictions("test").shape[0] == 60
            shutil.rmtree(name)


def test_name_that_is_a_file_and_a_folder_is_refused(study: Path, there: Path) -> None:
    altered = rewrite(study, add_entry("sweeps/lr/sweep.json"))
    both = rewrite(altered.rename(study), add_entry("sweeps/lr/sweep.json/options.json"))
    with pytest.raises(InputError, match=r"sweeps/lr/sweep\.json: a file and a folder"):
        import_study(both, outputs=there)
    assert not there.exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_damage_of_any_compression_is_one_line(method: int, study: Path, there: Path) -> None:
    with zipfile.ZipFile(study) as opened:
        content = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(study, "w", method) as target:
        for name, data in content.items():
            target.writestr(name, data)
        info = target.getinfo("runs/a/split.csv")
    damaged = bytearray(study.read_bytes())
    start = info.header_offset + 30 + len(info.filename) + 12
    damaged[start : start + 40] = b"\xff" * 40
    study.write_bytes(damaged)
    with pytest.raises(InputError, match=r"damaged|altered|invalid"):
        import_study(study, outputs=there)
    assert listing(there) == [".study.lock"]


def test_file_that_cannot_be_read_is_named(
    study: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="is a folder"):
        import_study(study.parent, outputs=there)

    def refuse(file: Path) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(archive.zipfile, "ZipFile", refuse)
    with pytest.raises(InputError, match=r"study\.zip: permission denied"):
        read_study(study)


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"jobs": [], "facts": []}'])
@pytest.mark.parametrize("name", ["runs/b/result.json", "sweeps/lr/sweep.json",
                                  "sweeps/lr/failed/result.json"])  # fmt: skip
def test_record_that_cannot_be_read_leaves_nothing(
    name: str, content: bytes, here: Path, there: Path, tmp_path: Path
) -> None:
    runs = [add_run(here / "runs" / name, seed) for seed, name in enumerate("ab", 5)]
    file = export_study(tmp_path / "study.zip", [*runs, add_sweep(here)], outputs=here).file

    def state_failed(content: dict[str, bytes]) -> dict[str, bytes]:
        manifest = json.loads(content["study.json"])
        for run in manifest["runs"]:
            run["state"] = "failed"
        return content | {"study.json": json.dumps(manifest).encode()}

    changed = add_entry(name, content, hashlib.sha256(content).hexdigest())
    altered = rewrite(file, lambda files: state_failed(changed(files)))
    with pytest.raises(InputError, match=f"{name.rpartition('/')[0]} cannot be read"):
        import_study(altered, outputs=there)
    assert listing(there) == [".study.lock"]


def test_damaged_sweep_here_leaves_all_as_it_was(here: Path, there: Path, tmp_path: Path) -> None:
    sweep = add_sweep(here)
    import_study(export_study(tmp_path / "1.zip", sweep, outputs=here).file, outputs=there)
    runs = [add_run(here / "runs" / "a", 5), add_run(sweep / "job2", 2).parent]
    file = export_study(tmp_path / "2.zip", runs, outputs=here).file
    (there / "sweeps" / "lr" / "sweep.json").write_text("[]")
    before = listing(there)
    with pytest.raises(InputError, match=r"sweep\.json: damaged"):
        import_study(file, outputs=there)
    assert listing(there) == before


def test_altered_file_is_named(study: Path, there: Path) -> None:
    altered = rewrite(
        study, lambda content: content | {"runs/a/split.csv": content["runs/a/split.csv"][::-1]}
    )
    with pytest.raises(InputError, match=r"runs/a/split\.csv was altered"):
        import_study(altered, outputs=there)
    assert listing(there) == [".study.lock"]


def test_interrupted_import_leaves_no_part_of_a_run(
    here: Path, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [add_run(here / "runs" / name, seed) for seed, name in enumerate("ab")]
    file = export_study(tmp_path / "two.zip", folders, outputs=here).file
    moved: list[None] = []

    def move_one(placing: object) -> None:
        if moved:
            raise KeyboardInterrupt
        original(placing)  # type: ignore[arg-type]
        moved.append(None)

    original = import_module._move
    monkeypatch.setattr(import_module, "_move", move_one)
    with pytest.raises(KeyboardInterrupt):
        import_study(file, outputs=there)
    assert [path.name for path in there.iterdir()] == [".study.lock", "runs"] or len(
        list((there / "runs").iterdir())
    ) == 1
    monkeypatch.setattr(import_module, "_move", original)
    assert [run.status for run in import_study(file, outputs=there)] == ["already here", "imported"]
    assert listing(there / "runs" / "b") == listing(here / "runs" / "b")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["export", "study.tar"], r"ends with \.zip"),
        (["import", "nothing.zip"], "no such file"),
        (["import", "nothing.zip", "--weights"], "has no effect on study import"),
        (["show", "nothing.zip"], "--outputs: has no effect on study show"),
        (["show", "nothing.zip", "--uri", "x"], "--uri: has no effect on study show"),
        (["import", "nothing.zip", "--uri", "x"], "--uri: has no effect on study import"),
        (["show", "nothing.zip", "more"], r"takes STUDY\.zip alone"),
        (["export", "x.zip", "nosuchrun"], "no such run"),
        (["exprot", "x.zip"], "did you mean export"),
    ],
)
def test_mistakes_are_one_line(
    line: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        study_command([*line, "--outputs", str(tmp_path / "outputs")])
    assert not list(tmp_path.glob("*.zip"))


def test_a_newer_schema_and_another_zip_are_named(study: Path, tmp_path: Path) -> None:
    def newer(content: dict[str, bytes]) -> dict[str, bytes]:
        manifest = json.loads(content["study.json"]) | {"schema": 99}
        return content | {"study.json": json.dumps(manifest).encode()}

    with pytest.raises(InputError, match="schema 99"):
        read_study(rewrite(study, newer))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("a.txt", "a")
    with pytest.raises(InputError, match=r"no study\.json"):
        read_study(tmp_path / "other.zip")
