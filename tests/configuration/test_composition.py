"""Every YAML composes, and every value that is out of range or cannot act is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.overrides import quote_value
from fashion_exp.configuration.schema import (
    OPTION_CONDITIONS,
    RESULT_NEUTRAL_OPTIONS,
    flatten_options,
    to_plain,
)
from fashion_exp.errors import InputError
from fashion_exp.paths import conf_dir

GROUPS = ("dataset", "augmentation", "model", "optim", "schedule", "split", "tracking")
MANDATORY = {
    "dataset=csv": ["dataset.manifest=list.csv"],
    "model=timm": ["model.name=resnet18"],
}
CHOICES = [
    f"{folder.name}={file.stem}"
    for folder in sorted(conf_dir().iterdir())
    if folder.name in (*GROUPS, "experiment")
    for file in sorted(folder.glob("*.yaml"))
]


def test_the_choices_are_seen() -> None:
    assert len(CHOICES) >= 34
    assert {choice.split("=")[0] for choice in CHOICES} == {*GROUPS, "experiment"}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes_alone(choice: str) -> None:
    parse_command_line([choice, *MANDATORY.get(choice, [])])


@pytest.mark.parametrize("file", sorted(conf_dir().glob("sweep/*.yaml")), ids=lambda f: f.stem)
def test_every_sweep_composes(file: Path) -> None:
    assert len(parse_command_line(["-m", f"sweep={file.stem}"]).jobs) > 1


@pytest.mark.parametrize("file", sorted(conf_dir().rglob("*/*.yaml")), ids=lambda f: f.stem)
def test_every_choice_says_what_it_is(file: Path) -> None:
    lines = file.read_text().splitlines()
    said = [line for line in lines if line.startswith("# ") and not line.startswith("# @package")]
    assert said, "a head comment, please"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("optim.lrr=1", "optim.lrr=1: no such knob or group; did you mean optim.lr"),
        ("+optim.lrr=1", "did you mean optim.lr"),
        ("model=resnet5", "model=resnet5: no such choice; did you mean resnet50?"),
        ("model.dropout=1.5", "model.dropout=1.5: input should be less than 1"),
        ("optim.lr=abc", "optim.lr: value 'abc' of type 'str' could not be converted to Float"),
        ("optim.lr=nan", "optim.lr=nan: input should be a finite number"),
        ("optim.lr=inf", "optim.lr=inf: input should be a finite number"),
        ("split.train_ratio=0", "split.train_ratio=0.0: input should be greater than 0"),
        ("split.train_ratio=1", "split.train_ratio=1.0: input should be less than 1"),
        ("repeats=0", "repeats=0: input should be greater than or equal to 1"),
        ("training.precision=fp16", "training.precision: invalid value 'fp16', expected one of"),
        ("--flag", "--flag: no such switch"),
        ("--multirn", "did you mean --multirun?"),
        ("--config-dir=no/such", "--config-dir=no/such: no such folder"),
        ("--config-path=conf", "--config-path: would replace the configs"),
        ("--config-name=mine", "--config-dir=FOLDER adds choices of your own"),
        ("split.folds=3", "split.folds cannot act here: it acts only with split=kfold"),
        ("optim.momentum=0.9", "optim.momentum cannot act here: it acts only with optim=sgd"),
        ("model.hidden=[9]", "model.hidden cannot act here: it acts only with model.head=new"),
        ("dataset.root=x", "dataset.root cannot act here"),
        ("dataset.classes=dress", "dataset.classes: needs a list"),
        ("dataset.classes=[a", "cannot be read"),
        ("model=timm", "model.name: needs a value"),
        ("~optim.lr", "cannot be taken out"),
        ("+optim.lr=1", "without the +"),
        ("optim.lr=1,2", "several values need --multirun"),
        ("sweep=lr", "several values need --multirun"),
        ("hydra/launcher=x", "hydra/launcher=x: no such choice"),
        ("dataset.channels=2", "3 for RGB or 1 for grey"),
        ("schedule.warmup_epochs=9", "more than training.epochs=8"),
        ("dataset.mean=[0,0,0]", "give both or neither"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(typed: str, told: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_command_line([typed])
    assert told in str(refusal.value) and "\n" not in str(refusal.value)


def test_every_job_of_a_multirun_is_checked() -> None:
    with pytest.raises(InputError, match=r"model\.dropout=1\.5"):
        parse_command_line(["-m", "model.dropout=0,0.5,1.5"])


def test_the_jobs_of_a_multirun_are_the_product() -> None:
    jobs = parse_command_line(["-m", "optim.lr=1e-4,2e-4", "model.dropout=0,0.5"]).jobs
    assert [(j.optim.lr, j.model.dropout) for j in jobs] == [
        (1e-4, 0.0), (1e-4, 0.5), (2e-4, 0.0), (2e-4, 0.5),
    ]  # fmt: skip


def test_a_job_of_a_multirun_is_what_its_line_composes_to_alone() -> None:
    """Its groups are composed once for all jobs that share them."""
    line = parse_command_line(
        ["-m", "seed=3", "model=basic_cnn,resnet50", "optim.lr=1e-4,0.5", "optim=sgd,adam",
         "dataset.rename={a: b}", "++dataset.rename.c=d,e", "model.dropout=0.5"]
    )  # fmt: skip
    assert len(set(map(repr, line.jobs))) == len(line.jobs) == 16
    assert list(line.jobs) == [parse_command_line(words).jobs[0] for words in line.lines]


@pytest.mark.parametrize("spelt", ["dataset.rename={a: b}", "dataset.rename.a=b"])
def test_a_mapping_takes_keys_of_the_users_own(spelt: str) -> None:
    assert parse_command_line([spelt]).jobs[0].dataset.rename == {"a": "b"}


@pytest.mark.parametrize("name", ["Bücher/日本", "~/a b=c", "a;b!", "x'y"])
def test_a_folder_may_be_called_anything(name: str) -> None:
    typed = quote_value(name) if "'" in name else name
    several = parse_command_line(["-m", f"outputs={typed}", "optim.lr=1e-3,1e-4"]).jobs
    assert [job.outputs for job in several] == [name, name]


def test_seeds_follow_the_seed_unless_set() -> None:
    seeds = parse_command_line(["seed=7", "seeds.order=1"]).jobs[0].seeds
    assert (seeds.initialisation, seeds.order, seeds.dropout) == (7, 1, 7)


def test_the_rules_speak_of_knobs_that_exist() -> None:
    names = {name for name, _ in flatten_options(to_plain(parse_command_line([]).jobs[0]))}
    assert set(OPTION_CONDITIONS) <= names and names >= RESULT_NEUTRAL_OPTIONS
