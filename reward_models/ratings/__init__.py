"""Ratings of pictures by people: the published sets and one's own, as one table.

Import from the modules. This file imports nothing, so that scoring, which needs `arrays` alone, works
without pandas.
"""
