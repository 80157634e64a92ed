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
from fashion_exp.recipes.ladder import LADDER_FILE, judge, read_ladder
from fashion_exp.recipes.run import run_recipe
from fashion_exp.recipes.steps import parse_steps, point_of, why_impossible

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
def climbed(outputs: Path) -> fx.Recipe:
    return fx.recipe(*arguments(outputs, BAD, GOOD, SAME, NEVER, tracking="mlflow"))


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of the time of a tiny recipe."""
    monkeypatch.setattr("fashion_exp.recipes.report.write_page", lambda *_: None)


@pytest.mark.slow
def test_a_recipe_keeps_what_is_better_and_stops_at_what_is_not(climbed: fx.Recipe) -> None:
    steps = climbed.ladder.steps
    assert [(step.title, step.outcome) for step in steps] == [
        ("bad", "kept"), ("good", "kept"), ("same", "not kept"),
    ]  # fmt: skip
    assert climbed.ladder.stopped.startswith("stopped: same gains ")
    good = steps[1]
    assert good.verdict == "better" and good.against == "bad" and good.p is not None
    assert good.accuracy is not None and steps[0].accuracy is not None and good.gain is not None
    assert good.gain == pytest.approx(good.accuracy - steps[0].accuracy)
    assert good.options == ("model=basic_cnn", "training.epochs=12", "optim.lr=1e-3")
    assert all(step.seconds and step.parameters and step.command for step in steps)
    assert climbed.steps["title"].tolist() == ["bad", "good", "same"]


@pytest.mark.slow
def test_only_the_chosen_step_is_evaluated_on_the_test_set(
    climbed: fx.Recipe, outputs: Path
) -> None:
    runs = [load_run(climbed.folder / step.folder) for step in climbed.ladder.steps]
    assert [run.is_test_evaluated for run in runs] == [False, True, False]
    assert len((outputs / "test_evaluations.jsonl").read_text().splitlines()) == 1
    test = climbed.ladder.test
    assert test is not None and test["evaluations"] == 1
    assert test["test_acc"] == climbed.chosen.metrics["test_acc"]


@pytest.mark.slow
def test_p_values_allow_for_all_steps_of_the_recipe(climbed: fx.Recipe) -> None:
    bad, good = (climbed.folder / step.folder for step in climbed.ladder.steps[:2])
    alone, _, _ = judge(bad, good, 1, 0.01, 0.05)
    assert alone.p_holm is not None and climbed.ladder.steps[1].p is not None
    assert climbed.ladder.steps[1].p == pytest.approx(3 * alone.p_holm)


@pytest.mark.slow
def test_steps_have_one_tracked_parent_with_the_ladder(climbed: fx.Recipe, outputs: Path) -> None:
    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments)
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(runs) == 4 and parent.info.status == "FINISHED"
    assert parent.data.metrics["s_val_acc"] == pytest.approx(climbed.ladder.steps[1].accuracy)
    assert "| same" in parent.data.tags["mlflow.note.content"]
    files = [file.path for file in client.list_artifacts(parent.info.run_id, "report")]
    assert f"report/{LADDER_FILE}" in files


@pytest.mark.slow
def test_the_page_shows_the_gains(climbed: fx.Recipe) -> None:
    (page,) = (climbed.folder / "report").glob("*.html")
    text = page.read_text()
    assert "good against bad" in text and "Chosen: good" in text


@pytest.mark.slow
def test_the_same_command_runs_nothing_again(climbed: fx.Recipe, outputs: Path) -> None:
    results = sorted(climbed.folder.glob("*/result.json"))
    before = {file: file.stat().st_mtime_ns for file in results}
    seconds = [step.seconds for step in climbed.ladder.steps]
    again = fx.recipe(*arguments(outputs, BAD, GOOD, SAME, NEVER, tracking="mlflow"))
    assert again.folder == climbed.folder
    assert before and before == {file: file.stat().st_mtime_ns for file in before}
    assert [step.seconds for step in again.ladder.steps] == seconds
    assert again.ladder.test == climbed.ladder.test


@pytest.mark.slow
def test_rope_and_stop_decide_where_a_recipe_ends(no_page: None, tmp_path: Path) -> None:
    """The other recipe of these tests stops where this one goes on."""
    line = arguments(tmp_path, BAD, SAME, GOOD)
    ladder = fx.recipe(*line, "recipe.stop=false", "recipe.rope=0.99").ladder
    assert [step.outcome for step in ladder.steps] == ["kept", "not kept", "not kept"]
    assert ladder.steps[2].reason == "better, by less than matters" and not ladder.stopped


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
    ladder = fx.recipe(*line, "recipe.stop=false").ladder
    assert [step.outcome for step in ladder.steps] == ["kept", "skipped", "skipped", "not kept"]
    assert "has one network only" in ladder.steps[1].reason
    assert "not in the cache" in ladder.steps[2].reason
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
    said = capsys.readouterr().out
    assert "test-time views: skipped: there is no step before it" in said
    assert "basic_cnn" not in said


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
        (['recipe.steps=["a: seed=1","b: seed={nme}"]'], "{nme} in seed={nme} is unknown"),
        (['recipe.steps=["a: seed=1","b: sed=2"]'], "sed: no such option"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(
    changes: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        fx.recipe(*arguments(tmp_path, BAD, GOOD), *changes)
    assert message in str(error.value)
    assert not (tmp_path / "sweeps").exists()


def test_options_of_recipes_need_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"recipe\.rope has no effect here: it needs a recipe, such as recipe=best"
    ):
        parse_arguments(["recipe.rope=0.1"])
    with pytest.raises(InputError, match="recipe: name one"):
        fx.recipe(*DATA)
    with pytest.raises(InputError, match=r"a recipe is several experiments; recipe\(…\) runs them"):
        fx.run(*arguments(tmp_path, BAD, GOOD))


def test_a_damaged_ladder_is_named(tmp_path: Path) -> None:
    assert read_ladder(tmp_path) is None
    (tmp_path / LADDER_FILE).write_text(json.dumps({"steps": [{"name": 1}]}))
    with pytest.raises(InputError, match="damaged"):
        read_ladder(tmp_path)
