"""Recipes: steps in turn, each judged against the best one before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

import fashion_exp as fx
from fashion_exp.comparison.run_data import load_run
from fashion_exp.configuration.schema import RecipeConfig
from fashion_exp.errors import ExitCode, InputError
from fashion_exp.experiment.arguments import parse_arguments
from fashion_exp.models.solved_heads import DEFAULT_C_GRID
from fashion_exp.recipes.cost import _BATCH, estimate_seconds
from fashion_exp.recipes.plan import recipe_folder
from fashion_exp.recipes.result import RESULT_FILE, judge, read_result
from fashion_exp.recipes.run import run_recipe
from fashion_exp.recipes.steps import parse_steps, point_of, why_impossible
from fashion_exp.training.device import choose_compute

DATA = (
    "dataset.per_class=200", "dataset.drawn_size=16", "split.train_ratio=0.5", "repeats=1",
    "training.threads=1",
)  # fmt: skip
BAD = "bad: model=basic_cnn training.epochs=1 optim.lr=1e-7"
GOOD = "good: + training.epochs=12 optim.lr=1e-3"
SAME = "same: + training.label_smoothing=0.001"
NEVER = "never: + model.dropout=0.5"


def arguments(outputs: Path, *steps: str, tracking: str = "none") -> list[str]:
    listed = ",".join(f'"{step}"' for step in steps)
    return [
        "recipe=best", f"recipe.steps=[{listed}]", "model.weights=none", *DATA,
        f"outputs={outputs}", f"tracking={tracking}",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def finished(outputs: Path) -> fx.Recipe:
    line = arguments(outputs, BAD, GOOD, SAME, NEVER, tracking="mlflow")
    return fx.recipe(*line, "recipe.rope=0.1")


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of the time of a tiny recipe."""
    monkeypatch.setattr("fashion_exp.recipes.report.write_page", lambda *_: None)


@pytest.mark.slow
def test_a_recipe_keeps_what_is_better_and_stops_at_what_is_not(finished: fx.Recipe) -> None:
    steps = finished.result.steps
    assert [(step.title, step.outcome) for step in steps] == [
        ("bad", "kept"), ("good", "kept"), ("same", "not kept"),
    ]  # fmt: skip
    assert finished.result.stopped.startswith("stopped: same gains ")
    assert steps[2].equivalent and steps[2].reason == (
        "equivalent: the interval of its gain is within ±10 points"
    )
    good = steps[1]
    assert good.verdict == "better" and good.against == "bad" and good.p is not None
    assert good.accuracy is not None and steps[0].accuracy is not None and good.gain is not None
    assert good.gain == pytest.approx(good.accuracy - steps[0].accuracy)
    assert good.options == ("model=basic_cnn", "training.epochs=12", "optim.lr=1e-3")
    assert all(step.seconds and step.parameters and step.command for step in steps)
    assert finished.steps["title"].tolist() == ["bad", "good", "same"]


@pytest.mark.slow
def test_only_the_chosen_step_is_evaluated_on_the_test_set(
    finished: fx.Recipe, outputs: Path
) -> None:
    runs = [load_run(finished.folder / step.folder) for step in finished.result.steps]
    assert [run.is_test_evaluated for run in runs] == [False, True, False]
    assert len((outputs / "test_evaluations.jsonl").read_text().splitlines()) == 1
    test = finished.result.test
    assert test is not None and test["evaluations"] == 1
    assert test["test_acc"] == finished.chosen.metrics["test_acc"]


@pytest.mark.slow
def test_p_values_allow_for_all_steps_of_the_recipe(finished: fx.Recipe) -> None:
    bad, good = (finished.folder / step.folder for step in finished.result.steps[:2])
    alone, _, _ = judge(bad, good, 1, 0.01, 0.05)
    assert alone.p_holm is not None and finished.result.steps[1].p is not None
    assert finished.result.steps[1].p == pytest.approx(3 * alone.p_holm)


@pytest.mark.slow
def test_steps_have_one_tracked_parent_with_the_table(finished: fx.Recipe, outputs: Path) -> None:
    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments)
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(runs) == 4 and parent.info.status == "FINISHED"
    assert parent.data.metrics["s_val_acc"] == pytest.approx(finished.result.steps[1].accuracy)
    assert "| same" in parent.data.tags["mlflow.note.content"]
    files = [file.path for file in client.list_artifacts(parent.info.run_id, "report")]
    assert f"report/{RESULT_FILE}" in files


@pytest.mark.slow
def test_the_page_shows_the_gains(finished: fx.Recipe) -> None:
    (page,) = (finished.folder / "report").glob("*.html")
    text = page.read_text()
    assert "good against bad" in text and "Chosen: good" in text


