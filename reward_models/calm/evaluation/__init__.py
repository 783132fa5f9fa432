"""What a model that comments on pictures is worth: comments beside people's, faults that it names, a person's taste
from five examples.
"""
