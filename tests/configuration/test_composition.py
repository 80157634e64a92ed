"""Every YAML composes; values that are out of range or have no effect are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fashion_exp.configuration.composition import (
    parse_command_line,
)
from fashion_exp.configuration.overrides import quote_value
from fashion_exp.configuration.schema import (
    RESULT_NEUTRAL_OPTIONS,
    flatten_options,
    to_plain,
)
from fashion_exp.configuration.stored_config import load_config, save_config
from fashion_exp.configuration.validation import OPTION_CONDITIONS
from fashion_exp.errors import InputError
from fashion_exp.paths import conf_dir

GROUPS = ("dataset", "augmentation", "model", "optim", "schedule", "split", "tracking")
MANDATORY = {
    "dataset=csv": ["dataset.manifest=list.csv"],
    "dataset=folder": ["dataset.root=photos"],
    "model=probe": ["model.name=resnet18"],
    "model=timm": ["model.name=resnet18"],
}
CHOICES = [
    f"{folder.name}={file.stem}"
    for folder in sorted(conf_dir().iterdir())
    if folder.name in (*GROUPS, "experiment")
    for file in sorted(folder.glob("[!_]*.yaml"))
]


def test_choices_are_found() -> None:
    assert len(CHOICES) >= 34
    assert {choice.split("=")[0] for choice in CHOICES} == {*GROUPS, "experiment"}


@pytest.mark.slow
@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes_alone(choice: str) -> None:
    parse_command_line([choice, *MANDATORY.get(choice, [])])


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(conf_dir().glob("sweep/[!_]*.yaml")), ids=lambda f: f.stem)
def test_every_sweep_composes(file: Path) -> None:
    assert len(parse_command_line(["-m", f"sweep={file.stem}"]).jobs) > 1


@pytest.mark.parametrize("file", sorted(conf_dir().rglob("*/*.yaml")), ids=lambda f: f.stem)
def test_every_choice_has_a_head_comment(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert any(line.startswith("# ") and not line.startswith("# @package") for line in lines)


@pytest.mark.parametrize("other", ["training.class_weights=balanced", "augmentation.per_class=40"])
def test_balanced_sampling_is_refused_with_another_way_to_balance(other: str) -> None:
    with pytest.raises(InputError, match=f"training.sampling=balanced: {other} balances"):
        parse_command_line(["training.sampling=balanced", other])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lrr=1", "optim.lrr=1: no such option or group; did you mean optim.lr"),
        ("+optim.lrr=1", "did you mean optim.lr"),
        ("model=resnet5", "model=resnet5: no such choice; did you mean resnet50?"),
        ("model.dropout=1.5", "model.dropout=1.5: input should be less than 1"),
        ("optim.lr=abc", "optim.lr=abc: needs a number"),
        ("optim.lr=nan", "optim.lr=nan: input should be a finite number"),
        ("optim.lr=inf", "optim.lr=inf: input should be a finite number"),
        ("split.train_ratio=0", "split.train_ratio=0.0: input should be greater than 0"),
        ("split.train_ratio=1", "split.train_ratio=1.0: input should be less than 1"),
        ("repeats=0", "repeats=0: input should be greater than or equal to 1"),
        ("training.precision=fp16", "training.precision: invalid value 'fp16', expected one of"),
        ("--flag", "--flag: no such switch"),
        ("--multirn", "did you mean --multirun?"),
        ("--config-dir=no/such", "--config-dir=no/such: no such folder"),
        ("--config-path=conf", "--config-path would replace the built-in configs"),
        ("--config-name=mine", "use --config-dir=FOLDER to add your own choices"),
        ("split.folds=3", "split.folds has no effect here: it needs split=kfold"),
        ("optim.momentum=0.9", "optim.momentum has no effect here: it needs optim=sgd"),
        ("model.hidden=[9]", "model.hidden has no effect here: it needs model.head=new"),
        ("dataset.root=x", "dataset.root has no effect here"),
        ("dataset.classes=dress", "dataset.classes=dress: needs a list"),
        ("dataset.classes=[a", "dataset.classes=[a: a ] is missing"),
        ("model=timm", "model.name is missing: add model.name=VALUE"),
        ("model.backbones=[a,b]", "write model=timm in place of model=basic_cnn"),
        ("~optim.lr", "options cannot be deleted"),
        ("+optim.lr=1", "write it without +"),
        ("optim.lr=1,2", "several values need --multirun"),
        ("sweep=lr", "several values need --multirun"),
        ("hydra/launcher=x", "hydra/launcher=x: no such choice"),
        ("dataset.channels=2", "must be 3 (RGB) or 1 (gray)"),
        ("schedule.warmup_epochs=9", "more than training.epochs=8"),
        ("dataset.mean=[0,0,0]", "set both or neither"),
        ("+optim.options.lr=5", "optim.options.lr: is an option of its own; set optim.lr"),
        ("model.width=1000000", "model.width=1000000: input should be less than or equal to 4096"),
        ("augmentation.per_class=2147483648", "less than or equal to 1000000"),
        ("repeats=1000000000", "repeats=1000000000: input should be less than or equal to 1000"),
        ("training.epochs=1" + "0" * 20, "less than or equal to 100000"),
        ("training.batch_size=1000000", "less than or equal to 65536"),
        ("dataset.image_size=100000", "less than or equal to 4096"),
        ("model.hidden=[1000000]", "model.hidden.0=1000000: input should be less than or equal"),
        ("dataset.std=[0,0,0]", "dataset.std.0=0.0: input should be greater than 0"),
        ("dataset.mean=[nan,0,0]", "dataset.mean.0=nan: input should be less than or equal to 1"),
        ("confidence=1e-300", "confidence=1e-300: input should be greater than or equal to 0.5"),
        ("confidence=0.99999", "less than or equal to 0.9999"),
        ("model=null", "model=null: no such choice"),
        ("model=glob(z*)", "model=glob(z*): matches no choice; choices: basic_cnn"),
        ("optim.lr=glob(*)", "glob(…) is for choices of groups"),
        ("hydra.sweeper=null", "hydra.sweeper=null: has no effect here"),
        ("hydra.job_logging.version=2", "has no effect here"),
        ("+hydra.callbacks.x=1", "has no effect here"),
        ("hydra/launcher=processes", "has no effect on a single run; add --multirun"),
        ("hydra.launcher.jobs=2", "has no effect on a single run; add --multirun"),
        ("hydra/sweeper=optuna", "has no effect on a single run; add --multirun"),
        ("hydra/launcher=null", "hydra/launcher=null: no such choice"),
        ("optim.lr=${nope}", "optim.lr: interpolation key 'nope' not found"),
        ("tracking.experiment=${oc.env:NOPE}", "Environment variable 'NOPE' not found"),
        ("sweep.zip=[${nope}]", "sweep.zip[0]: interpolation key 'nope' not found"),
        ("~nobody/x", "options cannot be deleted"),
        ("outputs=~no-such-user/x", "outputs=~no-such-user/x: there is no such user"),
        ("sweep.trial=3", "only a sweep sets sweep.trial, for its jobs"),
        ("sweep.weights.a=b", "only a sweep sets sweep.weights.a, for its jobs"),
        ("n" * 20_000 + "=1", "nnn…nnn"),
        ("optim.lr=" + "[" * 999, "optim.lr=["),
    ],
)
def test_mistake_is_reported_in_one_line(override: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_command_line([override])
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lr=shuffle()", "optim.lr=shuffle(): no value"),
        ("optim.lr=range(inf,3)", "optim.lr=range(inf,3): no value"),
        ("optim.lr=range(0,1,0)", "optim.lr=range(0,1,0): "),
        ("repeats=range(1,1000000000)", "more than 10,000 values"),
        ("repeats=shuffle(range(1,1000000000))", "more than 10,000 values"),
        ("hydra.launcher.x=${nope}", "hydra.launcher.x: no such option"),
        ("sweep.points=['optim.lr=${nope}']", "sweep.points: Interpolation key 'nope' not found"),
        ("sweep.points=['optim.lr=1,2']", "sweep.points: optim.lr=1,2: give one value per point"),
        ("model.name=sort(a,b)", "separate texts by commas"),
    ],
)
def test_mistake_of_a_multirun_is_reported_in_one_line(override: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_command_line(["-m", override])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_measures_are_not_ranked_together() -> None:
    options = ["-m", "dataset=folder", "dataset.root=x", "training.targets=single,soft"]
    with pytest.raises(InputError, match=r"training.targets=single,soft: cannot be swept"):
        parse_command_line(options)


def test_too_many_jobs_are_refused_before_any_is_composed() -> None:
    values = ",".join(map(str, range(1, 200)))
    with pytest.raises(InputError, match="39,601 jobs: at most 10,000"):
        parse_command_line(["-m", f"repeats={values}", f"training.epochs={values}"])


@pytest.mark.slow
def test_glob_sweeps_the_choices_of_a_group() -> None:
    jobs = parse_command_line(["-m", "optim=glob(*)"]).jobs
    assert [job.optim.name for job in jobs] == ["Adam", "AdamW", "RMSprop", "SGD"]
    jobs = parse_command_line(["-m", "optim=glob([a*,s*],exclude=adamw)"]).jobs
    assert [job.optim.name for job in jobs] == ["Adam", "SGD"]


def test_switches_may_stand_anywhere() -> None:
    for line in (["seed=1", "-m", "optim.lr=1e-3,1e-4"], ["optim.lr=1e-3,1e-4", "seed=1", "-m"]):
        assert [job.optim.lr for job in parse_command_line(line).jobs] == [1e-3, 1e-4]


def test_cfg_prints_the_config_that_a_run_would_have() -> None:
    line = parse_command_line(["--cfg", "job", "dataset.classes=[1_0]", "optim.lr=0.5"])
    printed = yaml.safe_load(line.printed)
    assert line.info_only and printed["dataset"]["classes"] == ["1_0"]
    assert printed["optim"]["lr"] == 0.5 and "hydra" not in printed
    only = parse_command_line(["optim.lr=0.5", "--cfg", "job", "--package", "optim"])
    assert yaml.safe_load(only.printed)["lr"] == 0.5
    with pytest.raises(InputError, match="--multirun and --cfg cannot be combined"):
        parse_command_line(["--cfg", "job", "-m"])


def test_every_job_of_a_multirun_is_validated() -> None:
    with pytest.raises(InputError, match=r"model\.dropout=1\.5"):
        parse_command_line(["-m", "model.dropout=0,0.5,1.5"])


def test_jobs_of_a_multirun_are_the_product_of_values() -> None:
    jobs = parse_command_line(["-m", "optim.lr=1e-4,2e-4", "model.dropout=0,0.5"]).jobs
    assert [(j.optim.lr, j.model.dropout) for j in jobs] == [
        (1e-4, 0.0), (1e-4, 0.5), (2e-4, 0.0), (2e-4, 0.5),
    ]  # fmt: skip


@pytest.mark.slow
def test_job_of_a_multirun_equals_its_overrides_composed_alone() -> None:
    """Jobs with the same choices of groups share a composition."""
    line = parse_command_line(
        ["-m", "seed=3", "model=basic_cnn,resnet50", "optim.lr=1e-4,0.5", "optim=sgd,adam",
         "dataset.rename={a: b}", "++dataset.rename.c=d,e", "model.dropout=0.5"]
    )  # fmt: skip
    assert len(set(map(repr, line.jobs))) == len(line.jobs) == 16
    alone = [parse_command_line(overrides).jobs[0] for overrides in line.job_overrides]
    assert list(line.jobs) == alone


@pytest.mark.parametrize("override", ["dataset.rename={a: b}", "dataset.rename.a=b"])
def test_open_mapping_takes_any_key(override: str) -> None:
    assert parse_command_line([override]).jobs[0].dataset.rename == {"a": "b"}


@pytest.mark.parametrize("name", ["Bücher/日本", "~/a b=c", "a;b!", "x'y"])
def test_folder_may_have_any_name(name: str) -> None:
    value = quote_value(name) if "'" in name else name
    jobs = parse_command_line(["-m", f"outputs={value}", "optim.lr=1e-3,1e-4"]).jobs
    assert [job.outputs for job in jobs] == [name, name]


def test_seeds_follow_the_seed_unless_they_are_set() -> None:
    seeds = parse_command_line(["seed=7", "seeds.order=1"]).jobs[0].seeds
    assert (seeds.initialisation, seeds.order, seeds.dropout) == (7, 1, 7)


def test_conditions_name_existing_options() -> None:
    names = {name for name, _ in flatten_options(to_plain(parse_command_line([]).jobs[0]))}
    assert set(OPTION_CONDITIONS) <= names and names >= RESULT_NEUTRAL_OPTIONS


@pytest.mark.parametrize(
    ("override", "option", "value"),
    [
        ("sweep.cells=['optim.lr=0.5','optim.lr=0.25']", "points", None),
        ("sweep.open_test=true", "evaluate_test", True),
    ],
)
def test_option_names_of_earlier_versions_still_work(
    override: str, option: str, value: object
) -> None:
    jobs = parse_command_line(["-m", override, "model.dropout=0,0.5"]).jobs
    if value is None:
        assert [job.optim.lr for job in jobs] == [0.5, 0.25] * 2
    else:
        assert all(getattr(job.sweep, option) is value for job in jobs)


def test_saved_config_is_read_back(tmp_path: Path) -> None:
    cfg = parse_command_line(["dataset.rename={a: 1e3}", "outputs='2024_11'"]).jobs[0]
    save_config(cfg, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == cfg


def test_config_of_an_earlier_version_is_read_in_the_names_of_this_one(tmp_path: Path) -> None:
    cfg = parse_command_line([]).jobs[0]
    save_config(cfg, tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text()
    earlier = text.replace("evaluate_test:", "open_test:").replace("points:", "cells:")
    assert earlier != text
    (tmp_path / "config.yaml").write_text(earlier)
    assert load_config(tmp_path / "config.yaml") == cfg


def test_name_beside_backbones_is_to_be_left_out() -> None:
    with pytest.raises(
        InputError, match=r"beside model\.backbones=\[a,b\]; leave out model\.name$"
    ):
        parse_command_line(["model=probe", "model.name=a", "model.backbones=[a,b]"])
