"""A model that says in words and numbers what it makes of a picture, and for whom.

In the manner of CALM (Liu et al., AAAI 2025, arXiv 2412.11952): a frozen vision tower, a module that aligns three of
its depths and all of its patches with a language model, and training by text alone. See docs/calm.md for what is the
paper's and what is ours.
"""
