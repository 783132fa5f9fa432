"""One person's taste beside everybody's, for every family.

    rating = crowd(x) + picture effect + level + taste(x) + noise

``crowd`` is what people like on average, by features; a picture effect is what all share about a picture and its
features do not show; a level is how high or low a person rates everything; ``taste`` is what is this person's alone.
"""
