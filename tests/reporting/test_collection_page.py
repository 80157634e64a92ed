"""A stranger's texts on the page stay texts."""

from __future__ import annotations

from fashion_exp.reporting.collection_page import ClassSheet, CollectionPage, Shown, html
from fashion_exp.reporting.tables import PlainTable


def page(shown: Shown) -> str:
    empty = PlainTable(["class"], [["dress"]])
    sheet = ClassSheet("dress", 1, "", [shown])
    return html(CollectionPage("mine", "today", "1 of 1", empty, [sheet], [["a", "b"]], empty))


def test_a_source_is_linked_and_a_script_is_not() -> None:
    shown = Shown(
        b"", "f", "red", "<b>Ada</b>", "by 2.0", "javascript:alert(1)", "https://a/1", True
    )
    text = page(shown)
    assert '<a href="https://a/1" rel="noreferrer nofollow">&lt;b&gt;Ada&lt;/b&gt;</a>' in text
    assert "javascript" not in text and "by 2.0" in text and "! conflict" in text
    assert "<script" not in text and "default-src 'none'" in text
