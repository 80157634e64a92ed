"""Every option acts: the files of a tiny run change with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from PIL import Image

from fashion_exp.configuration.catalog import option_names
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.data.sources import load
from fashion_exp.errors import ExitCode
from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.job import run_job
from fashion_exp.training.device import choose_compute
from tests.backbone_runs import SIZES, options
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow


class Effect(NamedTuple):
    """Two command lines that differ in one option, and what differs between their runs."""

    common: str
    """Overrides of both, separated by blanks."""
    override: str
    """The override that only the second has."""
    changes: str
    """What differs: "history", "trainings", "validation", "split", or a fact of the result."""


NEW_HEAD = "model.head=new"
SGD = "optim=sgd"
SOLVED = "model.weights=none model.freeze=backbone training.epochs=8 training.batch_size=32"
LOGISTIC = f"{SOLVED} model.head=logistic"
SCALED = "dataset.mean=[.5,.5,.5] dataset.std=[.5,.5,.5]"
GARMENTS = "dataset=garments dataset.per_class=20 dataset.drawn_size=16"

EFFECTS: dict[str, Effect | str] = {
    "dataset.name": Effect("", "dataset=garments", "data_fingerprint"),
    "dataset.image_size": Effect("", "dataset.image_size=20", "input"),
    "dataset.channels": Effect("", "dataset.channels=1", "parameters"),
    "dataset.fit": "test_fit_of_images_that_are_not_square_reaches_the_network",
    "dataset.interpolation": Effect(
        "dataset.image_size=12", "dataset.interpolation=nearest", "history"
    ),
    "dataset.mean": Effect(SCALED, "dataset.mean=[0,0,0]", "history"),
    "dataset.std": Effect(SCALED, "dataset.std=[1,1,1]", "history"),
    "dataset.classes": Effect("", "dataset.classes=[shirt,dress]", "images"),
    "dataset.rename": Effect("", "dataset.rename={shirt:Shirt}", "images"),
    "dataset.root": "test_root_is_where_the_data_are_read",
    "dataset.layout": "test_layout_decides_what_the_folders_are",
    "dataset.manifest": "test_manifest_gives_the_labels",
    "dataset.quarantine": "test_quarantined_images_are_left_out",
    "dataset.groups": "test_images_of_one_group_are_in_one_part",
    "dataset.download": "test_download_needs_the_option",
    "dataset.labels": "test_labels_of_a_file_reach_the_run",
    "dataset.max_left_out": "test_too_many_unusable_files_refuse_the_run",
    "dataset.max_megapixels": "test_files_with_too_many_pixels_are_left_out",
    "dataset.per_class": Effect(GARMENTS, "dataset.per_class=25", "images"),
    "dataset.drawn_size": Effect(GARMENTS, "dataset.drawn_size=20", "input"),
    "dataset.mislabelled": Effect(GARMENTS, "dataset.mislabelled=0.5", "data_fingerprint"),
    "dataset.ambiguous": Effect(GARMENTS, "dataset.ambiguous=1", "history"),
    "dataset.seed": Effect(GARMENTS, "dataset.seed=1", "data_fingerprint"),
    "augmentation.operations": Effect("", "augmentation=strong", "history"),
    "augmentation.evaluation": Effect(
        "augmentation=none", "augmentation.evaluation=[{name:InvertImg,p:1.0}]", "validation"
    ),
    "augmentation.per_class": Effect("", "augmentation.per_class=40", "history"),
    "augmentation.mixup_alpha": Effect("", "augmentation.mixup_alpha=1", "history"),
    "augmentation.cutmix_alpha": Effect("", "augmentation.cutmix_alpha=1", "history"),
    "augmentation.on_frozen": Effect(
        "model.weights=none model.freeze=backbone", "augmentation.on_frozen=apply", "augmentation"
    ),
    "augmentation.views": Effect(
        "model.weights=none model.freeze=backbone augmentation.on_frozen=views",
        "augmentation.views=1",
        "history",
    ),
    "model.name": Effect("", "model=timm model.name=test_resnet", "parameters"),
    "model.backbones": Effect(
        "model=timm model.backbones=[test_resnet] model.weights=none model.freeze=backbone",
        "model.backbones=[test_resnet,test_efficientnet]",
        "parameters",
    ),
    "model.test_views": Effect(
        "model=timm model.backbones=[test_resnet] model.weights=none model.freeze=backbone",
        "model.test_views=flip",
        "validation",
    ),
    "model.backbone_weights": "test_each_backbone_has_its_own_weights_and_input",
    "model.weights": "test_training_starts_from_the_weights_of_an_earlier_run",
    "model.head": Effect("", NEW_HEAD, "parameters"),
    "model.dropout": Effect("", "model.dropout=0.9", "history"),
    "model.drop_path": Effect(
        "model=timm model.name=test_resnet", "model.drop_path=0.5", "history"
    ),
    "model.freeze": Effect("", "model.freeze=backbone", "parameters"),
    "model.unfreeze": Effect(
        "model.weights=none model.freeze=backbone", "model.unfreeze={1:none}", "history"
    ),
    "model.preprocessing": "test_rejects_preprocessing_that_contradicts_the_weights",
    "model.pool": Effect(NEW_HEAD, "model.pool=flatten", "parameters"),
    "model.hidden": Effect(NEW_HEAD, "model.hidden=[7]", "parameters"),
    "model.c": Effect(LOGISTIC, "model.c=1e-6", "history"),
    "model.c_grid": Effect(LOGISTIC, "model.c_grid=[1e-6,2e-6]", "history"),
    "model.c_folds": Effect(LOGISTIC, "model.c_folds=2", "trainings"),
    "model.neighbors": Effect(f"{SOLVED} model.head=knn", "model.neighbors=3", "history"),
    "model.depth": Effect("", "model.depth=2", "parameters"),
    "model.width": Effect("", "model.width=4", "parameters"),
    "optim.name": Effect("", "optim.name=Adagrad", "history"),
    "optim.lr": Effect("", "optim.lr=1e-5", "history"),
    "optim.weight_decay": Effect("optim=adamw", "optim.weight_decay=10", "history"),
    "optim.backbone_lr_factor": Effect("", "optim.backbone_lr_factor=1e-3", "history"),
    "optim.layer_decay": Effect("", "optim.layer_decay=1e-3", "history"),
    "optim.momentum": Effect(SGD, "optim.momentum=0", "history"),
    "optim.options": Effect("", "optim.options={betas:[0.1,0.2]}", "history"),
    "schedule.name": Effect("", "schedule=cosine", "history"),
    "schedule.warmup_epochs": Effect("", "schedule.warmup_epochs=2", "history"),
    "schedule.final_factor": Effect("schedule=cosine", "schedule.final_factor=1", "history"),
    "schedule.step_epochs": Effect("schedule=step", "schedule.step_epochs=1", "history"),
    "schedule.gamma": Effect("schedule=exponential", "schedule.gamma=0.01", "history"),
    "split.name": Effect("", "split=official repeats=1", "split"),
    "split.seed": Effect("", "split.seed=1", "split"),
    "split.test_share": Effect("", "split.test_share=0.4", "split"),
    "split.redraw": Effect("repeats=2", "split.redraw=false", "split"),
    "split.train_ratio": Effect("", "split.train_ratio=0.5", "split"),
    "split.folds": Effect("split=kfold", "split.folds=2", "split"),
    "training.epochs": Effect("", "training.epochs=3", "history"),
    "training.batch_size": Effect("", "training.batch_size=5", "history"),
    "training.accumulate": Effect("", "training.accumulate=2", "history"),
    "training.targets": "test_all_classes_of_a_label_are_trained_judged_and_predicted",
    "training.loss": Effect("", "training.loss=focal", "history"),
    "training.focal_gamma": Effect("training.loss=focal", "training.focal_gamma=0.5", "history"),
    "training.label_smoothing": Effect("", "training.label_smoothing=0.5", "history"),
    "training.class_weights": Effect(
        "dataset.rename={shirt:pullover}", "training.class_weights=balanced", "history"
    ),
    "training.sampling": Effect(
        "dataset.rename={shirt:pullover}", "training.sampling=balanced", "history"
    ),
    "training.clip_norm": Effect(SGD, "training.clip_norm=1e-6", "history"),
    "training.ema_decay": Effect("", "training.ema_decay=0.9", "validation"),
    "training.early_stopping": Effect(
        "training.epochs=9 optim.lr=1", "training.early_stopping=1", "history"
    ),
    "training.keep": Effect("training.epochs=4 optim.lr=0.3", "training.keep=best", "history"),
    "training.precision": Effect("training.precision=fp32", "training.precision=bf16", "precision"),
    "training.device": "test_missing_device_is_refused",
    "training.threads": Effect("", "training.threads=2", "threads"),
    "training.processes": "test_two_processes_train_what_one_does",
    "training.compile": "test_compiled_model_is_trained",
    "training.gradient_checkpointing": "test_recomputed_activations_change_no_bit_of_a_run",
    "training.workers": "test_workers_do_not_change_the_result",
    "seeds.initialisation": Effect("", "seeds.initialisation=1", "history"),
    "seeds.order": Effect("", "seeds.order=1", "history"),
    "seeds.augmentation": Effect("", "seeds.augmentation=1", "history"),
    "seeds.dropout": Effect("model.dropout=0.5", "seeds.dropout=1", "history"),
    "seed": Effect("", "seed=1", "history"),
    "repeats": Effect("", "repeats=2", "split"),
    "confidence": "test_intervals_have_the_confidence_level",
    "tracking.name": "test_without_tracking_there_is_no_database",
    "tracking.uri": "test_runs_are_tracked_in_the_store_of_the_uri",
    "tracking.experiment": "test_runs_belong_to_the_named_experiment",
    "tracking.log_model": "test_logged_model_gives_the_predictions_of_its_run",
    "cache.trainings": "test_without_the_option_nothing_is_reused",
    "cache.gigabytes": "test_run_removes_unused_stores_above_the_limit",
    "sweep.evaluate_test": "test_switch_evaluates_the_test_of_every_job",
    "recipe.name": "test_a_recipe_keeps_what_is_better_and_stops_at_what_is_not",
    "recipe.steps": "test_a_recipe_keeps_what_is_better_and_stops_at_what_is_not",
    "recipe.backbones": "test_placeholders_stand_for_the_options_of_the_recipe",
    "recipe.weights": "test_placeholders_stand_for_the_options_of_the_recipe",
    "recipe.epochs": "test_placeholders_stand_for_the_options_of_the_recipe",
    "recipe.rope": "test_an_undecided_step_does_not_end_a_recipe_and_an_equivalent_one_does",
    "recipe.stop": "test_an_undecided_step_does_not_end_a_recipe_and_an_equivalent_one_does",
    "recipe.minutes": "test_steps_that_cannot_run_are_skipped_with_their_reason",
    "sweep.name": "test_name_can_be_set",
    "sweep.zip": "test_zip_pairs_the_values_of_its_keys",
    "sweep.points": "test_listed_grid_points_are_jobs_and_combine_with_swept_keys",
    "sweep.fresh": "test_fresh_sweep_archives_the_earlier_one",
    "sweep.dry_run": "test_dry_run_prints_the_jobs_and_writes_nothing",
    "sweep.parent": "test_jobs_of_a_sweep_have_one_parent",
    "sweep.swept": "test_jobs_of_a_sweep_have_one_parent",
    "sweep.weights": "test_weights_resolved_by_a_sweep_are_used",
    "sweep.experiment": "test_jobs_of_a_sweep_have_one_parent",
    "sweep.study": "test_hyperband_stops_bad_trials_early",
    "sweep.trial": "test_hyperband_stops_bad_trials_early",
    "sweep.storage": "test_hyperband_stops_bad_trials_early",
    "outputs": "test_everything_is_written_below_outputs",
    "resume": "test_resumed_run_equals_uninterrupted_run",
    "extend": "test_extended_run_equals_the_longer_run",
    "extensions": "test_changed_file_is_another_job_and_an_equal_one_is_the_same",
}


def test_every_option_of_the_schema_has_an_entry() -> None:
    assert sorted(EFFECTS) == sorted(option_names())
    assert len(EFFECTS) > 70


def test_named_tests_exist() -> None:
    tests = "".join(file.read_text() for file in Path(__file__).parent.rglob("test_*.py"))
    names = [entry for entry in EFFECTS.values() if isinstance(entry, str)]
    assert [name for name in names if f"def {name}(" not in tests] == []


@pytest.fixture(scope="module")
def runs_without() -> dict[str, TinyRun]:
    """The runs without the override, by their options: most options share one."""
    return {}


@pytest.mark.parametrize(
    "option", [name for name, entry in EFFECTS.items() if isinstance(entry, Effect)]
)
def test_option_changes_the_result(
    option: str, tiny: Callable[..., TinyRun], runs_without: dict[str, TinyRun]
) -> None:
    effect = EFFECTS[option]
    assert isinstance(effect, Effect)
    common = effect.common.split()
    if effect.common not in runs_without:
        runs_without[effect.common] = tiny(*common)
    without, changed = runs_without[effect.common], tiny(*common, *effect.override.split())
    assert outcome(without, effect.changes) != outcome(changed, effect.changes)


def outcome(run: TinyRun, name: str) -> str:
    if name in ("history", "split"):
        return run.text(f"{name}.csv")
    if name == "trainings":
        return str(pd.read_csv(run.output / "trainings.csv")["c_loss"].to_list())
    if name == "validation":
        return run.predictions("validation").to_csv()
    return run.facts[name]


def test_run_repeats_bit_for_bit(tiny: Callable[..., TinyRun]) -> None:
    """Otherwise the changes above would prove nothing."""
    first, second = tiny(), tiny()
    assert first.text("history.csv") == second.text("history.csv")
    assert first.predictions("test").equals(second.predictions("test"))


@pytest.mark.parametrize(
    ("choice", "operation"),
    [("trivial", "TrivialAugmentWide"), ("randaugment", "RandAugment"), ("erasing", "Erasing")],
)
def test_choice_of_augmentation_acts(
    choice: str, operation: str, tiny: Callable[..., TinyRun], runs_without: dict[str, TinyRun]
) -> None:
    if "" not in runs_without:
        runs_without[""] = tiny()
    run = tiny(f"augmentation={choice}")
    assert operation in run.facts["augmentation"].split(", ")
    assert run.text("history.csv") != runs_without[""].text("history.csv")


FROZEN = ("model.weights=none", "model.freeze=backbone")


def test_mixup_acts_on_stored_features(tiny: Callable[..., TinyRun]) -> None:
    plain, mixed = tiny(*FROZEN), tiny(*FROZEN, "augmentation.mixup_alpha=1")
    assert plain.text("history.csv") != mixed.text("history.csv")


def test_cutmix_of_stored_features_is_refused(
    tiny: Callable[..., TinyRun], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):
        tiny(*FROZEN, "augmentation.cutmix_alpha=1")
    assert "augmentation.cutmix_alpha=1: CutMix needs images" in capsys.readouterr().err


def test_workers_do_not_change_the_result(tiny: Callable[..., TinyRun]) -> None:
    options = (
        "model.dropout=0.5", "training.sampling=balanced", "augmentation=randaugment",
        "augmentation.mixup_alpha=1", "augmentation.cutmix_alpha=1",
    )  # fmt: skip
    histories = [
        tiny(*options, f"training.workers={workers}").text("history.csv") for workers in (0, 2)
    ]
    assert histories[0] == histories[1]


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # read by PyTorch itself
def test_compiled_model_is_trained(
    tiny: Callable[..., TinyRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a compiler that returns each graph unchanged: PyTorch's takes a minute."""
    graphs: list[torch.fx.GraphModule] = []

    def unchanged(graph: torch.fx.GraphModule, inputs: object) -> object:
        graphs.append(graph)
        return graph.forward

    compile = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda m, **kwargs: compile(m, backend=unchanged, **kwargs)
    )
    monkeypatch.setattr("fashion_exp.experiment.setup.missing_compiler", lambda device: "")
    options = ("model.dropout=0.3", "training.precision=fp32")
    plain = tiny(*options)
    assert not graphs
    compiled = tiny(*options, "training.compile=true")
    losses = [run.history["loss"].to_numpy() for run in (plain, compiled)]
    assert graphs and losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_missing_compiler_is_reported(
    monkeypatch: pytest.MonkeyPatch,
    tiny: Callable[..., TinyRun],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(AssertionError):
        tiny("training.compile=true")
    assert "this machine lacks a C++ compiler (no-such-compiler)" in capsys.readouterr().err


def test_fit_of_images_that_are_not_square_reaches_the_network(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for name in ("dress", "shirt"):
        (tmp_path / "tall" / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 256, (30, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "tall" / name / f"{number}.png")
    data = ("dataset=folder", f"dataset.root={tmp_path / 'tall'}", "dataset.image_size=16")
    runs = [
        tiny(*data, f"dataset.fit={fit}").text("history.csv") for fit in ("crop", "pad", "stretch")
    ]
    assert len(set(runs)) == 3


def test_intervals_have_the_confidence_level(tiny: Callable[..., TinyRun]) -> None:
    runs = tiny(), tiny("confidence=0.99")
    narrow, wide = (load_result(run.output).summary("test").accuracy for run in runs)
    assert narrow.low and narrow.high and wide.low and wide.high
    assert wide.level == 0.99 and wide.high - wide.low > narrow.high - narrow.low


def test_missing_device_is_refused() -> None:
    with pytest.raises(ValueError, match="cuda:77"):
        choose_compute("cuda:77", "auto", 1)


def test_weights_resolved_by_a_sweep_are_used(tiny: Callable[..., TinyRun]) -> None:
    options = ("model=timm", "model.name=test_resnet", "dataset.image_size=null")
    run = tiny(*options, weights={"test_resnet": "none"})
    assert run.facts["weights"] == "none: random initialisation"


def test_root_is_where_the_data_are_read(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    data = ("dataset=folder", "dataset.image_size=16")
    copy = shutil.copytree(photos / "train", tmp_path / "copy")
    runs = [tiny(*data, f"dataset.root={root}") for root in (photos, copy)]
    assert [sum(json.loads(run.facts["images"]).values()) for run in runs] == [72, 48]


def test_layout_decides_what_the_folders_are(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    for number, name in enumerate(("first", "second")):
        for file in sorted((photos / "train").rglob("*.png"))[number::2]:
            copy = tmp_path / "both" / name / file.parent.name / file.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    data = ("dataset=folder", f"dataset.root={tmp_path / 'both'}", "dataset.image_size=16")
    runs = [tiny(*data, f"dataset.layout={layout}") for layout in ("classes", "parts")]
    images = [json.loads(run.facts["images"]) for run in runs]
    assert images == [{"first": 24, "second": 24}, {"dress": 16, "pullover": 16, "shirt": 16}]
    with pytest.raises(AssertionError):
        tiny(*data)


def test_manifest_gives_the_labels(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    files = sorted((photos / "train").rglob("*.png"))
    lines = [f"{file},{'even' if i % 2 else 'odd'}" for i, file in enumerate(files)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
    run = tiny("dataset=csv", f"dataset.manifest={tmp_path / 'list.csv'}", "dataset.image_size=16")
    assert json.loads(run.facts["images"]) == {"even": 24, "odd": 24}


@pytest.fixture
def damaged_photos(photos: Path, tmp_path: Path) -> Path:
    """The photos, two of them damaged and one with many pixels."""
    root = shutil.copytree(photos / "train", tmp_path / "damaged")
    for name in ("dress/00.png", "shirt/01.png"):
        (root / name).write_bytes(b"not an image")
    Image.new("RGB", (100, 100), "red").save(root / "dress" / "large.png")
    return root


def test_too_many_unusable_files_refuse_the_run(
    tiny: Callable[..., TinyRun], damaged_photos: Path
) -> None:
    data = ("dataset=folder", f"dataset.root={damaged_photos}", "dataset.image_size=16")
    run = tiny(*data, "dataset.max_left_out=0.05")
    assert run.facts["left_out"] == "2" and "shirt/01.png" in run.text("left_out.csv")
    with pytest.raises(AssertionError):
        tiny(*data, "dataset.max_left_out=0.01")


def test_files_with_too_many_pixels_are_left_out(
    tiny: Callable[..., TinyRun], damaged_photos: Path
) -> None:
    data = ("dataset=folder", f"dataset.root={damaged_photos}", "dataset.image_size=16")
    run = tiny(*data, "dataset.max_megapixels=0.009", "dataset.max_left_out=0.1")
    assert "dress/large.png" in run.text("left_out.csv")


def test_labels_of_a_file_reach_the_run(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    ids = tiny().predictions("validation").query("label == 'dress'")["image_id"].unique()[:2]
    lines = [f"{ids[0]},dress,shirt", f"{ids[1]},dress,dress|pullover"]
    (tmp_path / "d.csv").write_text("\n".join(["image_id,given,decision", *lines]))
    run = tiny(f"dataset.labels={tmp_path / 'd.csv'}")
    assert json.loads(run.facts["images"]) == {"dress": 22, "pullover": 24, "shirt": 25}
    assert "several labels: dress, pullover (labels d.csv)" in run.text("left_out.csv")
    assert (run.facts["set_aside"], run.facts["labels_version"]) == ("1", "d.csv")


def test_quarantined_images_are_left_out(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "away.csv").write_text("path,reason\ntrain/dress/00.png,ugly\n")
    plain, curated = tiny(), tiny(f"dataset.quarantine={tmp_path / 'away.csv'}")
    assert "train/dress/00.png,quarantined: ugly" in curated.text("left_out.csv")
    assert plain.facts["data_fingerprint"] != curated.facts["data_fingerprint"]


def test_images_of_one_group_are_in_one_part(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    paths = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("dress/*.png"))
    lines = [f"{path},{number // 2}" for number, path in enumerate(paths)]
    (tmp_path / "pairs.csv").write_text("\n".join(["path,group", *lines]))
    run = tiny(f"dataset.groups={tmp_path / 'pairs.csv'}")
    split = pd.read_csv(run.output / "split.csv")
    assert sorted(split["group_id"].value_counts().head(12)) == [2] * 12
    assert (split.groupby("group_id")["r0f0"].nunique() == 1).all()


def test_resuming_with_other_groups_is_refused(
    tiny: Callable[..., TinyRun],
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = shutil.copytree(photos, tmp_path / "copy")
    options = ["dataset=folder", f"dataset.root={root}", "dataset.image_size=16",
               "training.epochs=1", "tracking=none", "repeats=1"]  # fmt: skip
    run = tiny(*options)
    paths = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("dress/*.png"))
    lines = [f"{path},both" for path in paths[:2]]
    (root / "groups.csv").write_text("\n".join(["path,group", *lines]))
    (run.output / "unfinished").mkdir()
    load._cached.clear()  # as in another process
    cfg = parse_command_line([*options, f"outputs={tmp_path / 'outputs'}"]).jobs[0]
    code = run_job(cfg, RunDir(run.output), options, hold_out_test=True)
    assert code == ExitCode.INPUT_ERROR
    assert "groups.csv have changed since this run was started" in capsys.readouterr().err


def test_download_needs_the_option(
    tiny: Callable[..., TinyRun], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):
        tiny("dataset=fashion_mnist", "dataset.download=false", f"dataset.root={tmp_path}")
    assert "dataset.download=true" in capsys.readouterr().err


def test_training_starts_from_the_weights_of_an_earlier_run(
    tiny: Callable[..., TinyRun], photos: Path
) -> None:
    options = ("dataset.classes=[dress,pullover]", "split.redraw=false")
    first = tiny(*options)
    scratch = tiny(*options, "optim.lr=1e-9")
    later = tiny(*options, "optim.lr=1e-9", f"model.weights={first.output}", "model.freeze=none")
    assert later.facts["weights_sha256"] != "random"
    assert later.history["loss"].iloc[0] != scratch.history["loss"].iloc[0]


def test_weights_trained_on_evaluation_images_are_refused(
    tiny: Callable[..., TinyRun], capsys: pytest.CaptureFixture[str]
) -> None:
    first = tiny()
    with pytest.raises(AssertionError):
        tiny(f"model.weights={first.output}", "repeats=2")
    assert "evaluation images were used to train these weights" in capsys.readouterr().err


def test_without_tracking_there_is_no_database(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    tiny()
    assert not (tmp_path / "outputs" / "mlflow.db").exists()
    tiny(tracking="mlflow")
    assert (tmp_path / "outputs" / "mlflow.db").exists()


def runs_of(uri: str, experiment: str) -> list[Run]:
    client = MlflowClient(uri)
    entity = client.get_experiment_by_name(experiment)
    assert entity is not None
    return list(client.search_runs([entity.experiment_id]))


def test_runs_are_tracked_in_the_store_of_the_uri(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'own.db'}"
    tiny(f"tracking.uri={uri}", tracking="mlflow")
    assert len(runs_of(uri, "fashion_exp")) == 1


def test_runs_belong_to_the_named_experiment(tiny: Callable[..., TinyRun], tmp_path: Path) -> None:
    tiny("tracking.experiment=mine", tracking="mlflow")
    assert len(runs_of(f"sqlite:///{tmp_path / 'outputs' / 'mlflow.db'}", "mine")) == 1


@pytest.mark.parametrize("several", [False, True], ids=["one network", "two on two views"])
def test_logged_model_gives_the_predictions_of_its_run(
    tiny: Callable[..., TinyRun], tmp_path: Path, photos: Path, backbone_files: dict[str, Path],
    several: bool,
) -> None:  # fmt: skip
    backbones = (*options(backbone_files, *SIZES), "model.test_views=flip") if several else ()
    fixed = ("tracking.log_model=true", "training.precision=fp32")
    run = tiny(*fixed, *backbones, tracking="mlflow")
    uri = f"sqlite:///{tmp_path / 'outputs' / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    (tracked,) = runs_of(uri, "fashion_exp")
    model = mlflow.pyfunc.load_model(f"runs:/{tracked.info.run_id}/model")
    frame = run.predictions("test")
    columns = ["p_dress", "p_pullover", "p_shirt"]
    expected = frame[columns].to_numpy()
    files = [(photos / path).read_bytes() for path in frame["path"]]
    answers = model.predict(pd.DataFrame({"photo": files}))
    assert np.allclose(answers[columns], expected, atol=1e-5)
    arrays = [np.array(Image.open(photos / path)) for path in frame["path"]]
    answers = model.unwrap_python_model().predict(None, arrays)
    assert np.allclose(answers[columns], expected, atol=1e-5)
