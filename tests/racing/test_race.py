"""A race trains repeats until they decide, and every look has its share of alpha."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_exp.api.comparison import compare
from fashion_exp.api.racing import race
from fashion_exp.commands import race as command
from fashion_exp.comparison.looks import JOURNAL, begin_race
from fashion_exp.comparison.run_data import load_run
from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_code import RUN_CODE
from fashion_exp.evaluation.run_dir import IMPORT_FILE, RunDir
from fashion_exp.racing import race as racing
from fashion_exp.racing.race import Race
from fashion_exp.racing.recipes import config_to_repeat
from fashion_exp.stats.sequential import look_levels
from tests.conftest import TinyRun

OWN_LOSS = """import fashion_exp as fx
import torch.nn.functional as f

@fx.register_loss
def own(logits, targets):
    return {} * f.cross_entropy(logits, targets, reduction="none")
"""
BASE = ("cache.trainings=true", "repeats=2", "split.train_ratio=0.5")


@pytest.fixture
def two(tiny: Callable[..., TinyRun], tmp_path: Path) -> tuple[Path, Path, Path]:
    """A recipe that learns, one that learns nothing, and the outputs folder."""
    good = tiny("optim.lr=3e-3", "training.epochs=6", *BASE)
    bad = tiny("optim.lr=1e-9", "training.epochs=6", *BASE)
    return good.output, bad.output, tmp_path / "outputs"


@pytest.mark.slow
def test_race_ends_when_it_is_decided_and_leaves_two_runs(two: tuple[Path, Path, Path]) -> None:
    good, bad, outputs = two
    shown: list[int] = []
    result = race(good, bad, at_most=12, outputs=outputs,
                 on_look=lambda race: shown.append(race.looks[-1].repeats))  # fmt: skip
    assert (result.outcome, result.verdict) == ("decided", "better")
    last = result.looks[-1].repeats
    assert shown == [*range(4, last + 1)] and last < 12
    levels = look_levels(4, 12)
    assert [look.level for look in result.looks] == pytest.approx(levels[: last - 3])
    assert result.trained == 2 * (last - 2)  # the first two repeats of each were trained before
    assert result.figure.is_file()
    runs = [load_run(run) for run in result.runs]
    assert [len(run.train_sizes) for run in runs] == [last, last]
    assert not any(run.is_test_evaluated for run in runs)
    # `compare` has the same level for the same data, and the same verdict.
    comparison = compare(result.runs, outputs=outputs)
    (pair,) = comparison.pairs
    assert comparison.settings.pair_alpha == pytest.approx(result.looks[-1].level)
    assert pair.p_holm == result.looks[-1].p and pair.verdict == "better"
    assert any("look of" in sentence for sentence in comparison.conclusions)
    # The same call trains nothing and has the same answer.
    again = race(good, bad, at_most=12, outputs=outputs)
    assert again == result
    entries = [json.loads(line) for line in (outputs / JOURNAL).read_text().splitlines()]
    assert sum("race" in entry for entry in entries) == 1 + len(result.looks)
    # A race with another bound is another look at these recipes.
    assert begin_race(result.recipes, racing.PART, "accuracy", outputs, "other") == 2


@pytest.mark.slow
def test_each_side_of_a_race_has_its_own_code_also_once_its_file_has_changed(
    tiny: Callable[..., TinyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.py"
    origins = []
    for factor in ("1", "0"):
        file.write_text(OWN_LOSS.format(factor))
        options = (f"extensions=[{file}]", "training.loss=own", f"optim.lr={3 + int(factor)}e-3")
        origins.append(tiny("training.epochs=6", *options, *BASE))
    file.unlink()
    monkeypatch.setenv(RUN_CODE, "1")
    outputs = tmp_path / "outputs"
    good, bad = (origin.output for origin in origins)
    result = race(good, bad, at_most=4, outputs=outputs)
    assert result.verdict == "better"
    for origin, run in zip(origins, result.runs, strict=True):
        copy = Path("extensions", "own.py")
        assert (run / copy).read_text() == (origin.output / copy).read_text()
    placebo = compare(bad, placebo=1, outputs=outputs).placebo
    assert placebo is not None and (placebo.folder / "001" / copy).is_file()


def test_server_of_a_run_from_elsewhere_is_not_contacted(
    tiny: Callable[..., TinyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load_run(tiny().output)
    run.config.tracking.uri = "http://server.invalid"
    assert config_to_repeat(run, tmp_path).tracking.uri is None
    monkeypatch.setattr("fashion_exp.racing.recipes.was_begun_here", lambda run: True)
    assert config_to_repeat(run, tmp_path).tracking.uri == "http://server.invalid"


@pytest.mark.slow
def test_interrupted_race_goes_on_with_the_same_looks(
    two: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad, outputs = two
    monkeypatch.setattr(racing, "LEAST_CHANCE", -1.0)

    def stop(race: Race) -> None:
        if race.looks[-1].repeats == 5:
            raise KeyboardInterrupt

    options = {"at_most": 6, "alpha": 1e-9, "rope": 0.0, "outputs": outputs}
    with pytest.raises(KeyboardInterrupt):
        race(good, bad, on_look=stop, **options)  # type: ignore[arg-type]
    (folder,) = (outputs / "races").iterdir()
    stored = json.loads((folder / "race.json").read_text())
    first = [look["p"] for look in stored["looks"]]
    shown: list[int] = []
    result = race(good, bad, on_look=lambda race: shown.append(race.looks[-1].repeats),
                 **options)  # type: ignore[arg-type]  # fmt: skip
    assert len(first) == 1 and result.looks[0].p == first[0] and shown == [5, 6]
    assert result.outcome == "undecided" and [look.repeats for look in result.looks] == [4, 5, 6]
    assert all(RunDir(run).is_finished for run in result.runs)


@pytest.mark.slow
def test_race_that_will_not_decide_is_stopped(
    two: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad, outputs = two
    monkeypatch.setattr(racing, "LEAST_CHANCE", 2.0)
    result = race(good, bad, at_most=40, rope=0.0, alpha=1e-6, outputs=outputs)
    assert result.outcome == "stopped" and len(result.looks) == 1
    assert result.sentences[0].startswith("Stopped after 4 repeats of each: the chance that 40")


@pytest.mark.slow
def test_gate_of_a_race_decides_by_the_exit_code(
    two: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, outputs = two
    options = ["--at-most", "8", "--gate", "better", "--outputs", str(outputs), "--json"]
    code = command.run([str(bad), str(good), *options])
    content = json.loads(capsys.readouterr().out)
    assert code == 4 and content["gate"]["decision"] == "discard"
    assert content["schema"] == 1 and content["outcome"] == "decided"
    assert command.run([str(bad), str(good), *options[:-1]]) == 4
    assert "discard" in capsys.readouterr().out


@pytest.mark.slow
def test_what_cannot_be_raced_is_refused(
    two: tuple[Path, Path, Path], tiny: Callable[..., TinyRun]
) -> None:
    good, bad, outputs = two
    other_seed = tiny("optim.lr=3e-3", "training.epochs=6", "seed=3", *BASE).output
    other_split = tiny("optim.lr=3e-3", "split.seed=9", *BASE).output

    def refusal(a: Path, b: Path, **options: object) -> str:
        with pytest.raises(InputError) as error:
            race(a, b, outputs=outputs, **options)  # type: ignore[arg-type]
        return str(error.value)

    assert "same recipe" in refusal(good, other_seed)
    assert "same recipe" in refusal(good, good)
    assert "split.seed=0 and 9" in refusal(good, other_split)
    assert "at least 4 repeats" in refusal(good, bad, at_most=3)
    assert "from 1 to 200" in refusal(good, bad, at_most=0)
    assert "no such gate" in refusal(good, bad, gate="best")
    (other_split / IMPORT_FILE).write_text('{"command": "import"}')
    assert "imported predictions" in refusal(good, other_split)  # it cannot be trained otherwise
    assert not (outputs / "races").exists()
