"""What libraries say while shipped weights are loaded is kept away, and nothing else."""

from __future__ import annotations

import logging

import diffusers.utils.logging
import pytest
import transformers.utils.logging

from reward_models.quiet import quietly


@pytest.mark.parametrize("bars", [True, False])
def test_silent_inside_and_as_before_afterwards(bars):
    own = transformers.utils.logging
    before = own.get_verbosity(), logging.getLogger("torchao").level, own.is_progress_bar_enabled()
    try:
        own.set_verbosity_info()
        (own.enable_progress_bar if bars else own.disable_progress_bar)()
        with quietly("transformers", "diffusers"):
            assert own.get_verbosity() == logging.ERROR
            assert not own.is_progress_bar_enabled()
            assert not diffusers.utils.logging.is_progress_bar_enabled()
            assert not logging.getLogger("torchao").isEnabledFor(logging.WARNING)
        assert own.get_verbosity() == logging.INFO
        assert own.is_progress_bar_enabled() == bars
        assert logging.getLogger("torchao").level == before[1]
    finally:
        own.set_verbosity(before[0])
        (own.enable_progress_bar if before[2] else own.disable_progress_bar)()


def test_as_before_after_an_error_too():
    before = transformers.utils.logging.get_verbosity()
    with pytest.raises(OSError, match="torn"), quietly("transformers"):
        raise OSError("torn")
    assert transformers.utils.logging.get_verbosity() == before
