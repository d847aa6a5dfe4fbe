"""``doctor``: what works on this machine, and what is missing."""

import typer

from services.cli.options import AsJson

MARKS = {"good": ("✓", "green"), "weak": ("!", "yellow"), "bad": ("✗", "red")}


def doctor(*, as_json: AsJson = False) -> None:
    """Say what works on this machine, what is missing, and what to do.

    Tries the stores, the engine, the process that reads files, and its sandbox.
    """
    from libs.models.settings import Settings
    from libs.platform.health import Verdict, all_checks
    from services.cli import output

    made = []
    for check in all_checks(Settings()):
        made.append(check)
        if as_json:
            continue
        mark, style = MARKS[check.verdict]
        output.finding(mark, style, check.name, check.found, check.remedy)
    bad = [check for check in made if check.verdict is Verdict.BAD]
    if as_json:
        from dataclasses import asdict

        output.emit_json([asdict(check) for check in made])
    elif bad:
        output.line(output.text(f"{output.count(len(bad), 'check')} failed.", "red"))
    else:
        output.line("Everything that is needed works. `spatial-etl config` shows the settings in force.")
    raise typer.Exit(3 if bad else 0)
