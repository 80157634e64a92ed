"""A sweep as one durable thing: planned, killed, resumed, widened, spread over processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_exp.atomic_io import write_text
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.sweeps.jobs import sweep_name
from fashion_exp.sweeps.launchers.job_process import run_words
from fashion_exp.sweeps.launchers.processes import gpus_of
from fashion_exp.sweeps.run import _weights_word, run_sweep
from fashion_exp.sweeps.state import Ledger, held, is_driven, read_ledger, set_aside
from tests.sweeps.drill import GRID, TINY, Drill


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fashion_exp", "-m", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_a_sweep_killed_and_resumed_equals_one_that_was_not(peace: Drill, tmp_path: Path) -> None:
    killed = Drill(GRID, tmp_path)
    for seconds, number in ((7.0, signal.SIGKILL), (8.0, signal.SIGTERM)):
        killed.kill_after(seconds, number)
    code, said = killed.run()
    assert code == 0, said
    assert killed.outcome() == peace.outcome() and not killed.repeated
    assert "RUNNING" not in {status for told in killed.statuses().values() for status in told}


def test_the_same_line_skips_what_is_finished_and_a_wider_grid_runs_its_new_cells(
    peace: Drill,
) -> None:
    again = peace.run()
    assert again[0] == 0 and "4 jobs: 4 finished before" in again[1] and not peace.repeated
    wider = Drill([*TINY, "optim.lr=1e-3,1e-4", "model.dropout=0,0.5,0.9"], peace.outputs)
    wider.finished = dict(peace.finished)
    code, said = wider.run()
    assert code == 0 and "6 jobs: 4 finished before, 2 to run" in said
    assert not wider.repeated and len(list(peace.outputs.glob("sweeps/*"))) == 1


def test_a_failed_job_is_told_with_its_line_and_run_again(tmp_path: Path) -> None:
    words = [*TINY, f"outputs={tmp_path}", "tracking=none", "optim.lr=1e-3,1e30"]
    first = typed(*words)
    assert first.returncode == 3 and "the training loss became" in first.stdout
    assert "optim.lr=1e+30\n" in first.stdout.partition("one alone:")[2]
    again = typed(*words)
    assert again.returncode == 3 and "1 finished before, 1 failed, which are run" in again.stdout


def test_a_sweep_goes_on_under_its_name(tmp_path: Path) -> None:
    line = parse_command_line(["-m", "optim.lr=1e-3,1e-4", "seed=3"])
    wider = parse_command_line(["-m", "optim.lr=1e-3,1e-4,1e-5", "seed=3", "training.workers=1"])
    other = parse_command_line(["-m", "optim.lr=1e-3,1e-4", "seed=4"])
    named = parse_command_line(["-m", "optim.lr=1e-3,1e-4", "sweep.name=mine"])
    assert sweep_name(line) == sweep_name(wider) != sweep_name(other)
    assert sweep_name(named) == "mine"
    assert sweep_name(line).startswith("basic_cnn-lr-")
    for elsewhere in ("tracking=none", "cache.trainings=false", "sweep.fresh=true"):
        kept = parse_command_line(["-m", "optim.lr=1e-3,1e-4", "seed=3", elsewhere])
        assert sweep_name(kept) == sweep_name(line)
    models = parse_command_line(["-m", "model=basic_cnn,resnet50", "optim.lr=1e-3"])
    assert sweep_name(models).startswith("model-")
    for bad in ("a/b", "..", ".a", 300 * "a"):
        with pytest.raises(InputError, match="at most 100 letters, digits"):
            sweep_name(parse_command_line(["-m", "optim.lr=1e-3,1e-4", f"sweep.name='{bad}'"]))


def test_what_is_typed_goes_before_a_named_sweep() -> None:
    line = parse_command_line(["-m", "sweep=paper_grid", "model=basic_cnn", "optim.lr=5e-4"])
    assert line.keys == ("model.dropout", "split.train_ratio") and len(line.jobs) == 4
    assert {(job.model.name, job.optim.lr) for job in line.jobs} == {("basic_cnn", 5e-4)}
    several = parse_command_line(["-m", "sweep=lr", "optim.lr=1e-3,1e-2"])
    assert [job.optim.lr for job in several.jobs] == [1e-3, 1e-2]


def test_who_waits_for_a_sweep_waits_for_its_folder_though_it_starts_over(tmp_path: Path) -> None:
    sweep = tmp_path / "mine"
    with held(sweep):
        Ledger(["-m"]).write(sweep)
        aside = set_aside(sweep)
        assert aside is not None and [file.name for file in aside.iterdir()] == ["sweep.json"]
        assert is_driven(sweep) and set_aside(sweep) is None
        (sweep / "aaaa").mkdir()
        with held(sweep / "aaaa"), pytest.raises(InputError, match="aaaa: a process is at work"):
            set_aside(sweep)


def test_a_newer_ledger_is_read(tmp_path: Path) -> None:
    write_text(tmp_path / "sweep.json", json.dumps({"line": ["-m"], "of tomorrow": 1}))
    assert read_ledger(tmp_path) == Ledger(["-m"])


def test_zipped_values_go_side_by_side() -> None:
    words = ["-m", "optim.lr=1e-3,1e-4", "model.dropout=0,0.5", "repeats=1,2",
             "sweep.zip=[optim.lr,model.dropout]"]  # fmt: skip
    cells = [(j.optim.lr, j.model.dropout, j.repeats) for j in parse_command_line(words).jobs]
    assert sorted(cells) == [(1e-4, 0.5, 1), (1e-4, 0.5, 2), (1e-3, 0, 1), (1e-3, 0, 2)]
    with pytest.raises(InputError, match="seed is not swept"):
        parse_command_line([*words[:3], "sweep.zip=[seed]"])
    with pytest.raises(InputError, match=r"optim\.lr has 3, model\.dropout has 2"):
        parse_command_line(["-m", "optim.lr=1,2,3", *words[2:]])


def test_a_fresh_sweep_sets_the_earlier_one_aside(tmp_path: Path) -> None:
    words = [*TINY, f"outputs={tmp_path}", "tracking=none", "optim.lr=1e-3,1e-4", "repeats=1"]
    assert typed(*words).returncode == 0
    again = typed(*words, "sweep.fresh=true")
    assert again.returncode == 0 and "set aside:" in again.stdout and "2 to run" in again.stdout
    assert len(list(tmp_path.glob("sweeps/*-until-*/*/result.json"))) == 2
    assert len(list(tmp_path.glob("sweeps/*/*/result.json"))) == 4


def test_a_dry_run_tells_the_jobs_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = parse_command_line(["-m", *GRID, f"outputs={tmp_path}", "sweep.dry_run=true"])
    assert run_sweep(line, open_all=False) == 0
    assert capsys.readouterr().out.count("queued    scripts/run ") == 4
    assert not list(tmp_path.glob("sweeps/*")) and not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["training.workers=0,1"], "the same experiment as"),
        (["optim.lr=1,2", "hydra/launcher=processes", "hydra.launcher.jobs=0"], "launcher.jobs=0"),
        (["optim.lr=1,2", "resume=x"], "goes on by the same line"),
    ],
)
def test_a_mistake_ends_before_the_first_job(words: list[str], told: str, tmp_path: Path) -> None:
    line = parse_command_line(["-m", *TINY, *words, f"outputs={tmp_path}"])
    with pytest.raises(InputError, match=told):
        run_sweep(line, open_all=False)
    assert not list(tmp_path.glob("sweeps/*/*"))


def test_cells_one_by_one_are_jobs_too(tmp_path: Path) -> None:
    cells = ["-m", "sweep.cells=['model.depth=2 optim.lr=1e-3','optim.lr=1e-4']"]
    line = parse_command_line(cells)
    assert [(job.model.depth, job.optim.lr) for job in line.jobs] == [(2, 1e-3), (1, 1e-4)]
    assert set(line.keys) == {"model.depth", "optim.lr"}
    more = parse_command_line([*cells, "model.dropout=0,0.5"])
    assert [job.model.dropout for job in more.jobs] == [0, 0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sweep.cells=['optim.lr=1e-3']", "optim.lr=1,2"], "swept beside the cells too"),
        (["sweep.cells=['optim.lr=1,2']"], "has several values; one each"),
        (["sweep.cells=['optim.lrr=1']"], "did you mean optim.lr"),
        (["sweep.cells=['model=\"vgg16']"], "no closing quotation; each is a line"),
        (["sweep.cells=[{model:vgg16}]"], "each is a line as it would be typed"),
        (["sweep.cells=['hydra/launcher=processes']"], "belongs to the sweep as a whole"),
        (["seed=0,1,2"], "a seed is no setting to choose by"),
        (["seeds.order=0,1"], "a seed is no setting to choose by"),
        (["optim.lr=interval(1,2)"], "hydra/sweeper=optuna searches it"),
        (["hydra.launcher.jobs=1,2"], "belongs to the sweep as a whole"),
        (["hydra.launcher.jobs=1"], "hydra.launcher.jobs: no such knob; it has none"),
        (["hydra.sweeper.params.optim=1,2"], "typed as it is"),
        (["hydra/launcher=basic"], "no such choice; choices: inline, processes, ray, slurm"),
    ],
)
def test_what_is_no_grid_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_command_line(["-m", *words])
    assert told in str(refusal.value)


def test_models_with_any_name_have_their_weights_told_to_the_jobs() -> None:
    names = {"mobilenetv3_small_050.lamb_in1k": "none", "hf-hub:timm/a.b_c": "imagenet"}
    (word,) = _weights_word(names)
    assert parse_command_line([word]).jobs[0].sweep.weights == names


def test_a_job_that_cannot_even_be_composed_leaves_its_failure(tmp_path: Path) -> None:
    assert run_words(tmp_path / "job", ["optim.lrr=1"]) == 1
    told = json.loads((tmp_path / "job" / "failure.json").read_text())
    assert "optim.lrr" in told["reason"] and told["traceback"]


@pytest.mark.parametrize(
    ("slot", "processes", "expected"), [(3, 1, "3"), (0, 2, "0,1"), (1, 2, "2,3"), (2, 2, "0,1")]
)
def test_each_process_of_a_job_has_a_gpu_of_its_own(
    slot: int, processes: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert gpus_of(slot, processes) == expected
