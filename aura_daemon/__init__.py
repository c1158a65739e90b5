"""aura-daemon watches a folder: prompts become images, images become captions.

A rule lives beside the effect that carries it out, so one subject is one folder. A job's way through them:

    watch     sees what lies in the inbox, and whether it has been delivered completely
    intake    claims a file by a rename, and queues what it asks for    (jobfile: the language of job files)
    journal   remembers files and jobs, through kill -9
    dispatch  hands the next job to a worker, and decides what follows from its end     (ladder: in what memory)
    workers   run jobs in a child process
    engines   draw and describe: Stable Diffusion, BLIP                 (the only code that imports torch)
    outbox    publishes payload, then sidecar; puts the source where it belongs
    health    says how all of this goes                                 (`health.json`, `aura-daemon status`)

`daemon` is the loop around them, `cli` the commands, `config` the settings, `doctor` what this machine is. Everybody
shares `jobs` (the nouns), `formats` (what bytes and texts mean) and `system` (what differs between machines). `mini` is
the embedded model, `training` made it. Imports go downward only, and the daemon's process never imports torch;
`pyproject.toml` holds both as contracts, and names what is pure. The whole tree: docs/architecture.md.
"""

from typing import Final

__version__: Final = "0.1.0"
