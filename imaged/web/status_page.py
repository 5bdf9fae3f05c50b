"""The snapshot as a page for people: self-contained, no script, refreshed by the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 1rem auto; padding: 0 1rem; }
h1 small { font-weight: normal; opacity: .7; }
section { margin: 1.2rem 0; }
dl { display: flex; flex-wrap: wrap; gap: .3rem 2rem; margin: 0; }
dt { font-size: .8rem; opacity: .7; }
dd { margin: 0; font-size: 1.2rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
.alert { margin: .6rem 0; padding: .4rem .8rem; border-left: .3rem solid #c40; overflow-wrap: anywhere; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
"""


def render_page(snapshot: Mapping[str, Any]) -> str:
    """Return the HTML page that shows everything in `snapshot`, the value behind `/status.json`."""
    sections = [_section(title, value) for title, value in snapshot.items() if isinstance(value, Mapping | list)]
    facts = {key: value for key, value in snapshot.items() if not isinstance(value, Mapping | list)}
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>imaged</title>'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="2">'
        f"<style>{_STYLE}</style></head><body>"
        f"<h1>imaged <small>{_text(snapshot['message'])}</small></h1>"
        f"{_alerts(snapshot)}{_facts(facts)}{''.join(sections)}</body></html>\n"
    )


def _alerts(snapshot: Mapping[str, Any]) -> str:
    """Say what an operator has to look at, and how."""
    alerts = []
    if fault := snapshot.get("remote", {}).get("fault"):
        alerts.append(f"The remote store is away, and uploads wait for it: {_text(fault)}")
    if parked := sum(snapshot.get(section, {}).get("parked", 0) for section in ("promised", "uploads")):
        alerts.append(f"Jobs that were given up: {parked}. <code>imaged queue list --parked</code> shows them.")
    return "".join(f'<p class="alert" role="alert">{alert}</p>' for alert in alerts)


def _section(title: str, value: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    heading = f"<h2>{_text(title.replace('_', ' '))}</h2>"
    if not isinstance(value, Mapping):
        return f"<section>{heading}{_table(value)}</section>"
    facts = {key: each for key, each in value.items() if key != "items"}
    return f"<section>{heading}{_facts(facts)}{_table(value.get('items', ()))}</section>"


def _facts(facts: Mapping[str, Any]) -> str:
    pairs = (f"<div><dt>{_text(key)}</dt><dd>{_text(value)}</dd></div>" for key, value in facts.items())
    return f"<dl>{''.join(pairs)}</dl>"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{_text(key)}</th>" for key in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{_text(value)}</td>' for value in row.values())}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: Any) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.2f}"
        case Mapping():
            return "; ".join(f"{escape(str(key))}: {_text(each)}" for key, each in value.items())
        case list() | tuple():
            return "; ".join(map(_text, value)) or "–"
        case _:
            return escape(str(value))
