from __future__ import annotations

from fashion_exp.reporting.collection_page import (
    ClassSection,
    CollectionPage,
    ImageCard,
    render_page,
)
from fashion_exp.reporting.tables import PlainTable


def test_escapes_untrusted_texts_and_links() -> None:
    card = ImageCard(
        b"", "f", "red", "<b>Ada</b>", "by 2.0", "javascript:alert(1)", "https://a/1", True
    )
    table = PlainTable(["class"], [["dress"]])
    section = ClassSection("dress", 1, "", [card])
    html = render_page(
        CollectionPage("collection", "today", "1 of 1", table, [section], [["a", "b"]], table)
    )
    assert '<a href="https://a/1" rel="noreferrer nofollow">&lt;b&gt;Ada&lt;/b&gt;</a>' in html
    assert "javascript" not in html and "by 2.0" in html and "! conflict" in html
    assert "<script" not in html and "default-src 'none'" in html
