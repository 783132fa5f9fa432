"""What is believed of a person, as lines and as a picture."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from steer.users.beliefs import Beliefs, Leaning

INK, PALE, PAPER = (32, 32, 36), (130, 130, 138), (250, 249, 246)
LIKED, DISLIKED, UNSURE, AVERAGE = (46, 125, 90), (178, 70, 60), (190, 188, 182), (214, 150, 20)
WIDTH, ROW, MARGIN, LABEL, HEAD = 860, 26, 32, 190, 92


def lines(found: Beliefs) -> list[str]:
    """Text for a terminal."""
    told = [f"{found.user}: {found.known:.0%} of what people differ by is known"]
    sure = [x for x in found.leanings if x.sure]
    for title, some in (
        ("likes", [x for x in sure if x.mean > 0]),
        ("dislikes", [x for x in sure[::-1] if x.mean < 0]),
    ):
        told.append(f"{title}:" + ("" if some else " nothing that is sure yet"))
        told += [
            f"  {x.phrase:22s} {x.mean:+.2f} [{x.low:+.2f}, {x.high:+.2f}]   average person {x.average:+.2f}"
            for x in some[:8]
        ]
    if found.nearest:
        told.append("most alike: " + ", ".join(f"{p} ({v:.2f})" for p, v in found.nearest))
    for s in found.surprises:
        told.append(f"surprised by {s.said:g} for '{s.prompt or s.picture[:12]}', expected {s.expected:.1f}")
    return told


def draw_beliefs(found: Beliefs) -> Image.Image:
    """A bar a phrase with its 95 % interval, by kind; grey where it is not sure, a mark where the average person is."""
    kinds = list(dict.fromkeys(x.kind for x in found.leanings))
    rows = sum(len([x for x in found.leanings if x.kind == k]) + 1 for k in kinds)
    notes = _notes(found)
    height = HEAD + rows * ROW + len(notes) * 22 + 2 * MARGIN
    sheet = Image.new("RGB", (WIDTH, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    title, text, small = ImageFont.load_default(24), ImageFont.load_default(15), ImageFont.load_default(13)
    draw.text((MARGIN, 20), f"What is believed of {found.user}", INK, title)
    draw.text(
        (MARGIN, 56),
        f"{found.known:.0%} of what people differ by is known; bars: liking above the others of a kind, "
        "lines: 95 %, orange: the average person",
        PALE,
        small,
    )
    reach = max([0.1, *(max(abs(x.low), abs(x.high)) for x in found.leanings)])
    middle = MARGIN + LABEL + (WIDTH - 2 * MARGIN - LABEL) // 2
    scale = (WIDTH - 2 * MARGIN - LABEL) / 2 / reach
    y = HEAD
    for kind in kinds:
        draw.text((MARGIN, y + 4), kind, PALE, small)
        y += ROW
        for leaning in [x for x in found.leanings if x.kind == kind]:
            draw.text((MARGIN + 12, y + 3), leaning.phrase, INK, text)
            _bar(draw, leaning, middle, y, scale)
            y += ROW
    for note in notes:
        draw.text((MARGIN, y + MARGIN // 2), note, INK, small)
        y += 22
    return sheet


def _bar(draw: ImageDraw.ImageDraw, x: Leaning, middle: int, y: int, scale: float) -> None:
    colour = (LIKED if x.mean > 0 else DISLIKED) if x.sure else UNSURE
    left, right = sorted((middle, middle + round(x.mean * scale)))
    draw.rectangle((left, y + 5, right, y + 19), fill=colour)
    draw.line((middle + x.low * scale, y + 12, middle + x.high * scale, y + 12), fill=INK, width=1)
    at = middle + x.average * scale
    draw.line((at, y + 3, at, y + 21), fill=AVERAGE, width=2)
    draw.line((middle, y, middle, y + ROW), fill=PALE, width=1)


def _notes(found: Beliefs) -> list[str]:
    notes = []
    if found.nearest:
        notes.append("most alike: " + ", ".join(f"{p} ({v:.2f})" for p, v in found.nearest))
    return notes + [
        f"surprised by {s.said:g} for '{s.prompt or s.picture[:12]}', expected {s.expected:.1f}"
        for s in found.surprises
    ]
