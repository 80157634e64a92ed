"""A run's folder may come from anybody: its files are read as values of the schema."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fashion_exp.atomic_io import write_json
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import ADDED_OPTIONS, to_plain
from fashion_exp.configuration.stored_config import load_config, result_changes, resume_config
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.arguments import parse_arguments
from fashion_exp.experiment.job import save_job_config
from fashion_exp.paths import new_run_token

TYPED = ("optim=sgd", "optim.lr=0.5", "model.dropout=0.25")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """An interrupted run in an outputs folder."""
    run = RunDir(tmp_path / "outputs" / "runs" / "a")
    save_job_config(parse_command_line(TYPED).jobs[0], run, TYPED)
    return run


def test_stored_config_equals_the_composed_one(run: RunDir) -> None:
    cfg = parse_command_line(TYPED).jobs[0]
    assert load_config(run.config_file) == cfg
    resumed = resume_config(run.config_file, TYPED, [])
    assert resumed == cfg and not result_changes(run.config_file, resumed)


def test_typed_options_change_the_stored_config(run: RunDir) -> None:
    resumed = resume_config(run.config_file, TYPED, ["tracking=none", "optim.lr=1"])
    assert resumed.tracking.name == "none" and resumed.optim.momentum is not None
    assert result_changes(run.config_file, resumed) == ["optim.lr was 0.5, is now 1.0"]


def test_option_that_the_run_does_not_have_yet_gets_its_default(run: RunDir) -> None:
    content = yaml.safe_load(run.config_file.read_text(encoding="utf-8"))
    del content["optim"]["momentum"], content["training"]["keep"]
    run.config_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    resumed = resume_config(run.config_file, TYPED, [])
    assert resumed == parse_command_line(TYPED).jobs[0]
    assert not result_changes(run.config_file, resumed)


def test_run_of_an_earlier_version_has_the_values_that_it_acted_by(run: RunDir) -> None:
    content = yaml.safe_load(run.config_file.read_text(encoding="utf-8"))
    assert ADDED_OPTIONS
    for option in ADDED_OPTIONS:
        group, _, name = option.rpartition(".")
        del (content[group] if group else content)[name]
    run.config_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert load_config(run.config_file) == parse_command_line(TYPED).jobs[0]


def test_resumed_run_stays_in_the_outputs_folder_that_it_is_in(run: RunDir) -> None:
    line = parse_arguments([f"resume={run.path}"])
    assert line.jobs[0].outputs == str(run.path.parents[1])
    assert line.job_overrides == (TYPED,)
    for words in (["outputs=/tmp/x"], ["--outputs", "/tmp/x"], ["--outputs=/tmp/x"]):
        other = parse_arguments([f"resume={run.path}", *words])
        assert other.jobs[0].outputs == "/tmp/x"


def test_run_to_resume_is_found_by_its_name(run: RunDir) -> None:
    outputs = f"outputs={run.path.parents[1]}"
    assert parse_arguments([f"resume={run.path.name}", outputs]).jobs[0].resume == str(run.path)
    with pytest.raises(InputError, match="resume=no-such-name: no such run in"):
        parse_arguments(["resume=no-such-name", outputs])


def test_database_that_only_the_stored_config_names_is_not_created(tmp_path: Path) -> None:
    run, uri = RunDir(tmp_path / "outputs/runs/b"), f"sqlite:///{tmp_path}/other.db"
    overrides = [*TYPED, f"tracking.uri={uri}"]
    save_job_config(parse_command_line(overrides).jobs[0], run, overrides)
    with pytest.raises(InputError, match="does not exist here"):
        parse_arguments([f"resume={run.path}"])
    (line,) = parse_arguments([f"resume={run.path}", f"tracking.uri={uri}"]).jobs
    assert line.tracking.uri == uri and not (tmp_path / "other.db").exists()


def test_server_is_used_again_only_by_a_run_that_was_begun_in_its_folder(tmp_path: Path) -> None:
    run, uri = RunDir(tmp_path / "outputs" / "runs" / "b"), "http://127.0.0.1:9"
    overrides = [*TYPED, f"tracking.uri={uri}"]
    save_job_config(parse_command_line(overrides).jobs[0], run, overrides)
    token = new_run_token(tmp_path / "outputs")
    for saved in ({"begun_as": "0123-45"}, {}):
        write_json(run.tracked_file, saved)
        with pytest.raises(InputError, match="is from another machine or folder"):
            parse_arguments([f"resume={run.path}"])
    assert parse_arguments([f"resume={run.path}", "tracking=none"]).jobs[0].tracking.name == "none"
    write_json(run.tracked_file, {"begun_as": token})
    assert parse_arguments([f"resume={run.path}"]).jobs[0].tracking.uri == uri


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    ["hydra.job_logging.handlers.x.class=logging.FileHandler", "--multirun", "--cfg=job",
     "+hydra.callbacks.x._target_=os.system", "hydra.searchpath=[file:///tmp]",
     "outputs=/tmp/elsewhere", "sweep.parent=x", "optim=../../x", "nonsense"],
)  # fmt: skip
def test_foreign_overrides_are_not_obeyed(line: str, run: RunDir) -> None:
    run.overrides_file.write_text(yaml.safe_dump([*TYPED, line]), encoding="utf-8")
    resumed = parse_arguments([f"resume={run.path}"])
    expected = to_plain(parse_command_line(TYPED).jobs[0])
    expected |= {"outputs": str(run.path.parents[1]), "resume": str(run.path)}
    assert [to_plain(job) for job in resumed.jobs] == [expected] and not resumed.multirun


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("optim: !evil 1", "could not determine a constructor"),
        ("optim: ${oc.env:HOME}", "interpolation"),
        ("optim: ${${x}:HOME}", "interpolation"),
        ("- a", "no options"),
        ("", "no options"),
        ("a: [", "not the config of a run"),
        ("optim: {lr: [1]}", "optim.lr"),
    ],
)
def test_config_that_no_run_wrote_is_refused_in_one_line(
    text: str, reason: str, run: RunDir
) -> None:
    run.config_file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reason) as refused:
        load_config(run.config_file)
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError):
        parse_arguments([f"resume={run.path}"])


@pytest.mark.parametrize("text", ["!evil x", "a: 1", "[", "\x80"])
def test_damaged_overrides_are_one_line(text: str, run: RunDir) -> None:
    run.overrides_file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"overrides\.yaml: damaged") as refused:
        run.overrides()
    assert "\n" not in str(refused.value)
