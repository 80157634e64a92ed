"""Many experiments: `fashion_exp.sweep`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.api.runs import Run
from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir, outputs_of

if TYPE_CHECKING:
    import pandas as pd

    from fashion_exp.api.comparison import Comparison


@dataclass(frozen=True)
class Sweep:
    """A sweep by its folder. Nothing is read before it is used."""

    folder: Path

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def leaderboard(self) -> pd.DataFrame:
        """One row per job, best validation accuracy first; unfinished jobs last."""
        import pandas as pd

        from fashion_exp.sweeps.state import LEADERBOARD_FILE

        return pd.read_csv(self.folder / LEADERBOARD_FILE, index_col=0)

    @property
    def runs(self) -> list[Run]:
        """The finished jobs, best first."""
        runs, order = self.comparison.runs, self.comparison.ranking
        return [Run(runs[index].result.output) for index in order]

    @property
    def winner(self) -> Run:
        """The best by validation of those with the largest training share."""
        return self.runs[0]

    @cached_property
    def comparison(self) -> Comparison:
        """Each job against each. Raises `InputError` if no job has finished."""
        from fashion_exp.api.comparison import compare

        return compare(self.folder, outputs=outputs_of(self.folder / "job"))

    def _repr_html_(self) -> str:
        return self.comparison._repr_html_()


def sweep(*overrides: str) -> Sweep:
    """Runs one experiment per combination; the arguments are those of `--multirun`.

        sweep("dataset=folder", "dataset.root=photos", "optim.lr=1e-4,1e-3", "model.dropout=0,0.5")

    Called again, it runs only what is unfinished. The winner by validation is evaluated on the test
    set. Jobs that fail are listed in the leaderboard. Raises `InputError` for a mistake.
    """
    from fashion_exp.experiment.arguments import parse_arguments
    from fashion_exp.sweeps.jobs import sweep_name
    from fashion_exp.sweeps.run import run_sweep

    line = parse_arguments(["--multirun", *overrides])
    if line.info_only:
        raise InputError("sweep: takes no switch that prints something and runs nothing")
    run_sweep(line, line.jobs[0].sweep.evaluate_test)
    return Sweep(outputs_dir(line.jobs[0].outputs) / "sweeps" / sweep_name(line))