@pytest.mark.slow
def test_the_same_command_runs_nothing_again(finished: fx.Recipe, outputs: Path) -> None:
    results = sorted(finished.folder.glob("*/result.json"))
    before = {file: file.stat().st_mtime_ns for file in results}
    seconds = [step.seconds for step in finished.result.steps]
    line = arguments(outputs, BAD, GOOD, SAME, NEVER, tracking="mlflow")
    again = fx.recipe(*line, "recipe.rope=0.1")
    assert again.folder == finished.folder
    assert before and before == {file: file.stat().st_mtime_ns for file in before}
    assert [step.seconds for step in again.result.steps] == seconds
    assert again.result.test == finished.result.test


@pytest.mark.slow
def test_an_undecided_step_does_not_end_a_recipe_and_an_equivalent_one_does(
    no_page: None, tmp_path: Path
) -> None:
    line = arguments(tmp_path, BAD, SAME, GOOD)
    result = fx.recipe(*line).result
    undecided, good = result.steps[1:]
    assert undecided.verdict == "undecided" and undecided.outcome == "not kept"
    assert undecided.reason.startswith(
        "undecided: neither better nor within ±1 point; more repeats"
    )
    assert good.outcome == "kept" and good.against == "bad"
    assert not result.stopped
    everything_matters_not = "recipe.rope=0.49"
    result = fx.recipe(*line, everything_matters_not).result
    assert [step.outcome for step in result.steps] == ["kept", "not kept"] and result.stopped
    result = fx.recipe(*line, everything_matters_not, "recipe.stop=false").result
    assert [step.equivalent for step in result.steps] == [False, True, True]
    assert result.steps[2].verdict == "better, by less than matters" and not result.stopped


