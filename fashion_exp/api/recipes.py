"""A recipe: `fashion_exp.recipe`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.api.runs import Run
from fashion_exp.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from fashion_exp.recipes.result import RecipeResult


@dataclass(frozen=True)
class Recipe:
    """A recipe by its folder. Nothing is read before it is used."""

    folder: Path

    def __fspath__(self) -> str:
        return str(self.folder)

    @cached_property
    def result(self) -> RecipeResult:
        """Its steps, with the level and the width of what does not matter. Raises `InputError`."""
        from fashion_exp.recipes.result import RESULT_FILE, read_result

        result = read_result(self.folder)
        if result is None:
            raise InputError(f"{self.folder}: no {RESULT_FILE}; run the recipe first")
        return result

    @property
    def steps(self) -> pd.DataFrame:
        """One row per step: accuracy, gain with limits, verdict, outcome, seconds, parameters."""
        import pandas as pd

        return pd.DataFrame([vars(step) for step in self.result.steps])

    @property
    def chosen(self) -> Run:
        """The last step that was kept. Raises `InputError` if there is none."""
        step = self.result.chosen
        if step is None:
            raise InputError(f"{self.folder}: no step was kept; `steps` has the reasons")
        return Run(self.folder / step.folder)


def recipe(*overrides: str) -> Recipe:
    """Runs a recipe; the arguments are those of the command line.

        recipe("recipe=best", "dataset=folder", "dataset.root=photos")

    Called again, it runs only what is unfinished. Raises `InputError` for a mistake.
    """
    from fashion_exp.experiment.arguments import parse_arguments
    from fashion_exp.recipes.plan import recipe_folder
    from fashion_exp.recipes.run import run_recipe

    line = parse_arguments(overrides)
    if line.info_only or line.multirun or line.jobs[0].recipe.name is None:
        raise InputError("recipe: name one: recipe=best")
    run_recipe(line)
    return Recipe(recipe_folder(line))
