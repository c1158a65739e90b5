"""What transformers and diffusers print and log. Importing this module imports neither; calling it does."""

from __future__ import annotations


def quiet_libraries() -> None:
    """Turns their progress bars off and sends their messages to `logging` alone."""
    import transformers.utils.logging as transformers_logging

    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()
    transformers_logging.disable_progress_bar()
    import diffusers.utils.logging as diffusers_logging

    diffusers_logging.disable_default_handler()
    diffusers_logging.enable_propagation()
    diffusers_logging.disable_progress_bar()
