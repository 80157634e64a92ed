"""albumentations is imported without its slow parts, and works as if it had them."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORT = """if True:
    import sys
    from fashion_exp.data.compat import import_albumentations

    albumentations = import_albumentations()
    print(sorted({"huggingface_hub", "scipy.special", "numpy.f2py"} & set(sys.modules)))
"""
USE = """if True:
    import huggingface_hub, numpy, scipy.special
    image = numpy.full((16, 16, 3), 90, "uint8")
    image[4:] = 200
    print(albumentations.RingingOvershoot(p=1)(image=image)["image"].shape)
    print(scipy.special.j1(0.0), bool(huggingface_hub.HfApi))
"""


def output_of(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.slow
def test_slow_parts_are_imported_when_they_are_used() -> None:
    assert output_of(IMPORT + USE) == ["[]", "(16, 16, 3)", "0.0 True"]


@pytest.mark.slow
def test_transforms_are_the_same_whoever_imported_albumentations() -> None:
    names = "\n    print(sorted(name for name in vars(albumentations) if name[0].isupper()))"
    directly = "import albumentations\nif True:"
    assert output_of(IMPORT + "if True:" + names)[1:] == output_of(directly + names)
