"""`cancel` and `retry`: the running daemon carries them out, or this process where none runs."""

from __future__ import annotations

from pathlib import Path

from aura_daemon.config.settings import Settings
from aura_daemon.daemon import control_socket
from aura_daemon.daemon.assembly import assemble_daemon, settings_of
from aura_daemon.daemon.commands import Command, CommandAnswer, CommandVerb
from aura_daemon.daemon.explain import path_below
from aura_daemon.errors import Problem, UserError
from aura_daemon.system import logs
from aura_daemon.workers.assembly import assemble_workers

REFUSED = 1
PATIENCE_S = 60.0
"""The daemon answers between two files that it reads or writes."""


def order(verb: CommandVerb, jobs: list[str], config: Path | None) -> int:
    """Prints the outcome, a line for each job; 1 where something could not be done."""
    settings = settings_of(config).settings
    answers = [_answer(verb, job, settings) for job in jobs]
    for answer in answers:
        print("\n".join(answer.lines))
    return 0 if all(answer.done for answer in answers) else REFUSED


def _answer(verb: CommandVerb, name: str, settings: Settings) -> CommandAnswer:
    command = Command(verb=verb, name=name, path=path_below(Path(name), settings.inbox) or "")
    state = settings.state_folder()
    try:
        answer = control_socket.ask(state, command, timeout_s=PATIENCE_S)
    except TimeoutError:
        message = f"the daemon did not answer within {PATIENCE_S:g} s; it may still do it: `aura-daemon why` tells"
        return CommandAnswer(done=False, lines=(message,))
    except OSError as error:
        message = f"the daemon cannot be asked through {state / control_socket.NAME}: {error.strerror}; be its user"
        raise UserError([Problem(message=message)]) from None
    if answer is not None:
        return answer
    # No daemon runs: this process takes the daemon's lock.
    logs.set_up("WARNING", settings.log_format)
    with assemble_daemon(settings, assemble_workers(settings, settings.log_format), drain=True) as daemon:
        return daemon.carry_out(command)
