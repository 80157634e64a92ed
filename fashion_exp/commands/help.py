"""What `--help` prints. Hydra's own help would compose every group first, for a second or two."""

from __future__ import annotations

from pathlib import Path

SUBCOMMANDS = {
    "compare": "which of several runs is better, and whether the data support it",
    "report": "the same as a page with figures",
    "data": "collect, check, group and relabel images: data --help",
    "sweep": "list sweeps and show their progress: sweep list, sweep status",
    "cache": "list, clear and verify cached results",
    "doctor": "find and fix what crashed processes and older versions left behind",
    "ui": "show the results in MLflow's web pages",
}
"""Each is a module of `commands`."""

USAGE = """\
fashion_exp: image classification experiments with sound statistical conclusions

fashion_exp [GROUP=CHOICE …] [OPTION=VALUE …]            run one experiment
fashion_exp --multirun [OPTION=VALUE,VALUE …]            run one experiment per combination
"""

OPTIONS = """\
Frequently used options:

  optim.lr=2e-4  model.dropout=0.5  split.train_ratio=0.5  training.epochs=20
  training.batch_size=32  repeats=5  seed=1  dataset.root=PHOTOS
  dataset.classes='[dress,shirt]'  dataset.rename='{longsleeve: Pullover}'
  tracking.uri=http://SERVER:5000  resume=outputs/runs/…

All options with type, unit and range: fashion_exp/configuration/schema.py. `--cfg job` prints the
composed config. `--config-dir=FOLDER` adds your own choices: FOLDER/optim/mine.yaml is optim=mine.
`--hydra-help` lists Hydra's switches.
"""


def help_text(conf: Path) -> str:
    """Usage, subcommands, and the groups with their choices in the folder `conf`."""
    subcommands = "\n".join(
        f"fashion_exp {name} …".ljust(57) + text for name, text in SUBCOMMANDS.items()
    )
    groups = "\n".join(
        f"  {folder.name}: {', '.join(choices(folder))}"
        for folder in sorted(conf.iterdir())
        if folder.is_dir() and folder.name != "hydra"
    )
    return f"{USAGE}{subcommands}\n\nGroups and their choices:\n\n{groups}\n\n{OPTIONS}"


def choices(group: Path) -> list[str]:
    """The choices of a group; a file that begins with _ holds defaults that they share."""
    return sorted(file.stem for file in group.glob("*.yaml") if not file.stem.startswith("_"))
