"""Evidence: does steering work, for whom, at what price? A study is conditions x users x prompts x seeds, judged by who
never steered.
"""
