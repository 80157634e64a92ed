"""Which folders below a root are classes, which are parts, and which only wrap the others.

Recognized are class folders, parts (train, validation, test by their names) with class folders
inside, and class folders with parts inside. Folders without images decide nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from fashion_exp.configuration.schema import Layout
from fashion_exp.data.image_files import printable_path
from fashion_exp.data.sources.folder_tree import Folder
from fashion_exp.data.sources.parts import PARTS, is_filler, is_unlabeled, split_name
from fashion_exp.errors import InputError

_MIN_SHARED_NAMES = 0.5
"""Share of the names of second-level folders that recur below other first-level folders, from which
the second level may be the classes."""

_MAX_SHOWN = 5
"""Number of folders that a message names."""


class OptionNames(NamedTuple):
    """How messages name the folder, and the option that chooses a layout."""

    root: str = "dataset.root"
    layout: str = "dataset.layout="


RUN_OPTIONS = OptionNames()


class ClassFolder(NamedTuple):
    name: str
    part: str
    path: Path


@dataclass(frozen=True)
class FolderLayout:
    class_folders: tuple[ClassFolder, ...]
    above: Mapping[Path, str]
    """{folder above the class folders: its part or ""}; images directly in them have no class."""
    notes: tuple[str, ...] = ()


class _Part(NamedTuple):
    path: tuple[Folder, ...]
    """From the folder of the part to the folder that has the class folders."""
    part: str

    @property
    def inner(self) -> Folder:
        return self.path[-1]


def find_layout(
    root: Path, layout: Layout | None = None, names: OptionNames = RUN_OPTIONS
) -> FolderLayout:
    """The layout of a folder; None, as in runs of earlier versions, is `Layout.auto`.

    Raises `InputError`, with the readings and the options that choose one, if there are several.
    """
    path = [Folder(root)]
    while (inner := _wrapped(path[-1], layout)) is not None:
        path.append(inner)
    if layout is Layout.classes:
        return _classes(path)
    if layout is Layout.parts:
        return _parts(path, {child: split_name(child.name)[0] for child in path[-1].populated})
    return _recognize(path, names)


def _wrapped(folder: Folder, layout: Layout | None) -> Folder | None:
    """The only subfolder with images, if the folder cannot be a data set without entering it."""
    if not folder.is_branching or len(folder.populated) > 1:
        return None
    (only,) = folder.populated
    if not only.is_branching or (layout is Layout.parts and not _all_branch(only.populated)):
        return None
    inner_parts = {child.part for child in only.populated}
    has_parts_inside = "" not in inner_parts and len(inner_parts) > 1
    return only if has_parts_inside or not only.part else None


def _all_branch(folders: Iterable[Folder]) -> bool:
    return all(folder.is_branching for folder in folders)


def _recognize(path: Sequence[Folder], names: OptionNames) -> FolderLayout:
    children = path[-1].populated
    if parts := _parts_by_name(children):
        others = [child for child in children if child not in parts and not _is_unlabeled(child)]
        if others:
            raise InputError(
                f"{names.root}: '{path[-1].path}' has other folders besides the parts "
                f"{_list(parts)}: {_list(others)}; if these are parts too, set {names.layout}parts "
                "(images directly in them are not used); if all are classes, set "
                f"{names.layout}classes; otherwise move them"
            )
        return _parts(path, parts | {c: "" for c in children if c not in parts})
    if children and all(child.part for child in children):
        return FolderLayout((), _above(path, {child: child.part for child in children}))
    if len({child.part for child in children} - {""}) > 1:
        parts = {child: child.part for child in children if child.part}
        raise InputError(
            f"{names.root}: '{path[-1].path}' has the parts {_list(parts)} without class folders "
            f"beside {_list(child for child in children if not child.part)}; if all are classes, "
            f"set {names.layout}classes; otherwise move the ones that are not"
        )
    with_parts = [child for child in children if _has_parts_inside(child)]
    inner_parts = [inner for child in with_parts for inner in child.populated]
    if _repeats_names(inner_parts):
        _refuse_two_readings(path[-1], inner_parts, names)
    if with_parts and len(with_parts) == len(children):
        return _classes_with_parts(path)
    if with_parts:
        others = [child for child in children if child not in with_parts]
        raise InputError(
            f"{names.root}: in '{path[-1].path}', {_list(with_parts[:1])} has the parts "
            f"{_list(with_parts[0].populated)} inside, but {_list(others)} not; arrange all "
            f"classes alike, or set {names.layout}classes to ignore the parts"
        )
    if _repeats_names(children):
        _refuse_two_readings(path[-1], children, names)
    return _classes(path)


def _refuse_two_readings(
    folder: Folder, above_classes: Sequence[Folder], names: OptionNames
) -> NoReturn:
    inner = sorted({child.class_name for parent in above_classes for child in parent.populated})
    raise InputError(
        f"{names.root}: '{folder.path}' can be read in two ways: {_list(folder.populated)} are "
        f"parts of the data with the classes {_shorten(inner)} (set {names.layout}parts, and name "
        "the folders train, validation and test if they are), or they are the classes themselves "
        f"(set {names.layout}classes)"
    )


def _parts_by_name(children: Sequence[Folder]) -> dict[Folder, str]:
    """{folder: part} of the folders that are parts by their names; empty if none has classes.

    A word for a part beside other words ("fruits_test") counts if the folders inside confirm it, or
    if all folders have such names and the same other words.
    """
    surely = {child: child.part for child in children if child.part}
    possible = {c: split_name(c.name)[0] for c in children if split_name(c.name)[0]}
    if any(child.populated for child in surely):
        classes = {inner.class_name for child in surely for inner in child.populated}
        return surely | {
            child: part for child, part in possible.items() if _names_inside(child) & classes
        }
    labeled = [child for child in children if not _is_unlabeled(child)]
    if len(possible) < len(labeled) or not any(child.is_branching for child in possible):
        return {}
    has_one_stem = len({split_name(child.name)[1] for child in possible}) == 1
    is_several = len(set(possible.values())) > 1
    return possible if is_several and (has_one_stem or _repeats_names(children)) else {}


def _is_unlabeled(folder: Folder) -> bool:
    """Whether a folder such as seg_pred has no classes by its name and by what is inside."""
    inner = folder.populated
    has_no_classes = not inner or (len(inner) == 1 and not inner[0].populated)
    return is_unlabeled(folder.name) and has_no_classes


def _names_inside(folder: Folder) -> set[str]:
    return {inner.class_name for inner in folder.populated}


def _has_parts_inside(folder: Folder) -> bool:
    parts = {inner.part for inner in folder.populated}
    return folder.is_branching and "" not in parts and len(parts) > 1


def _repeats_names(children: Sequence[Folder]) -> bool:
    """Whether the folders inside several of the `children` have the same names, as classes have."""
    names = Counter(name for c in children if c.is_branching for name in _names_inside(c))
    repeated = sum(count > 1 for count in names.values())
    least = 1 if _all_branch(children) else 2
    return repeated >= max(least, _MIN_SHARED_NAMES * len(names))


def _classes(path: Sequence[Folder]) -> FolderLayout:
    folder = path[-1]
    notes = []
    if len(path) > 1:
        notes.append(f"The classes are the folders in {_relative(path[1:])}.")
    if named := [child for child in folder.populated if child.part]:
        notes.append(f"Read as classes, not as official parts: {_list(named)}.")
    classes = tuple(ClassFolder(c.class_name, "", c.path) for c in folder.folders)
    return FolderLayout(classes, _above(path), tuple(notes))


def _classes_with_parts(path: Sequence[Folder]) -> FolderLayout:
    children = path[-1].populated
    classes = tuple(
        ClassFolder(child.class_name, inner.part, inner.path)
        for child in children
        for inner in child.populated
    )
    present = {folder.part for folder in classes}
    parts = ", ".join(part for part in PARTS if part in present)
    where = f"in {_relative(path[1:])}" if len(path) > 1 else "at the top"
    note = f"The classes are the folders {where}; each has the official parts {parts} inside."
    return FolderLayout(classes, _above(path, dict.fromkeys(children, "")), (note,))


def _parts(path: Sequence[Folder], parts: Mapping[Folder, str]) -> FolderLayout:
    part_folders = [item for child, part in parts.items() for item in _unwrap((child,), part)]
    while _have_one_wrapper(part_folders):
        part_folders = [_Part((*f.path, *f.inner.populated), f.part) for f in part_folders]
    classes = [
        ClassFolder(folder.class_name, part.part, folder.path)
        for part in part_folders
        for folder in part.inner.folders
    ]
    with_classes = [part for part in part_folders if part.inner.populated]
    described = [f"{_relative([*path[1:], *p.path])} ({p.part or 'none'})" for p in with_classes]
    notes = [f"Official parts: {_shorten(described)}; the folders inside are the classes."]
    if unlabeled := [part for part in part_folders if part.part and not part.inner.populated]:
        texts = [_relative([*path[1:], *part.path]) for part in unlabeled]
        notes.append(f"Parts without class folders, not used: {_shorten(texts)}.")
    if empty := [folder for folder in path[-1].folders if folder not in parts]:
        notes.append(f"Folders without images, ignored: {_list(empty)}.")
    folders = {folder: part.part for part in part_folders for folder in part.path}
    return FolderLayout(tuple(classes), _above(path, folders), tuple(notes))


def _unwrap(path: tuple[Folder, ...], part: str) -> Iterator[_Part]:
    """The parts in a part folder: itself, the folder it only wraps, or parts inside it."""
    folder = path[-1]
    inner = folder.populated
    is_wrapper = len(inner) == 1 and (
        inner[0].name.casefold() == folder.name.casefold() or is_filler(inner[0].name)
    )
    has_parts = any(child.populated for child in inner) and all(child.part for child in inner)
    if folder.has_images or not (is_wrapper or has_parts):
        yield _Part(path, part)
        return
    for child in inner:
        # What is in a test part stays test, whatever the folders inside are called.
        yield from _unwrap((*path, child), child.part or part if part in ("", "train") else part)


def _have_one_wrapper(parts: Sequence[_Part]) -> bool:
    """Whether all parts have one folder of the same name, which can be no class alone."""
    inner = [part.inner for part in parts if part.inner.populated]
    names = {name for folder in inner for name in _names_inside(folder)}
    return len(names) == 1 and _all_branch(inner) and all(_all_branch(f.populated) for f in inner)


def _above(path: Sequence[Folder], more: Mapping[Folder, str] | None = None) -> dict[Path, str]:
    return {f.path: "" for f in path} | {f.path: part for f, part in (more or {}).items()}


def _relative(path: Iterable[Folder]) -> str:
    return "".join(f"{printable_path(folder.name)}/" for folder in path)


def _list(folders: Iterable[Folder]) -> str:
    return _shorten([f"{printable_path(folder.name)}/" for folder in folders])


def _shorten(texts: Sequence[str]) -> str:
    more = len(texts) - _MAX_SHOWN
    return ", ".join(texts[:_MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")