@pytest.mark.slow
def test_steps_that_cannot_run_are_skipped_with_their_reason(
    no_page: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    weights = "no weights: model=timm model.name=vgg11 model.weights=imagenet"
    steps = (BAD, "several: model=timm model.name={backbones}", weights, "last: + optim.lr=1e-6")
    line = [text for text in arguments(tmp_path, *steps) if text != "model.weights=none"]
    line[1] = line[1].replace("model=basic_cnn", "model=basic_cnn model.weights=none")
    line += ["recipe.backbones=[resnet50]"]
    result = fx.recipe(*line, "recipe.stop=false").result
    assert [step.outcome for step in result.steps] == ["kept", "skipped", "skipped", "not kept"]
    assert "has one network only" in result.steps[1].reason
    assert "not in the cache" in result.steps[2].reason
    with pytest.raises(
        InputError, match=r"bad: it takes up to .*, more than recipe\.minutes=1e-09"
    ):
        fx.recipe(*line, "recipe.minutes=1e-9", "seed=1")


@pytest.mark.slow
def test_a_dry_run_prints_the_cost_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = parse_arguments([*arguments(tmp_path, BAD, GOOD), "sweep.dry_run=true"])
    assert run_recipe(line) == ExitCode.DONE
    printed = capsys.readouterr().out
    assert "bad: up to " in printed and "good: up to " in printed
    assert not (tmp_path / "sweeps").exists()


@pytest.mark.slow
def test_a_recipe_without_weights_for_any_step_is_refused_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    line = parse_arguments(
        ["recipe=best", "recipe.backbones=[resnet50]", *DATA, "sweep.dry_run=true",
         f"outputs={tmp_path}", "tracking=none"]
    )  # fmt: skip
    with pytest.raises(InputError, match=r"no step can be run; .*recipe\.weights={resnet50: FILE}"):
        run_recipe(line)
    message = capsys.readouterr().out
    assert "test-time views: skipped: there is no step before it" in message
    assert "basic_cnn" not in message


def test_placeholders_stand_for_the_options_of_the_recipe() -> None:
    recipe = RecipeConfig(
        "mine", [], ["resnet18", "vgg11"], {}, epochs=3, rope=0.01, stop=True, minutes=1
    )
    first, added = parse_steps(
        [
            "a: model.name={backbone} model.freeze={stage}",
            "b: + x={backbones} training.epochs={epochs}",
        ]
    )
    options = point_of(first, recipe, ())
    assert options == ("model.name=resnet18", "model.freeze=layer3")
    assert point_of(added, recipe, options) == (
        *options, "x=[resnet18,vgg11]", "training.epochs=3",
    )  # fmt: skip
    (again, _) = parse_steps(["a: + model.name=vgg11".replace("+ ", ""), "b: x=1"])
    assert point_of(again, recipe, options) == ("model.name=vgg11",)
    recipe.weights = {"resnet18": "a b.pth"}
    assert point_of(first, recipe, ())[-1] == "model.weights=a b.pth"
    (several, _) = parse_steps(["a: model.backbones={backbones}", "b: x=1"])
    assert point_of(several, recipe, ()) == (
        "model.backbones=[resnet18,vgg11]", "model.backbone_weights={resnet18:'a b.pth'}",
    )  # fmt: skip
    recipe.backbones = ["resnet18:layer3", "vgg11"]
    assert point_of(first, recipe, ()) == (
        "model.name=resnet18:layer3", "model.freeze=layer2", "model.weights=a b.pth",
    )  # fmt: skip
    assert point_of(several, recipe, ())[1] == "model.backbone_weights={resnet18:'a b.pth'}"
    recipe.backbones = ["resnet18:layer9"]
    assert "no such stage" in why_impossible(first, recipe)
    recipe.backbones = ["basic_cnn"]
    assert "stages are not known" in why_impossible(first, recipe)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--multirun", "optim.lr=1e-3,1e-4"], "recipe: is several runs by itself"),
        (["optim.lr=1"], "optim.lr=1: the steps of the recipe set optim.lr"),
        (["recipe.steps=[one]"], 'recipe.steps: "one" must be "TITLE: OPTION=VALUE'),
        (['recipe.steps=["a: + seed=1","b: seed=2"]'], "there is nothing to add it to"),
        (['recipe.steps=["a: seed=1"]'], "needs at least two steps"),
        (['recipe.steps=["a: seed=1","b: training.targets=soft"]'], "set it for the whole recipe"),
        (['recipe.steps=["a: seed=1","b: seed={nme}"]'], "{nme} in seed={nme} is unknown"),
        (['recipe.steps=["a: seed=1","b: sed=2"]'], "sed: no such option"),
        (["recipe.weights={resnet: a.pth}"], "recipe.weights.resnet: no network of"),
        (["sweep.name=a/b"], "sweep.name=a/b: not a folder name"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(
    changes: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        fx.recipe(*arguments(tmp_path, BAD, GOOD), *changes)
    assert message in str(error.value)
    assert not (tmp_path / "sweeps").exists()


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ("recipe.rope=0.49", True),
        ("recipe.stop=false", True),
        ("recipe.minutes=1", True),
        ("recipe.epochs=9", False),
        ("recipe.weights={tf_efficientnet_lite2: none}", False),
        ("seed=1", False),
    ],
)
def test_recipes_that_train_otherwise_have_folders_of_their_own(
    change: str, is_same: bool, tmp_path: Path
) -> None:
    line = arguments(tmp_path, BAD, GOOD)
    folders = [recipe_folder(parse_arguments([*line, *more])) for more in ([], [change])]
    assert (folders[0] == folders[1]) == is_same


@pytest.mark.slow
def test_the_bound_covers_views_and_the_choice_of_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a photo that takes a second, and a head that takes a second for each value of C."""
    monkeypatch.setattr("fashion_exp.recipes.cost._measure", lambda call: float(_BATCH))
    monkeypatch.setattr("fashion_exp.recipes.cost.seconds_to_solve", lambda *sizes: 1.0 + sizes[3])

    def bound(*more: str) -> float:
        named = any(text.startswith("model.backbones") for text in more)
        head = [
            "model=probe",
            "model.freeze=backbone",
            *([] if named else ["model.name=resnet10t"]),
        ]
        line = ("dataset.per_class=10", "repeats=2", "model.weights=none", f"outputs={tmp_path}")
        (cfg,) = parse_arguments([*head, *line, *more]).jobs
        return estimate_seconds(cfg, choose_compute("cpu", "fp32", 1), tmp_path)

    photos, trainings = 30, 2
    assert bound("model.c=1") == photos + trainings
    assert bound() == photos + trainings * (1 + len(DEFAULT_C_GRID))
    assert bound("model.c=1", "model.test_views=flip") == 2 * photos + trainings
    assert bound("model.c=1", "model.test_views=five_crops") == 6 * photos + trainings
    assert bound("model.c=1", "model.backbones=[resnet10t,resnet14t]") == 2 * photos + trainings
    fine_tuned = ("model=timm", "training.epochs=3")
    (split,) = {bound(*fine_tuned, "model.freeze=none", f"seed={seed}") for seed in (0, 1)}
    assert photos < split <= 3 * trainings * photos + photos
    staged = bound(*fine_tuned, "model.freeze=backbone", "model.unfreeze={2: none}")
    assert staged == pytest.approx(photos + (split - photos) / 3 + photos)


def test_options_of_recipes_need_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"recipe\.rope has no effect here: it needs a recipe, such as recipe=best"
    ):
        parse_arguments(["recipe.rope=0.1"])
    with pytest.raises(InputError, match="recipe: name one"):
        fx.recipe(*DATA)
    with pytest.raises(InputError, match=r"a recipe is several experiments; recipe\(…\) runs them"):
        fx.run(*arguments(tmp_path, BAD, GOOD))


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    (tmp_path / RESULT_FILE).write_text(json.dumps({"steps": [{"name": 1}]}))
    with pytest.raises(InputError, match="damaged"):
        read_result(tmp_path)
