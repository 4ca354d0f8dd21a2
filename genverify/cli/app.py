"""The command line: verify, check, parity, identify, bench, list, explain.

Nothing here imports torch before a command needs it, so that ``genverify --help`` answers at once.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from genverify import __version__
from genverify.errors import UsageError

__all__ = ["app", "main"]

app = typer.Typer(
    name="genverify", no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
    help="A verdict, with its evidence, on anybody's generative model, optimizer or gradient estimator.\n\n"
    "Exit status: 0 all is well, 1 some FAIL, 2 bad usage, 3 ERROR, 4 INCONCLUSIVE or nothing settled.",
)  # fmt: skip

Budget = Annotated[str, typer.Option(help="quick, standard or thorough; counted in evaluations, not seconds.")]
Alpha = Annotated[float, typer.Option(help="False-alarm probability of the whole run.")]
Seed = Annotated[int, typer.Option(help="Same subject, budget and seed: same report.")]
Json = Annotated[str, typer.Option("--json", metavar="FILE", help="Write the report as JSON.")]
Html = Annotated[str, typer.Option("--html", metavar="FILE", help="Write the report as HTML.")]
Allow = Annotated[bool, typer.Option("--allow-inconclusive", help="INCONCLUSIVE does not change the exit status.")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", help="What one check may take; 0 for no limit.")]
Checks = Annotated[list[str] | None, typer.Option("--check", metavar="NAME", help="Only this check; repeatable.")]
Target = Annotated[str, typer.Argument(help="package.module:attr or path/to/file.py:attr")]
Rest = Annotated[list[str] | None, typer.Argument(metavar="[--FIELD VALUE]...", help="Fields of the kind of subject.")]


def _version(wanted: bool | None) -> None:
    if wanted:
        typer.echo(f"genverify {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = None,
) -> None:
    pass


@app.command()
def verify(
    budget: Budget = "standard",
    alpha: Alpha = 1e-6,
    seed: Seed = 0,
    checks: Checks = None,
    json: Json = "",
    html: Html = "",
    allow_inconclusive: Allow = False,
    timeout: Timeout = 300.0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for each check.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes; 0 for one on each core. Same report.")] = 0,
) -> None:
    """Every reference of the catalogue against every check of its kind."""
    from genverify.cli.terminal import carry_out
    from genverify.cli.together import cores

    if jobs < 0:
        raise UsageError(given=f"--jobs {jobs}", expected="a number of processes", do="0 means one on each core")
    request = _settings(budget, alpha, seed, checks, timeout) | {"mode": "verify"}
    raise typer.Exit(
        carry_out(
            request,
            json=json,
            html=html,
            allow_inconclusive=allow_inconclusive,
            timeout=timeout,
            by_subject=not verbose,
            jobs=jobs or cores(),
        )
    )


@app.command(context_settings={"ignore_unknown_options": True})
def check(
    target: Target,
    rest: Rest = None,
    kind: Annotated[str, typer.Option("--as", metavar="KIND", help="bijection, formula, optimizer, map, …")] = "",
    like: Annotated[str, typer.Option(metavar="FORMULA", help="The formula that it computes.")] = "",
    rule: Annotated[str, typer.Option(metavar="RULE", help="The optimizer's rule.")] = "",
    dialect: Annotated[str, typer.Option(help="The convention that it declares.")] = "",
    event_shape: Annotated[str, typer.Option(metavar="2,3", help="Shape of one event.")] = "",
    lipschitz: Annotated[str, typer.Option(metavar="K", help="The claimed Lipschitz constant.")] = "",
    arg: Annotated[
        list[str] | None, typer.Option("--arg", metavar="NAME=ROLE", help="Its argument → the formula's; repeatable.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="FIELD=VALUE", help="Another field of the kind; repeatable."),
    ] = None,
    device: Annotated[str, typer.Option(help="Move the module there first.")] = "",
    dtype: Annotated[str, typer.Option(help="Run the module in this dtype.")] = "",
    checks: Checks = None,
    replay: Annotated[str, typer.Option(metavar="TOKEN", help="Judge the case of this token again.")] = "",
    budget: Budget = "standard",
    alpha: Alpha = 1e-6,
    seed: Seed = 0,
    json: Json = "",
    html: Html = "",
    allow_inconclusive: Allow = False,
    timeout: Timeout = 300.0,
) -> None:
    """Your own code: a subject, or anything that an adapter knows.

    Any other field of a kind of subject is an option of its own name (--image-shape 3,8,8): `genverify list subjects`
    names them.
    """
    from genverify.cli.terminal import carry_out

    declared = {
        "like": like, "rule": rule, "dialect": dialect, "event_shape": event_shape, "lipschitz": lipschitz,
        "device": device, "dtype": dtype,
    }  # fmt: skip
    fields = [(name, text) for name, text in declared.items() if text]
    fields += [("arg", pair) for pair in arg or ()]
    fields += [_pair(text, "--option") for text in option or ()] + _extra(rest or ())
    request = _settings(budget, alpha, seed, checks, timeout)
    request |= {"mode": "check", "target": target, "kind": kind or None, "fields": fields, "replay": replay}
    raise typer.Exit(
        carry_out(
            request, json=json, html=html, allow_inconclusive=allow_inconclusive, timeout=timeout,
            command=_command(target, kind, fields),
        )
    )  # fmt: skip


@app.command(context_settings={"ignore_unknown_options": True})
def parity(
    target: Annotated[
        str, typer.Argument(help="package.module:attr or path/to/file.py:attr; every reference by default")
    ] = "",
    rest: Rest = None,
    kind: Annotated[str, typer.Option("--as", metavar="KIND", help="bijection, formula, optimizer, map, …")] = "",
    device: Annotated[str, typer.Option(help="Only executions on this device: cpu, cuda, cuda:1, mps, xpu.")] = "",
    compiled: Annotated[bool, typer.Option("--compile/--no-compile", help="Try torch.compile: seconds each.")] = True,
    budget: Annotated[str, typer.Option(help="quick: one case, standard: two, thorough: four.")] = "quick",
    seed: Annotated[int, typer.Option(help="Same subject and seed: same numbers; the times are this run's.")] = 0,
    json: Json = "",
    html: Html = "",
    allow_inconclusive: Allow = False,
    timeout: Timeout = 300.0,
) -> None:
    """One subject in many executions: devices, dtypes, compiled, channels last, threads, one row; ULPs and speed.

    Fields of a kind of subject are options of their own name, as in `genverify check` (--like, --event-shape 3).
    """
    from genverify.cli.terminal import carry_out

    fields = _extra(rest or ())
    request = {
        "mode": "parity", "target": target, "kind": kind or None, "fields": fields, "device": device,
        "compiled": compiled, "budget": budget, "seed": seed, "checks": [],
    }  # fmt: skip
    _settings(budget, 0.5, seed, None, timeout)
    raise typer.Exit(
        carry_out(request, json=json, html=html, allow_inconclusive=allow_inconclusive, timeout=timeout, across=True)
    )


@app.command(context_settings={"ignore_unknown_options": True})
def identify(
    target: Target,
    rest: Rest = None,
    rule: Annotated[str, typer.Option(metavar="FAMILY", help="Only rules of this family.")] = "",
    timeout: Timeout = 300.0,
) -> None:
    """Which rule, in which dialect, an optimizer follows."""
    from genverify.cli.supervision import supervise
    from genverify.cli.terminal import show_report

    fields = ([("rule", rule)] if rule else []) + _extra(rest or ())
    answer = supervise({"mode": "identify", "target": target, "fields": fields}, timeout=timeout)
    if answer.report is not None:
        show_report(answer.report)
        raise typer.Exit(answer.report.exit_status())
    typer.echo(answer.text)


@app.command()
def bench(
    results: Annotated[list[str], typer.Argument(metavar="RESULTS.json...", help="What pytest-benchmark wrote.")],
    out: Annotated[str, typer.Option(metavar="FILE.md", help="Write the tables there instead of printing them.")] = "",
    picture: Annotated[
        str, typer.Option(metavar="FOLDER", help="Draw cost against d, batch and depth, as SVG; the extra plot.")
    ] = "",
    note: Annotated[str, typer.Option(metavar="TEXT", help="What else a reader should know of the run.")] = "",
) -> None:
    """Tables and pictures of benchmarks (`pytest --benchmark-json=RESULTS.json`); the machine by its model."""
    from genverify.cli.benchmark_page import make

    make(results, out=out, picture=picture, note=note)


@app.command(name="list")
def list_(
    what: Annotated[
        str, typer.Argument(help="formulas, checks, claims, subjects, rules, laws, targets or counts; all by default")
    ] = "",
) -> None:
    """What there is to hold code against."""
    from genverify.cli.catalogue_pages import listing

    typer.echo(listing(what))


@app.command()
def explain(name: Annotated[str, typer.Argument(help="The name of a check, a claim or a formula.")]) -> None:
    """Statement, source, derivation."""
    from genverify.cli.catalogue_pages import explanation

    typer.echo(explanation(name))


def _settings(budget: str, alpha: float, seed: int, checks: list[str] | None, timeout: float) -> dict[str, Any]:
    if not timeout >= 0:
        raise UsageError(given=f"--timeout {timeout}", expected="seconds, 0 or more", do="0 means no limit")
    return {"budget": budget, "alpha": alpha, "seed": seed, "checks": checks or []}


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(given=f"{option} {text!r}", expected="NAME=VALUE", do=f"for example {option} order=2")
    return name.strip().replace("-", "_"), value.strip()


def _extra(words: Sequence[str]) -> list[tuple[str, str]]:
    """Options that no command declares: fields of a kind of subject that this file need not know."""
    found: list[tuple[str, str]] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--") or len(word) < 4:
            raise UsageError(given=f"{word!r}", expected="one target and options (--name value)", do="see --help")
        name, equals, value = word[2:].partition("=")
        if not equals:
            value = left.pop(0) if left and not left[0].startswith("--") else "true"
        found.append((name.replace("-", "_"), value))
    return found


def _command(target: str, kind: str, fields: Sequence[tuple[str, str]]) -> str:
    words = ["genverify", "check", target, *(["--as", kind] if kind else [])]
    for name, text in fields:
        words += [f"--{name.replace('_', '-')}", text]
    return shlex.join(words)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``genverify``; exits with the status of the run."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] - a witness is shown on any terminal
    try:
        status = app(args=None if arguments is None else list(arguments), standalone_mode=False)
    except UsageError as error:
        sys.exit(_refuse(str(error)))
    except KeyboardInterrupt:
        sys.exit(_refuse("interrupted; nothing was written", 130))
    except BrokenPipeError:
        sys.exit(141)
    except Exception as error:
        if not any(cls.__name__ in ("ClickException", "Abort") for cls in type(error).__mro__):
            raise
        told = getattr(error, "format_message", lambda: "interrupted")()
        sys.exit(_refuse(f"{told} See genverify --help."))
    sys.exit(status if isinstance(status, int) else 0)


def _refuse(message: str, status: int = 2) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return status
