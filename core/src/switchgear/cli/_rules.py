"""The command `switchgear rules`."""

from __future__ import annotations

import click

from switchgear._rules import as_yaml


@click.command()
@click.option(
    "--objective", type=float, default=0.99, show_default=True, help="The share of calls that have to be served, 0..1."
)
def rules(*, objective: float) -> None:
    """Print recording and alerting rules for Prometheus.

    They are about breakers that stay open or flap, refusals that hide an outage, error budgets that burn, retry budgets
    that are exhausted, low health, capabilities that users do without, and plugins that are broken. A service that
    suffers from another one that it requires raises no alert of its own. Each alert has a severity, page or ticket.

    \b
    Examples:
      switchgear rules > rules.yml
      switchgear rules --objective 0.999 > rules.yml && promtool check rules rules.yml
    """  # noqa: D301 - \b is a backspace, and to click the mark of lines that are not to be wrapped
    click.echo(as_yaml(objective), nl=False)
