"""The contact sheet of a set of captioned pictures: one HTML file, which needs no script and no other file."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from aura_daemon.file_names import escaped
from aura_daemon.formats.datasets.rows import SetRow, alike, count
from aura_daemon.jobs.tasks import PictureState

MOST_GROUPS: Final = 200
"""Groups of pictures that look alike; the table has all."""


def contact_sheet(
    title: str, patterns: Sequence[str], rows: Sequence[SetRow], style: str, *, has_pictures: bool
) -> bytes:
    """The page. `title`: what the set is called; `style`: CSS; `has_pictures`: they lie beside it, each is a link."""
    groups = alike(rows)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{_text(title)}: captions</title><style>{style}</style></head><body>",
        f'<header><h1>{_text(title)}</h1><p class="of">{_text(", ".join(patterns))}</p>',
        f'<ul class="figures">{"".join(_figures(rows, len(groups)))}</ul></header><main>',
    ]
    if groups:
        parts.append(f'<h2>Look alike ({len(groups):,})</h2><div class="groups">')
        for group in groups[:MOST_GROUPS]:
            tiles = "".join(_small(row, has_pictures=has_pictures) for row in group)
            parts.append(f'<div class="group">{tiles}</div>')
        parts.append("</div>")
        if len(groups) > MOST_GROUPS:
            parts.append(f"<p>{len(groups) - MOST_GROUPS:,} more groups are in the table.</p>")
    parts.append('<h2>Pictures</h2><div class="grid">')
    parts += [_tile(row, has_pictures=has_pictures) for row in rows]
    parts.append("</div></main><footer>Made by aura-daemon. The same in figures: the table and the sidecar beside it.")
    parts.append("</footer></body></html>\n")
    return "\n".join(parts).encode("utf-8", "replace")


def _figures(rows: Sequence[SetRow], groups: int) -> Iterator[str]:
    """The numbers at the top; none that are nought, but of captions."""
    failed = count(rows, PictureState.FAILED)
    figures = (
        ("pictures" if len(rows) != 1 else "picture", len(rows), "", True),
        ("captioned", count(rows, PictureState.CAPTIONED), "", True),
        ("had their texts", count(rows, PictureState.KEPT), "", False),
        ("failed", failed, "bad", False),
        ("look like an earlier one", sum(bool(row.looks_like) for row in rows), "", False),
    )
    for name, number, kind, is_always in figures:
        if number or is_always:
            yield f'<li class="{kind}"><b>{number:,}</b><span>{name}</span></li>'


def _tile(row: SetRow, *, has_pictures: bool) -> str:
    one = row.picture
    is_bad = one.state is PictureState.FAILED
    said = f'<p class="why">{_text(one.reason or "no caption")}</p>' if is_bad else f"<p>{_text(one.text)}</p>"
    tags = "had its text" if one.state is PictureState.KEPT else ""
    tag = f'<span class="tag">{tags}</span>' if tags else ""
    size = f" · {row.width}×{row.height}" if row.width else ""
    return (
        f'<figure class="{one.state}">{_box(row, has_pictures=has_pictures and not is_bad)}<figcaption>{said}'
        f'<p class="name">{_text(one.file_name)}{size}</p>{tag}</figcaption></figure>'
    )


def _small(row: SetRow, *, has_pictures: bool) -> str:
    """A tile of a group of pictures that look alike."""
    box = _box(row, has_pictures=has_pictures and row.picture.state is PictureState.CAPTIONED)
    return f'<figure>{box}<figcaption><p class="name">{_text(row.picture.file_name)}</p></figcaption></figure>'


def _box(row: SetRow, *, has_pictures: bool) -> str:
    name = _text(row.picture.file_name)
    if row.thumbnail:
        source = base64.b64encode(row.thumbnail).decode()
        inner = f'<img alt="{_text(row.picture.text) or name}" src="data:image/webp;base64,{source}">'
    else:
        inner = "not readable"
    if not has_pictures or row.picture.state is PictureState.KEPT:
        return f'<div class="box">{inner}</div>'
    target = quote(row.picture.file_name.encode("utf-8", "surrogateescape"), safe="/")
    return f'<a class="box" href="./{target}">{inner}</a>'


def _text(text: str) -> str:
    """A text that no page takes for anything else."""
    return escape(escaped(text))
