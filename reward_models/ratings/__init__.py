"""Ratings of pictures by people: the published sets and one's own, as one table."""

from reward_models.ratings.sets import load_ratings
from reward_models.ratings.table import DataError, Ratings

__all__ = ["DataError", "Ratings", "load_ratings"]
