"""Training of the miniature's models; ``python -m steer.miniature.train --help`` lists the steps."""
