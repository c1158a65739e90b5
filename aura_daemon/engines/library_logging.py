"""The libraries' chatter. In: nothing. Out: logging without bars; this imports transformers and diffusers."""

from __future__ import annotations


def quiet_libraries() -> None:
    """No progress bars; what the libraries have to say goes to `logging`, and only that."""
    import transformers.utils.logging as transformers_logging

    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()
    transformers_logging.disable_progress_bar()
    import diffusers.utils.logging as diffusers_logging

    diffusers_logging.disable_default_handler()
    diffusers_logging.enable_propagation()
    diffusers_logging.disable_progress_bar()
