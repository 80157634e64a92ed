"""The tags, the note and the list of files that the tracking store has of a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fashion_exp.evaluation.run_dir import PART_FILES
from fashion_exp.reporting.formats import percent, pluralize
from fashion_exp.tracking.metric_names import meanings_table
from fashion_exp.tracking.provenance import source_tags

if TYPE_CHECKING:
    from fashion_exp.evaluation.summary import EvaluationSummary

TRACKED_FILES = (
    "result.json", "options.json", "environment.json", "split.csv", "left_out.csv", "history.csv",
    "trainings.csv", PART_FILES["validation"],
)  # fmt: skip
"""Files that are tracked beside the config and the figures: enough to compare the run elsewhere."""

TAGGED_FACTS = ("job_hash", "data_fingerprint", "split_hash", "weights")
"""The facts by which runs are searched. All facts are in result.json."""


def tags_of(facts: Mapping[str, str], environment: Mapping[str, str], seed: int) -> dict[str, str]:
    """The tags of a run; those of label versions too, if there are any."""
    tagged = {
        name: text
        for name, text in facts.items()
        if name in TAGGED_FACTS or name.startswith("labels_")
    }
    return {**tagged, "seed": str(seed), **source_tags(environment)}


def run_note(
    summaries: Sequence[EvaluationSummary], test_evaluations: int, accuracy: str = "accuracy"
) -> str:
    """The accuracies in words, by their name, and the meaning of the metrics."""
    names = [name for summary in summaries for name in summary.metrics()]
    lines = [line for summary in summaries for line in _sentences(summary, accuracy)]
    if test_evaluations > 1:
        lines.append(f"{test_evaluations} runs were evaluated on photos of this test set.")
    return "\n\n".join([*lines, meanings_table(names)])


def _sentences(summary: EvaluationSummary, name: str) -> list[str]:
    accuracy, t = summary.accuracy, summary.accuracy_t
    text = (
        f"**{summary.part.capitalize()} {name} {percent(accuracy.estimate)}** "
        f"({percent(accuracy.low)} to {percent(accuracy.high)}; {accuracy.method}, "
        f"{pluralize(summary.images, 'different image')}, for {accuracy.target})."
    )
    if omitted := summary.t_interval_omitted:
        text += f" No t-interval: {omitted}."
    else:
        text += (
            f" t-interval {percent(t.low)} to {percent(t.high)} ({t.method}, {t.scores} "
            f"trainings, for {t.claim})."
        )
    if summary.single_class_models:
        models = ", ".join(summary.single_class_models)
        return [text, f"These trainings predicted one class for every image: {models}."]
    return [text]
