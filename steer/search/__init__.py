"""What is made of the rewards so far, apart from who writes the texts: memory, attribution, regression."""
