"""Silence while weights are loaded that come with this package: nobody who uses them can act on what libraries say."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

# what torch and torchao say while they are imported
AT_IMPORT = ("torch", "torch.utils._pytree", "torchao")


@contextmanager
def quietly(*libraries: str) -> Iterator[None]:
    """No progress bars and no warnings of ``libraries`` ("transformers", "diffusers"), and nothing that torch and
    torchao log at import. All is as before afterwards.
    """
    with ExitStack() as afterwards:
        for name in AT_IMPORT:
            logger = logging.getLogger(name)
            afterwards.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        for name in libraries:
            own = importlib.import_module(f"{name}.utils.logging")
            afterwards.callback(own.set_verbosity, own.get_verbosity())
            own.set_verbosity_error()
            if own.is_progress_bar_enabled():
                afterwards.callback(own.enable_progress_bar)
                own.disable_progress_bar()
        yield
