"""How the demo looks: a live display on a terminal, or one JSON object."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cuepoint.cli.demo_flow import FIRST_LINES, Report

MARKS = {"SUCCEEDED": "[green]✓[/]", "FAILED": "[red]✗[/]", "CANCELLED": "[yellow]–[/]", "RUNNING": "[cyan]▶[/]"}


class _TimeLeft(ProgressColumn):
    """The server's own estimate, or nothing: a guess is not shown."""

    def render(self, task: Task) -> Text:
        """Seconds left."""
        eta = task.fields.get("eta")
        return Text(f"{eta:4.0f} s left" if eta is not None else "", style="cyan")


class TerminalView:
    """Progress while it happens, then what came out."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._progress = Progress(
            TextColumn("{task.fields[mark]}"),
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            _TimeLeft(),
            TextColumn("[dim]{task.fields[doing]}[/]"),
            console=self.console,
        )
        self._rows: dict[str, TaskID] = {}

    def note(self, text: str) -> None:
        """A line above the bars."""
        self.console.print(f"[dim]{escape(text)}[/]")

    def uploaded(self, done: int, size: int) -> None:
        """The upload's bar."""
        self._update(
            "upload", "Upload", done / size, "SUCCEEDED" if done == size else "RUNNING", f"{size / 1e6:.1f} MB"
        )

    def stage(self, job: dict[str, Any], update: dict[str, Any] | None) -> None:
        """A job's bar."""
        if update is None:
            self._update(job["id"], job["title"], 0.0, "BLOCKED", "")
            return
        done, total = update["processedSeconds"], update["totalSeconds"]
        doing = f"{done:.0f} of {total:.0f} s of media" if done is not None and total else update["stage"] or ""
        if update["status"] == "SUCCEEDED":
            doing = f"{total:.0f} s of media" if total else ""
        elif update["status"] != "RUNNING":
            doing = update["status"].lower()
        fraction = 1.0 if update["status"] == "SUCCEEDED" else update["progress"]
        self._update(job["id"], job["title"], fraction, update["status"], doing, update["etaSeconds"])

    def _update(self, key: str, title: str, fraction: float, status: str, doing: str, eta: float | None = None) -> None:
        mark = MARKS.get(status, "[dim]·[/]")
        if key not in self._rows:
            self._progress.start()
            self._rows[key] = self._progress.add_task(title, total=1.0, start=False, mark=mark, doing="", eta=None)
        row = self._rows[key]
        task = next(t for t in self._progress.tasks if t.id == row)
        if task.start_time is None and status in ("RUNNING", "SUCCEEDED"):
            self._progress.start_task(row)
        self._progress.update(row, completed=fraction, mark=mark, doing=escape(doing), eta=eta)
        if status in ("SUCCEEDED", "FAILED", "CANCELLED") and task.stop_time is None:
            self._progress.stop_task(row)

    def show(self, report: Report, graphiql: str) -> None:
        """Everything that came out."""
        self._progress.stop()
        out = self.console
        video = report.video
        size = f", {video['width']}x{video['height']}" if video["width"] else ""
        out.print(f"\n[bold]{escape(video['title'])}[/] ({video['durationSeconds']} s{size})")
        self._transcript(video["transcript"])
        for search in report.searches:
            out.print(f"\n[bold]Search[/] “{escape(search['query'])}” [dim]({search['milliseconds']} ms)[/]")
            for hit in search["hits"]:
                span = _span(hit["startSeconds"], hit["endSeconds"])
                out.print(f"  {span}  [dim]{hit['score']:.2f}[/]  {escape(hit['text'])}")
        self._moments(video["moments"]["nodes"])
        if report.clip is not None:
            span = _span(report.clip["actualRange"]["startSeconds"], report.clip["actualRange"]["endSeconds"])
            out.print(f"\n[bold]Clip[/]      {span}  {escape(report.clip['title'])}")
            out.print(f"          {escape(report.clip_path or '')}", soft_wrap=True)
        out.print(f"[bold]GraphiQL[/]  {escape(graphiql)}", soft_wrap=True)
        out.print(f"[dim]Done in {report.seconds:.1f} s.[/]")
        if report.missing:
            out.print(f"[red]Nothing came out for: {', '.join(report.missing)}.[/]")

    def _transcript(self, transcript: dict[str, Any] | None) -> None:
        if transcript is None:
            return
        lines = transcript["segments"]["nodes"]
        total = transcript["segments"]["totalCount"]
        language = transcript["language"] or "no language"
        self.console.print(f"\n[bold]Transcript[/] ({language}, {escape(transcript['model'])}, {total} segments)")
        for line in lines[:FIRST_LINES]:
            self.console.print(f"  {_span(line['startSeconds'], line['endSeconds'])}  {escape(line['text'])}")
        if total > FIRST_LINES:
            self.console.print(f"  [dim]… and {total - FIRST_LINES} more[/]")
        if not lines:
            self.console.print(f"  [yellow]empty: {transcript['emptyReason']}[/]")
        if transcript["notice"]:
            self.console.print(f"  [yellow]{escape(transcript['notice'])}[/]")

    def _moments(self, moments: list[dict[str, Any]]) -> None:
        self.console.print("\n[bold]Moments[/]")
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        for moment in moments:
            span = _span(moment["startSeconds"], moment["endSeconds"])
            table.add_row(
                f"  {span}", f"{moment['score']:.2f}", escape(moment["title"]), f"[dim]{escape(moment['reason'])}[/]"
            )
        self.console.print(table)


class JsonView:
    """Nothing while it happens, then one JSON object on stdout."""

    def note(self, text: str) -> None:
        """To stderr, so that stdout stays JSON."""
        click.echo(text, err=True)

    def uploaded(self, done: int, size: int) -> None:
        """Not shown."""

    def stage(self, job: dict[str, Any], update: dict[str, Any] | None) -> None:
        """Not shown."""

    def show(self, report: Report, graphiql: str) -> None:
        """The report."""
        click.echo(json.dumps(dataclasses.asdict(report) | {"graphiql": graphiql}, indent=2, ensure_ascii=False))


def _span(start: float, end: float) -> str:
    return f"{_clock(start)}–{_clock(end)}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):02d}:{rest:04.1f}"
