"""Small copies of the pictures that a person rated, kept where that person asked for it."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence

from PIL import Image

from steer.users.reward_data import TOLD, RewardData

SIDE = 256  # longest side, in pixels
MOST_BYTES = 1_000_000  # of one; a JPEG of this size has far fewer


def thumbnail(image: Image.Image) -> bytes:
    """A JPEG of a picture, with a longest side of at most :data:`SIDE` pixels."""
    small, out = image.convert("RGB"), io.BytesIO()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    small.save(out, "JPEG", quality=90)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    """The picture of a thumbnail, RGB. Raises ValueError for bytes that are none."""
    if len(data) > MOST_BYTES:
        raise ValueError("a kept picture is too large")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if max(image.size) > SIDE:
                raise ValueError(f"a kept picture has {image.width} x {image.height} pixels")
            return image.convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("a kept picture does not open") from error


class KeptPictures(RewardData):
    """The table ``thumbnails`` of the user store. Each row belongs to one person, and goes with them."""

    def keep_thumbnails(self, user: str, thumbnails: Mapping[str, bytes]) -> None:
        """Keep thumbnails by picture hash. Nothing is kept for a person who did not ask for it, or of a picture that
        they told nothing about.
        """
        with self.writing() as db:
            db.executemany(
                f"""INSERT OR REPLACE INTO thumbnails SELECT id, ?, ? FROM users
                    WHERE id = ? AND keep_pictures AND ? IN ({TOLD})""",
                [(h, data, user, h, user, user, user) for h, data in thumbnails.items()],
            )

    def keep_small(self, user: str, pictures: Mapping[str, Image.Image]) -> None:
        """Keep thumbnails of pictures by hash, if this person asked for it."""
        if self.keeps_pictures(user):
            self.keep_thumbnails(user, {h: thumbnail(image) for h, image in pictures.items()})

    def keeps_pictures(self, user: str) -> bool:
        """Whether this person asked to keep pictures."""
        with self._errors():
            row = self._db.execute("SELECT keep_pictures FROM users WHERE id = ?", (user,)).fetchone()
        return bool(row and row[0])

    def thumbnails(self, user: str, pictures: Sequence[str]) -> dict[str, bytes]:
        """A person's thumbnails by picture hash; pictures without one are left out."""
        return self._by_picture("SELECT picture, data FROM thumbnails WHERE user = ?", (user,), pictures)

    def kept(self, user: str) -> Collection[str]:
        """Hashes of the pictures of which a person has a thumbnail."""
        with self._errors():
            rows = self._db.execute("SELECT picture FROM thumbnails WHERE user = ?", (user,)).fetchall()
        return {r[0] for r in rows}
