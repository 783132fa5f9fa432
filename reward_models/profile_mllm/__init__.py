"""A frozen language model that lets the picture in by what a person's profile says.

In the manner of P-MLLM ("Enhancing Zero-shot Personalized Image Aesthetics Assessment with Profile-aware Multimodal
LLM", arXiv 2604.17233), whose equations are not public: the modules, the training tasks and the read-out are ours. See
:mod:`reward_models.profile_mllm.fusion` for what is learned, and docs/profile_mllm.md.
"""
