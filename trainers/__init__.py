"""Training of the miniature's models; ``python -m trainers --help`` lists the steps."""
