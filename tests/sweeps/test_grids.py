"""The jobs that a command line asks for, and the name of its sweep."""

from __future__ import annotations

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.sweeps.jobs import sweep_name

LR_GRID = ["-m", "optim.lr=1e-3,1e-4", "seed=3"]


def test_name_depends_on_swept_keys_and_fixed_options_only() -> None:
    name = sweep_name(parse_command_line(LR_GRID))
    assert name.startswith("basic_cnn-lr-")
    wider = ["-m", "optim.lr=1e-3,1e-4,1e-5", "seed=3"]
    neutral = ["training.workers=1", "tracking=none", "cache.trainings=false", "sweep.fresh=true"]
    assert sweep_name(parse_command_line([*wider, *neutral])) == name
    assert sweep_name(parse_command_line(["-m", "optim.lr=1e-3,1e-4", "seed=4"])) != name
    models = parse_command_line(["-m", "model=basic_cnn,resnet50", "optim.lr=1e-3"])
    assert sweep_name(models).startswith("model-")


def test_name_can_be_set() -> None:
    line = parse_command_line([*LR_GRID, "sweep.name=mine"])
    assert sweep_name(line) == "mine"
    for invalid in ("a/b", "..", ".a", 300 * "a"):
        line.jobs[0].sweep.name = invalid
        with pytest.raises(InputError, match="at most 100 letters, digits"):
            sweep_name(line)


def test_command_line_overrides_a_named_sweep() -> None:
    line = parse_command_line(["-m", "sweep=paper_grid", "model=basic_cnn", "optim.lr=5e-4"])
    assert line.swept_keys == ("model.dropout", "split.train_ratio") and len(line.jobs) == 4
    assert {(job.model.name, job.optim.lr) for job in line.jobs} == {("basic_cnn", 5e-4)}
    several = parse_command_line(["-m", "sweep=lr", "optim.lr=1e-3,1e-2"])
    assert [job.optim.lr for job in several.jobs] == [1e-3, 1e-2]


def test_zip_pairs_the_values_of_its_keys() -> None:
    overrides = ["-m", "optim.lr=1e-3,1e-4", "model.dropout=0,0.5", "repeats=1,2",
                 "sweep.zip=[optim.lr,model.dropout]"]  # fmt: skip
    jobs = parse_command_line(overrides).jobs
    points = [(job.optim.lr, job.model.dropout, job.repeats) for job in jobs]
    assert sorted(points) == [(1e-4, 0.5, 1), (1e-4, 0.5, 2), (1e-3, 0, 1), (1e-3, 0, 2)]


def test_listed_grid_points_are_jobs_and_combine_with_swept_keys() -> None:
    listed = ["-m", "sweep.points=['model.depth=2 optim.lr=1e-3','optim.lr=1e-4']"]
    line = parse_command_line(listed)
    assert [(job.model.depth, job.optim.lr) for job in line.jobs] == [(2, 1e-3), (1, 1e-4)]
    assert set(line.swept_keys) == {"model.depth", "optim.lr"}
    combined = parse_command_line([*listed, "model.dropout=0,0.5"])
    assert [job.model.dropout for job in combined.jobs] == [0, 0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optim.lr=1,2", "sweep.zip=[seed]"], "sweep.zip: seed"),
        (["optim.lr=1,2,3", "repeats=1,2", "sweep.zip=[optim.lr,repeats]"], "optim.lr has 3"),
        (["sweep.points=['optim.lr=1e-3']", "optim.lr=1,2"], "sweep.points: optim.lr=1e-3"),
        (["sweep.points=['optim.lr=1,2']"], "sweep.points: optim.lr=1,2"),
        (["sweep.points=['optim.lrr=1']"], "did you mean optim.lr"),
        (["sweep.points=['model=\"vgg16']"], "no closing quotation"),
        (["sweep.points=[{model:vgg16}]"], "sweep.points: {"),
        (["sweep.points=['hydra/launcher=processes']"], "hydra/launcher: "),
        (["seed=0,1,2"], "repeats=5"),
        (["seeds.order=0,1"], "repeats=5"),
        (["optim.lr=interval(1,2)"], "hydra/sweeper=optuna"),
        (["hydra.launcher.jobs=1,2"], "hydra.launcher.jobs: "),
        (["hydra.launcher.jobs=1"], "hydra.launcher.jobs: "),
        (["hydra.sweeper.params.optim=1,2"], "optim.lr=1e-4,1e-3"),
        (["hydra/launcher=basic"], "choices: inline, processes, ray, slurm"),
    ],
)
def test_rejects_invalid_grids(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_command_line(["-m", *overrides])
    assert message in str(error.value)
