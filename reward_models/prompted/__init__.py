"""A reward without training: a vision-language model is asked how much this person would like a picture.

See :mod:`reward_models.prompted.question` for what is asked, and :mod:`reward_models.prompted.decider` for who answers.
"""
