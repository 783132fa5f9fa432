"""Linear-Hidden: one ridge a person on the hidden states of a frozen vision-language model (Ryu and Yanaka 2026, arXiv
2604.11374).
"""
