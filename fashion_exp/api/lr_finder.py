"""The learning-rate finder: `fashion_exp.find_lr`."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from fashion_exp.experiment.lr_finder import LrCurve


@dataclass(frozen=True)
class LrFinder:
    """A learning-rate range test."""

    curve: LrCurve
    model: str
    figure: Path

    @property
    def suggested(self) -> float:
        """A rate to start from, for `optim.lr`."""
        return self.curve.suggested

    @property
    def table(self) -> pd.DataFrame:
        """One row for each update: lr, loss, smoothed."""
        import pandas as pd

        curve = self.curve
        return pd.DataFrame({"lr": curve.rates, "loss": curve.losses, "smoothed": curve.smoothed})

    @property
    def sweep(self) -> str:
        """Values around the suggestion, as a sweep takes them."""
        values = (self.suggested * factor for factor in (0.1, 0.3, 1, 3))
        return "optim.lr=" + ",".join(f"{value:.2g}" for value in values)

    def as_json(self) -> dict[str, Any]:
        return {
            "suggested": self.suggested,
            "sweep": self.sweep,
            "model": self.model,
            "training_images": self.curve.images,
            "updates": self.table.to_dict("records"),
            "figure": str(self.figure),
        }


def find_lr(
    *overrides: str, into: str | PathLike[str] | None = None, lowest: float | None = None,
    highest: float | None = None, updates: int | None = None,
) -> LrFinder:  # fmt: skip
    """Raises the learning rate from update to update, and suggests one from the training loss.

    The arguments are those of an experiment. The model of its first training is trained for some
    updates on the training images of its first fold; nothing is evaluated. The picture is written
    into `into`, or else below `outputs/lr_finder`. Raises `InputError` for a mistake in them.
    """
    from fashion_exp.data.sources.load import load_images_cached
    from fashion_exp.experiment.arguments import parse_arguments
    from fashion_exp.experiment.lr_finder import HIGHEST, LOWEST, UPDATES, measure_lr_curve
    from fashion_exp.experiment.setup import check_names
    from fashion_exp.experiment.worker import log_to_console
    from fashion_exp.extensions.files import read_code, use_code
    from fashion_exp.paths import outputs_dir, unique_name
    from fashion_exp.reporting import style
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.lr_figure import lr_figure
    from fashion_exp.reporting.progress import Progress

    line = parse_arguments(overrides)
    cfg = line.jobs[0] if line.jobs else None
    if cfg is None or line.multirun or cfg.recipe.name or cfg.resume or cfg.extend:
        raise InputError("find_lr: takes the options of one experiment, OPTION=VALUE")
    outputs = outputs_dir(cfg.outputs)
    use_code(read_code(cfg.extensions))
    check_names(cfg)
    console = plain_console(stderr=True)
    with log_to_console(console), Progress(console) as progress:
        images = load_images_cached(cfg.dataset, outputs / "cache", cfg.training.targets)
        curve = measure_lr_curve(
            cfg, images, progress, lowest=LOWEST if lowest is None else lowest,
            highest=HIGHEST if highest is None else highest,
            updates=UPDATES if updates is None else updates,
        )  # fmt: skip
    new = outputs / "lr_finder" / unique_name(cfg.model.name)
    file = (Path(into) if into is not None else new) / "lr.png"
    title = f"{cfg.model.name}, {cfg.optim.name}: learning-rate range test"
    figure = lr_figure(curve.rates, curve.losses, curve.smoothed, curve.suggested, title)
    style.save(figure, file)
    return LrFinder(curve, cfg.model.name, file)
