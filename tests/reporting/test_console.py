from __future__ import annotations

import io
import re

from fashion_exp.paths import PACKAGE
from fashion_exp.reporting.console import plain_console


def test_text_is_printed_as_it_is() -> None:
    text = "classes=[dress,hat] [red]x[/red] :hat: [/] 12"
    file = io.StringIO()
    plain_console(file=file, force_terminal=True, width=100).print(text)
    assert file.getvalue() == text + "\n"


def test_every_console_is_a_plain_one() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 200
    creating = [file.name for file in files if re.search(r"\bConsole\(", file.read_text())]
    assert creating == ["console.py"]
