"""`cancel` and `retry`: asked of the running daemon, or done here where none runs."""

from __future__ import annotations

from pathlib import Path

from aura_daemon.cli.progress_bars import SilentListener
from aura_daemon.config.settings import Settings
from aura_daemon.daemon import control_socket
from aura_daemon.daemon.assembly import daemon_of, settings_of, worker_of
from aura_daemon.daemon.control_socket import Command, CommandAnswer, CommandVerb
from aura_daemon.daemon.explain import path_below
from aura_daemon.errors import Problem, UserError
from aura_daemon.system import logs

REFUSED = 1
PATIENCE_S = 60.0
"""The daemon answers between two files it reads or writes."""


def order(verb: CommandVerb, jobs: list[str], config: Path | None) -> int:
    """Prints what came of it, a line a job; 1 where something could not be done."""
    settings = settings_of(config).settings
    answers = [_answer(verb, job, settings) for job in jobs]
    for answer in answers:
        print("\n".join(answer.said))
    return 0 if all(answer.done for answer in answers) else REFUSED


def _answer(verb: CommandVerb, job: str, settings: Settings) -> CommandAnswer:
    asked = Command(verb=verb, name=job, path=path_below(Path(job), settings.inbox) or "")
    state = settings.state_folder()
    try:
        answer = control_socket.ask(state, asked, timeout_s=PATIENCE_S)
    except TimeoutError:
        message = f"the daemon did not answer within {PATIENCE_S:g} s; it may still do it: `aura-daemon why` tells"
        return CommandAnswer(done=False, said=(message,))
    except OSError as error:
        message = f"the daemon cannot be asked through {state / control_socket.NAME}: {error.strerror}; be its user"
        raise UserError([Problem(message=message)]) from None
    return answer or _alone(asked, settings)


def _alone(asked: Command, settings: Settings) -> CommandAnswer:
    """Where no daemon runs, under its lock."""
    logs.set_up("WARNING", settings.log_format)
    with daemon_of(settings, worker_of(settings, settings.log_format), SilentListener(), drain=True) as daemon:
        return daemon.carry_out(asked)
