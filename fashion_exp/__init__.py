"""Image classification experiments with sound statistical conclusions.

The Python API, which the command line uses too:

    import fashion_exp as fx

    run = fx.run("dataset=folder", "dataset.root=photos", "model=resnet50", "optim.lr=2e-4")
    run.metrics["val_acc"], run.predictions("validation"), run.predict(["photo.jpg"])
    sweep = fx.sweep("dataset=folder", "dataset.root=photos", "optim.lr=1e-4,1e-3")
    fx.compare([run, sweep]).verdicts

Importing this package loads nothing else: a function is loaded when it is first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fashion_exp.api.active import LabelingSimulation, learning_curve, simulate_labeling
    from fashion_exp.api.annotators import annotators
    from fashion_exp.api.comparison import Comparison, compare
    from fashion_exp.api.estimates import estimate, items_to_label
    from fashion_exp.api.judging import Flips, Judgement, flips, flips_page, judge
    from fashion_exp.api.labeling import Between, NextLabels, label_between, label_next
    from fashion_exp.api.lr_finder import LrFinder, find_lr
    from fashion_exp.api.racing import Race, race
    from fashion_exp.api.recipes import Recipe, recipe
    from fashion_exp.api.runs import Run, load, run
    from fashion_exp.api.search import Index, build_index, open_index
    from fashion_exp.api.shortcuts import leave_one_source_out, shortcuts
    from fashion_exp.api.slices import SliceAnalysis, slices
    from fashion_exp.api.studies import export_study, import_study
    from fashion_exp.api.sweeps import Sweep, sweep
    from fashion_exp.errors import InputError
    from fashion_exp.extensions.registry import (
        register_callback,
        register_loss,
        register_metric,
        register_model,
        register_optimizer,
        register_schedule,
        register_source,
        register_transform,
    )

__all__ = [
    "Between", "Comparison", "Flips", "Index", "InputError", "Judgement", "LabelingSimulation",
    "LrFinder", "NextLabels", "Race", "Recipe", "Run", "SliceAnalysis", "Sweep", "annotators",
    "build_index", "compare", "estimate", "export_study", "find_lr", "flips", "flips_page",
    "import_study", "items_to_label", "judge", "label_between", "label_next", "learning_curve",
    "leave_one_source_out", "load", "open_index", "race", "recipe", "register_callback",
    "register_loss", "register_metric",
    "register_model", "register_optimizer", "register_schedule", "register_source",
    "register_transform", "run", "shortcuts", "simulate_labeling", "slices", "sweep",
]  # fmt: skip

_MODULES = {
    "fashion_exp.api.active": ("LabelingSimulation", "learning_curve", "simulate_labeling"),
    "fashion_exp.api.annotators": ("annotators",),
    "fashion_exp.api.comparison": ("Comparison", "compare"),
    "fashion_exp.api.estimates": ("estimate", "items_to_label"),
    "fashion_exp.api.judging": ("Flips", "Judgement", "flips", "flips_page", "judge"),
    "fashion_exp.api.labeling": ("Between", "NextLabels", "label_between", "label_next"),
    "fashion_exp.api.lr_finder": ("LrFinder", "find_lr"),
    "fashion_exp.api.racing": ("Race", "race"),
    "fashion_exp.api.recipes": ("Recipe", "recipe"),
    "fashion_exp.api.runs": ("Run", "load", "run"),
    "fashion_exp.api.search": ("Index", "build_index", "open_index"),
    "fashion_exp.api.shortcuts": ("leave_one_source_out", "shortcuts"),
    "fashion_exp.api.slices": ("SliceAnalysis", "slices"),
    "fashion_exp.api.studies": ("export_study", "import_study"),
    "fashion_exp.api.sweeps": ("Sweep", "sweep"),
    "fashion_exp.errors": ("InputError",),
    "fashion_exp.extensions.registry": (
        "register_callback", "register_loss", "register_metric", "register_model",
        "register_optimizer", "register_schedule", "register_source", "register_transform",
    ),
}  # fmt: skip

# Idle OpenMP threads sleep instead of spinning: one other busy process on a core would otherwise
# slow training down four times. torch reads this when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
