"""Every option once: its type, its unit and its range. The defaults are in `conf/`.

An option without a value here has its default in the YAML of its group. An option whose value here
is None belongs to some choices of its group only; `validation.OPTION_CONDITIONS` says to which, and
setting it elsewhere is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, get_type_hints

from omegaconf import MISSING
from pydantic import Field


@dataclass(frozen=True)
class Unit:
    """The unit of an option's values, for its documentation."""

    name: str


Share = Annotated[float, Field(gt=0, lt=1)]
"""A share of a whole, without 0 and 1."""
Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Natural = Annotated[int, Field(ge=0, le=100_000)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Scale = Annotated[float, Field(gt=0, le=100)]
Alpha = Annotated[float, Field(ge=0, le=100)]
Width = Annotated[int, Field(ge=1, le=65_536)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Pixels = Annotated[int, Field(ge=8, le=4096), Unit("px")]
Epochs = Annotated[Count, Unit("epochs")]
Images = Annotated[Count, Unit("images")]
PATH = "a path"
"""Marks text options that are paths: without --multirun, a comma is part of the path."""
PathText = Annotated[str, PATH]


class Fit(Enum):
    """How an image that is not square becomes square."""

    crop = "crop"  # scale the shorter side to the input size, keep the center
    pad = "pad"  # scale the longer side to the input size, fill with the mean color
    stretch = "stretch"  # scale both sides to the input size


class Interpolation(Enum):
    bilinear = "bilinear"
    bicubic = "bicubic"
    lanczos = "lanczos"
    nearest = "nearest"


class Layout(Enum):
    """What the folders directly in `dataset.root` are."""

    auto = "auto"  # recognized by their names and by the folders inside them
    classes = "classes"  # classes
    parts = "parts"  # parts of the data, train, validation and test by their names, with classes


class Head(Enum):
    own = "own"  # the network's own classifier with a new last layer
    new = "new"  # pooling, hidden layers and a last layer on the last feature map
    logistic = "logistic"  # logistic regression on features of a frozen backbone, to convergence
    knn = "knn"  # votes of the nearest training images, by features of a frozen backbone
    prototype = "prototype"  # the class with the nearest mean, by features of a frozen backbone

    @property
    def is_solved(self) -> bool:
        """Whether the head is computed from features at once instead of trained by epochs."""
        return self in (Head.logistic, Head.knn, Head.prototype)


class Pool(Enum):
    avg = "avg"
    flatten = "flatten"


class Preprocessing(Enum):
    weights = "weights"  # size, mean, std and interpolation that the weights were trained with
    dataset = "dataset"  # those of `dataset.*`, even if the weights were trained with others


class PhotoViews(Enum):
    """The views of a photo over which predictions are averaged."""

    none = "none"  # the photo
    flip = "flip"  # the photo and its mirror image
    five_crops = "five_crops"  # four corners and the middle of a photo 1/0.875 times as large


class OnFrozen(Enum):
    """What augmentation does if the backbone is frozen."""

    skip = "skip"  # nothing: features of the plain images are computed once
    views = "views"  # features of a fixed number of augmented views are computed once
    apply = "apply"  # new views in every epoch, each through the whole network


class ClassWeights(Enum):
    none = "none"
    balanced = "balanced"  # inversely proportional to the class frequency in the training part


class Targets(Enum):
    """What a model is trained to predict from a label of several classes."""

    single = "single"  # one class; images with several are left out
    soft = "soft"  # the share of each class; a prediction of an accepted class is right
    several = "several"  # all of them: one sigmoid for each class


class Loss(StrEnum):
    """The losses of this package."""

    cross_entropy = "cross_entropy"
    focal = "focal"  # cross-entropy with less weight on images that are classified well already
    bce = "bce"  # binary cross-entropy of each class against all others


class Sampling(Enum):
    shuffle = "shuffle"  # every training image once per epoch
    balanced = "balanced"  # every class equally often, in epochs of the same length


class Precision(Enum):
    auto = "auto"
    auto_bf16 = "auto_bf16"  # what `auto` resolves to if the hardware has bf16
    fp32 = "fp32"
    bf16 = "bf16"


class Keep(Enum):
    last = "last"
    best = "best"


@dataclass
class DatasetConfig:
    name: str = MISSING
    """The data source: garments, folder, csv, fashion_mnist or clothing."""
    image_size: Pixels | None = MISSING
    """Edge of the square network input, px. null: that of the weights, else of the data set."""
    channels: Annotated[int, Field(ge=1, le=3)] = MISSING
    """3: RGB, gray images are repeated; 1: gray, color images are converted."""
    fit: Fit = MISSING
    """How an image that is not square becomes square: crop, pad or stretch."""
    interpolation: Interpolation | None = MISSING
    """null: that of the weights, else bilinear."""
    mean: list[Probability] | None = MISSING
    """Per channel, for pixels in [0, 1]. null: that of the weights, else 0.5."""
    std: list[Scale] | None = MISSING
    """Per channel, for pixels in [0, 1]. null: that of the weights, else 0.5."""
    classes: list[str] | None = MISSING
    """The classes to use, in this order, by their names before renaming. null: all."""
    rename: dict[str, str] = MISSING
    """{old: new}; two classes with the same new name are merged."""
    root: PathText | None = None
    """Folder of the data; relative to the working directory."""
    layout: Layout | None = None
    """What the folders in `root` are: classes, parts (with classes inside), or auto: recognize."""
    manifest: PathText | None = None
    """CSV with the columns path, label and optionally group and split (the official part); paths
    relative to `root` or to it."""
    labels: PathText | None = None
    """current, none (the original labels), a version (v2), or a file of decisions on labels."""
    quarantine: PathText | None = None
    """CSV of files to leave out: path, reason. null: quarantine.csv in `root`, if it exists."""
    groups: PathText | None = None
    """CSV of files with a common source: path, group. null: groups.csv in `root`, if it exists."""
    download: bool | None = None
    """Whether missing files are downloaded from the data set's public home."""
    max_left_out: Probability | None = None
    """Share of unreadable, oversized or conflicting files above which the run is refused."""
    max_megapixels: Annotated[float, Field(gt=0, le=1000), Unit("10⁶ px")] | None = None
    """Files with more pixels are left out without decoding, 10⁶ px."""
    per_class: Images | None = None
    """Drawn images per class."""
    drawn_size: Pixels | None = None
    """Edge of the drawn images, px."""
    mislabelled: Probability | None = None
    """Share of drawn images with a wrong label."""
    ambiguous: Probability | None = None
    """Share of drawn images that are a mixture of two classes."""
    seed: Seed | None = None
    """Seed of the drawn images."""


@dataclass
class AugmentationConfig:
    operations: list[dict[str, Any]] = MISSING
    """Transforms of training images, in order: {name: HorizontalFlip, p: 0.5}; those of
    albumentations, and TrivialAugmentWide and RandAugment with torchvision's arguments."""
    evaluation: list[dict[str, Any]] = MISSING
    """Deterministic albumentations transforms for all images, applied before `operations`."""
    per_class: Annotated[int, Field(ge=1, le=1_000_000), Unit("images")] | None = MISSING
    """Training images per class after adding augmented copies. null: no copies."""
    mixup_alpha: Alpha = MISSING
    """Mixup: parameter of the Beta distribution that two images of a batch, or their stored
    features, are averaged with; the usual values are 0.1 to 1. 0: no mixup."""
    cutmix_alpha: Alpha = MISSING
    """CutMix: parameter of the Beta distribution of the area of an image that another one of the
    batch does not replace; usually 1. 0: no CutMix. With both, each batch has either."""
    on_frozen: OnFrozen = MISSING
    """With a frozen backbone: skip, views or apply."""
    views: Annotated[int, Field(ge=1, le=1000)] | None = MISSING
    """Views per image for on_frozen=views, one per epoch in turn. They depend on
    seeds.augmentation and the image, and are the same in every fold. null: 8."""


@dataclass
class ModelConfig:
    name: str = MISSING
    """basic_cnn, or a model of timm (`timm.list_models()` lists them). NAME:STAGE cuts it behind
    one of its stages, such as resnet50:layer3, whose output is averaged over the image. Follows
    from `backbones` if these are set: A+B."""
    weights: PathText = MISSING
    """auto, imagenet, none, a .safetensors or .pth file, or the folder of an earlier run."""
    head: Head = MISSING
    """own: the network's classifier with a new last layer; new: `pool` and `hidden`; logistic, knn
    or prototype: solved on features of a frozen backbone, without epochs."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = MISSING
    """Probability of zeroing an input of the last layer, and an output of each hidden layer."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = MISSING
    """Stochastic depth: probability of dropping the last residual branch of the backbone for an
    image; it falls linearly towards the input."""
    freeze: str = MISSING
    """auto (the backbone, if it is pretrained), backbone, none, or the last stage to freeze."""
    unfreeze: dict[str, str] = MISSING
    """{epochs: stage}: after so many epochs, only the network up to this stage stays frozen, or
    none of it: {3: layer3, 6: none}. Until then `freeze` holds. {}: `freeze` holds to the end."""
    preprocessing: Preprocessing = MISSING
    """weights: the input format that the weights were trained with; dataset: `dataset.*`."""
    pool: Pool | None = None
    """How a new head reads the last feature map: avg or flatten. null: avg."""
    hidden: Annotated[list[Width], Field(max_length=16)] | None = None
    """Widths of a new head's hidden layers. null: [256]."""
    c: Positive | None = None
    """Inverse of the regularization of a logistic head: C · sum of the losses + ½ ‖W‖² on
    standardized features. null: chosen by cross-validation inside the training part."""
    c_grid: Annotated[list[Positive], Field(min_length=2, max_length=100)] | None = None
    """The values of C to choose from. null: 1e-4 to 1, nine values evenly on a log scale."""
    c_folds: Annotated[int, Field(ge=2, le=100)] | None = None
    """Folds of the cross-validation that chooses C; groups stay undivided. null: 5."""
    neighbors: Count | None = None
    """Nearest training images that vote in a knn head. null: 10."""
    depth: Annotated[int, Field(ge=1, le=8)] | None = None
    """Convolutions of basic_cnn."""
    width: Annotated[int, Field(ge=1, le=4096), Unit("channels")] | None = None
    """Channels of basic_cnn's first convolution; each further one has twice as many."""
    backbones: list[str] | None = None
    """Frozen networks side by side, each as in `name`: the head reads their features one after the
    other, in this order. null: `name` alone."""
    test_views: PhotoViews = PhotoViews.none
    """Views of a photo over which a frozen backbone's predictions are averaged, at validation, test
    and in use: none, flip or five_crops. Training is as without them."""
    backbone_weights: dict[str, str] = field(default_factory=dict)
    """{network: weights}, each as in `weights`, which the other `backbones` have."""


@dataclass
class OptimConfig:
    name: str = MISSING
    """A class of torch.optim."""
    lr: Positive = MISSING
    """Learning rate of the head; that of the backbone is this times `backbone_lr_factor`."""
    weight_decay: NonNegative = MISSING
    """Weight decay (L2 penalty) of every parameter."""
    backbone_lr_factor: Annotated[float, Field(gt=0, le=1)] = MISSING
    """The backbone's learning rate as a share of `lr`."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = MISSING
    """Factor of the learning rate from a layer of the backbone to the one below it. 1: one rate."""
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Momentum of sgd and rmsprop."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the optimizer class, by its own names."""


@dataclass
class ScheduleConfig:
    name: str = MISSING
    """How the learning rate changes over the epochs: constant, cosine, step or exponential."""
    warmup_epochs: Annotated[Natural, Unit("epochs")] = MISSING
    """Epochs in which the learning rate rises linearly to its full value."""
    final_factor: Probability | None = None
    """cosine: the final learning rate as a share of the full one."""
    step_epochs: Epochs | None = None
    """step: epochs between two drops."""
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None
    """step, exponential: the factor of each drop."""


@dataclass
class SplitConfig:
    name: str = MISSING
    """holdout, kfold or official; twofold, repeated_kfold and 5x2cv are presets of kfold."""
    seed: Seed = MISSING
    """Seed of the test set and of every split."""
    test_share: Share = MISSING
    """Share of each class in the test set, unless the data set has an official one."""
    redraw: bool = MISSING
    """Whether each repeat has its own random split. false: only the training seeds differ."""
    train_ratio: Share | None = None
    """Share of the images outside the test set that are trained on; validation has the rest."""
    folds: Annotated[int, Field(ge=2, le=1000)] | None = None
    """Parts of a cross-validation; each is the validation set once."""


@dataclass
class TrainingConfig:
    epochs: Epochs = MISSING
    """Passes over the training images."""
    batch_size: Annotated[int, Field(ge=1, le=65_536), Unit("images")] = MISSING
    """Images per forward pass; an update uses `accumulate` of them."""
    accumulate: Annotated[int, Field(ge=1, le=10_000), Unit("forward passes")] = MISSING
    """Forward passes per update."""
    targets: Targets = MISSING
    """How labels of several classes, such as "dress|shirt", are trained on and judged: single (left
    out), soft (one of them: shares) or several (all of them: a sigmoid for each class)."""
    loss: str = MISSING
    """What training minimizes: cross_entropy, focal, bce, or a loss of `extensions`. Validation
    and test losses are always cross-entropies."""
    focal_gamma: Annotated[float, Field(ge=0, le=100)] | None = MISSING
    """Exponent of the focal loss; 0 is cross-entropy. null: 2."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = MISSING
    """Share of the target probability that is spread evenly over all classes."""
    class_weights: ClassWeights = MISSING
    """none, or balanced: inversely proportional to the class frequency."""
    sampling: Sampling = MISSING
    """Which images an epoch shows: shuffle (each once) or balanced (each class equally often)."""
    clip_norm: Positive | None = MISSING
    """Upper bound of the gradient norm. null: none."""
    ema_decay: Share | None = MISSING
    """Decay per update of an exponential moving average of the weights, which is evaluated and
    saved instead of the weights themselves. null: no average."""
    early_stopping: Epochs | None = MISSING
    """Epochs without a lower validation loss after which a training ends, counted from the last
    stage of `model.unfreeze` on. null: never."""
    keep: Keep = MISSING
    """The epoch whose model is evaluated: last, or best by validation loss."""
    precision: Precision = MISSING
    """auto: bf16 if the hardware has it and it is faster, else fp32."""
    device: str = MISSING
    """auto, cpu, cuda, cuda:1 or mps."""
    threads: Annotated[Count, Unit("threads")] | None = MISSING
    """CPU threads of one operation; changes the last digits. null: the cores divided by
    `processes`."""
    processes: Annotated[Count, Unit("processes")] = MISSING
    """Processes that train one model together, each on its share of every batch and on its own GPU
    if there are GPUs; changes the last digits."""
    compile: bool = MISSING
    """Whether the model is compiled with `torch.compile`: minutes once, then faster steps on GPUs;
    changes the last digits."""
    gradient_checkpointing: bool = MISSING
    """Whether activations inside the backbone's blocks are computed again for the gradients instead
    of being kept: less memory for more time; never changes a result."""
    workers: Annotated[Natural, Unit("processes")] = MISSING
    """Processes that augment images ahead; never changes a result."""


@dataclass
class SeedsConfig:
    """Each follows `seed` unless it is set."""

    initialisation: Seed = MISSING
    order: Seed = MISSING
    augmentation: Seed = MISSING
    dropout: Seed = MISSING


@dataclass
class TrackingConfig:
    name: str = MISSING
    """mlflow or none."""
    uri: PathText | None = None
    """The tracking server or database. null: `mlflow.db` in `outputs`."""
    experiment: str | None = None
    """The MLflow experiment that the runs belong to."""
    log_model: bool | None = None
    """Whether the trained models are logged to MLflow, as one model that takes photos."""


@dataclass
class CacheConfig:
    """`outputs/cache`, which never changes a result."""

    trainings: bool = MISSING
    """Whether a training that an earlier run has done is reused."""
    gigabytes: Annotated[float, Field(ge=0, le=1_000_000), Unit("10⁹ bytes")] = MISSING
    """Size above which the least recently used pixels and features are removed, 10⁹ bytes; those
    in use stay."""


@dataclass
class SweepConfig:
    """A multirun. The options from `parent` on are set by the sweep for its jobs."""

    name: str | None = MISSING
    """Name of the sweep's folder; the same name resumes. null: from the options."""
    zip: list[str] = MISSING
    """Swept options whose values go together: the first with the first, and so on."""
    points: list[str] = MISSING
    """Single grid points, each as it would be typed: "model=vgg16 optim.lr=2e-4"."""
    fresh: bool = MISSING
    """Whether to start over; the earlier sweep is moved aside, not deleted."""
    dry_run: bool = MISSING
    """Whether to list the jobs without running them."""
    evaluate_test: bool = MISSING
    """Whether the test predictions of every job are evaluated, not only of the best one
    (`--evaluate-test`)."""
    parent: str | None = MISSING
    """MLflow id of the sweep's tracked run."""
    swept: list[str] = MISSING
    """The options that differ between the jobs."""
    weights: dict[str, str] = MISSING
    """What `model.weights=auto` resolved to, by model."""
    experiment: str | None = MISSING
    """MLflow id of the experiment."""
    study: str | None = MISSING
    """Name of the Optuna study."""
    trial: Natural | None = MISSING
    """Number of the Optuna trial that the job is."""
    storage: str | None = MISSING
    """Storage of the Optuna study."""


@dataclass
class RecipeConfig:
    """Several experiments in turn, each judged against the best one before it."""

    name: str | None = MISSING
    """Name of the recipe. null: one experiment."""
    steps: list[str] | None = MISSING
    """"TITLE: OPTION=VALUE …" for each step; "TITLE: + OPTION=VALUE …" adds to the options of the
    best step so far. {backbone} is the first of `backbones` and {backbones} the list of all;
    {stage} is the last but one stage of the first, and {epochs} stands for `epochs`."""
    backbones: Annotated[list[str], Field(min_length=1)] | None = MISSING
    """Networks with pretrained weights, each as in `model.name`. The first one is fine-tuned."""
    weights: dict[str, str] | None = MISSING
    """{network: weights} of `backbones`, each as in `model.weights`; the others have imagenet."""
    epochs: Count | None = MISSING
    """Epochs of the steps that train the network."""
    rope: Annotated[float, Field(ge=0, lt=0.5)] | None = MISSING
    """Gain in accuracy, as a share, up to which a step is not worth its cost."""
    stop: bool | None = MISSING
    """Whether to stop at the first step whose gain is within ±rope."""
    minutes: Annotated[float, Field(gt=0, le=100_000), Unit("min")] | None = MISSING
    """A step that would take longer is skipped. The time is estimated before, from above."""


@dataclass
class Config:
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    seeds: SeedsConfig = field(default_factory=SeedsConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    recipe: RecipeConfig = field(default_factory=RecipeConfig)
    seed: Seed = MISSING
    """Seed of everything random in training; `seeds.*` follow it unless they are set."""
    repeats: Annotated[int, Field(ge=1, le=1000), Unit("trainings")] = MISSING
    """Trainings of every fold: each has its own initial weights and, with `split.redraw`, split."""
    confidence: Annotated[float, Field(ge=0.5, le=0.9999)] = MISSING
    """Confidence level of every interval."""
    outputs: PathText | None = MISSING
    """Folder for everything that is written. null: `outputs/` of the checkout or of the working
    directory."""
    resume: PathText | None = MISSING
    """Folder or name of an interrupted run to resume."""
    extend: PathText | None = None
    """Folder or name of a finished run to train for more epochs, in a new run."""
    extensions: list[str] = field(default_factory=list)
    """Python files of your own that register models, transforms, losses, metrics, optimizers,
    schedules, data sources or callbacks; relative to the working directory. docs/extensions.md."""


@cache
def field_types(kind: type) -> dict[str, Any]:
    """The annotations of a dataclass of this module, evaluated once: that takes long."""
    return get_type_hints(kind, include_extras=True)


GROUPS = frozenset(
    name for name, node in Config.__dataclass_fields__.items() if str(node.type).endswith("Config")
)
"""The options of `Config` that are groups of options."""

_SWEEP_NAMES = list(SweepConfig.__dataclass_fields__)
SWEEP_JOB_OPTIONS = frozenset(
    f"sweep.{name}" for name in _SWEEP_NAMES[_SWEEP_NAMES.index("parent") :]
)
"""Options that a sweep sets for its jobs."""

PATH_OPTIONS = {
    "dataset.root": (), "dataset.manifest": (), "dataset.quarantine": (), "dataset.groups": (),
    "dataset.labels": ("current", "none"), "model.weights": ("auto", "imagenet", "none"),
}  # fmt: skip
"""Options that name a file or folder to read, and their values that are no paths."""

RENAMED_OPTIONS = {"sweep.cells": "sweep.points", "sweep.open_test": "sweep.evaluate_test"}
"""Names of earlier versions, which still work."""

ADDED_OPTIONS: dict[str, object] = {
    "augmentation.mixup_alpha": 0.0,
    "augmentation.cutmix_alpha": 0.0,
    "training.targets": "single",
    "training.loss": "cross_entropy",
    "training.focal_gamma": None,
    "training.sampling": "shuffle",
    "training.ema_decay": None,
    "model.backbones": None,
    "model.backbone_weights": {},
    "model.test_views": "none",
    "model.c": None,
    "model.c_grid": None,
    "model.c_folds": None,
    "model.neighbors": None,
    "model.unfreeze": {},
    "model.drop_path": 0.0,
    "training.gradient_checkpointing": False,
    "optim.layer_decay": 1.0,
    "extensions": [],
    "extend": None,
}
"""Options that earlier versions lacked, with the value that they acted by. Stored configs without
the option have this value, and it leaves a job's fingerprint as it was."""

RESULT_NEUTRAL_OPTIONS = frozenset(
    {"outputs", "resume", "extend", "training.workers", "training.gradient_checkpointing"}
    | {f"tracking.{name}" for name in TrackingConfig.__dataclass_fields__}
    | {f"cache.{name}" for name in CacheConfig.__dataclass_fields__}
    | {f"recipe.{name}" for name in RecipeConfig.__dataclass_fields__}
    | {f"sweep.{name}" for name in SweepConfig.__dataclass_fields__ if name != "weights"}
)
"""Options that cannot change a result, and so are no part of a job's fingerprint."""


BESIDE = "+"
"""Joins the names of networks side by side: A+B."""


def single_backbones(model: ModelConfig) -> list[ModelConfig]:
    """The options of each backbone as if it stood alone."""
    return [
        replace(
            model, name=name, weights=model.backbone_weights.get(network_of(name), model.weights),
            backbones=None, backbone_weights={},
        )
        for name in model.backbones or [model.name]
    ]  # fmt: skip


def network_of(name: str) -> str:
    """The network of a `model.name`: a for a:layer3."""
    return name.partition(":")[0]


def flatten_options(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every option of a plain config by its dotted name, with its value."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and prefix + name in GROUPS:
            yield from flatten_options(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def to_plain(cfg: Config) -> dict[str, Any]:
    """The config as nested dicts of plain values, as in YAML and JSON."""
    return asdict(cfg, dict_factory=_plain_values)


def _plain_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.value if isinstance(value, Enum) else value for name, value in pairs}
