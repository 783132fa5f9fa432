"""Many prompts in one go: read and checked whole, steered side by side, resumed where they stopped."""
