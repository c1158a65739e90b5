"""aura-daemon watches a folder: prompts become images, images become captions.

Where is...? A decision is in `core/`, an effect is a top-level verb, a tensor is in `engines/`, a process boundary is
in `workers/`. A job's way through the house, as `daemon/loop.py` reads:

    watching     sights what lies in the inbox          (events wake it; core.stability: when to judge)
    judging      says what is to become of it           (completeness, core.names, core.routing)
    claims       makes it ours by a rename
    intake       reads it and queues what it asks for   (core.request; core.expansion: one file, many jobs)
    journal      remembers it, through kill -9          (core.lifecycle: what may happen next)
    dispatching  hands it to a worker                   (core.queueing, core.batching)
    workers      run it in a child process              (engines: Stable Diffusion, BLIP; core.ladder: in what memory)
    outcomes     turns a failure into a decision        (core.recovery, core.attempts)
    delivery     publishes payload, then sidecar        (core.sidecar)
    disposal     puts the source where it belongs
    health       says how all that goes                 (`health.json`, `aura-daemon status`)

`receiving` takes a file along this way, `dispatching` a job; the parts they pass stand in `rooms`. `orders` carries out
what people ask of their jobs, through the socket of `control`.
`cli/` is the only code that prints, `config/loading.py` the only code that reads settings, `mini/` the embedded model.
Imports go downward only, and this process never imports torch; `pyproject.toml` holds both as a contract.
"""

from typing import Final

__version__: Final = "0.1.0"
