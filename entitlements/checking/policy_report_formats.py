"""A report on policies as text, Markdown and a page of HTML that stands by itself."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from entitlements.checking.policy_report import PROVED, SHOWN, Line, PolicyReport
from entitlements.terminal import paint, safe

_TITLES = {
    "requests": "Who may do what",
    "rules": "Rules that do not matter",
    "claims": "Claims",
    "failures": "Where no decision is made",
}
_NOTHING = {
    "rules": "every rule fires and matters",
    "failures": "no rule and no built-in fails for a permitted token",
    "claims": "no claim is read",
    "requests": "none",
}
_COLOURS = {PROVED: "green", SHOWN: "yellow"}
_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1b1b1f; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #d8d8e0; }
td { overflow-wrap: anywhere; } td.how { white-space: nowrap; }
.proved { color: #17693a; } .shown { color: #8a5a00; } .unknown { color: #a02020; } .warns { background: #fff8e6; }
.example { color: #55555f; font-size: .9em; }
@media (prefers-color-scheme: dark) {
  body { background: #17171a; color: #e8e8ee; } th, td { border-color: #3a3a44; } .warns { background: #2c2718; }
  .proved { color: #6fd396; } .shown { color: #e8b860; } .unknown { color: #ff8f8f; } .example { color: #a8a8b4; }
}
"""


def text(reports: Sequence[PolicyReport]) -> str:
    """For a terminal."""
    return "\n".join(line for report in reports for line in _text(report))


def _text(report: PolicyReport) -> Iterator[str]:
    yield f"{report.contract.name} {report.contract.version}"
    for about, title in _TITLES.items():
        yield f"  {title}"
        found = _of(report, about)
        for line in found:
            mark = "!" if line.warns else " "
            yield (
                safe(f"  {mark} {line.subject}: {line.text}") + f"  ({paint(line.how, _COLOURS.get(line.how, 'red'))})"
            )
            if line.example:
                yield safe(f"      {line.example}")
        if not found:
            yield f"    {_NOTHING[about]}"


def _of(report: PolicyReport, about: str) -> list[Line]:
    return [line for line in report.lines if line.about == about]


def markdown(reports: Sequence[PolicyReport]) -> str:
    """For a comment or a page."""
    return "\n".join(line for report in reports for line in _markdown(report))


def _markdown(report: PolicyReport) -> Iterator[str]:
    yield f"## {report.contract.name} {report.contract.version}\n"
    for about, title in _TITLES.items():
        yield f"### {title}\n"
        if found := _of(report, about):
            yield "| | | How | Example or reason |\n|---|---|---|---|"
            yield from (_row(line) for line in found)
            yield ""
        else:
            yield f"{_NOTHING[about]}\n"


def _row(line: Line) -> str:
    text = f"**{line.text}**" if line.warns else line.text
    parts = (line.subject, text, line.how, line.example)
    return "| " + " | ".join(html.escape(safe(one), quote=False).replace("|", "\\|") for one in parts) + " |"


def page(reports: Sequence[PolicyReport]) -> str:
    """One HTML document; it loads nothing."""
    head = '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Policy report</title>\n'
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    body = "\n".join(line for report in reports for line in _html(report))
    style = f"<style>\n{_STYLE}</style>\n</head>\n"
    return f"{head}{viewport}{style}<body>\n<h1>Policy report</h1>\n{body}\n</body>\n</html>\n"


def _html(report: PolicyReport) -> Iterator[str]:
    yield f"<h2>{html.escape(report.contract.name)} {html.escape(report.contract.version)}</h2>"
    for about, title in _TITLES.items():
        yield f"<h3>{title}</h3>"
        if found := _of(report, about):
            yield f"<table>\n<thead><tr>{''.join(map(_head, ('Of', 'Answer', 'How')))}</tr></thead>"
            yield "<tbody>"
            yield from (_html_row(line) for line in found)
            yield "</tbody>\n</table>"
        else:
            yield f"<p>{_NOTHING[about]}</p>"


def _head(name: str) -> str:
    return f'<th scope="col">{name}</th>'


def _html_row(line: Line) -> str:
    example = f'<div class="example">{html.escape(line.example)}</div>' if line.example else ""
    warns = ' class="warns"' if line.warns else ""
    subject, told = html.escape(line.subject.replace("`", "")), html.escape(line.text)
    return f'<tr{warns}><td>{subject}</td><td>{told}{example}</td><td class="how {line.how}">{line.how}</td></tr>'
