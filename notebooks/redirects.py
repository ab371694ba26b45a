"""Where do we send customers, and what does it cost them? From a connection to a finding.

Open it with `marimo edit notebooks/redirects.py`, or run it as a script: `python notebooks/redirects.py`. The
environment variable JOURNEYS_CLICKHOUSE_HTTP says where ClickHouse is; default http://127.0.0.1:8123.
"""

import marimo

app = marimo.App(width="medium", app_title="Where do we send customers?")


@app.cell
def _():
    import os

    import clickhouse_connect
    import marimo as mo

    return clickhouse_connect, mo, os


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    # Where do we send customers, and what does it cost them?

    A customer asks on one channel and is told to use another. No dashboard of a channel shows that, because each sees
    one half. Here are both halves, in the tables of *customer-journeys*.
    """)
    return


@app.cell
def _(clickhouse_connect, os):
    address = os.environ.get("JOURNEYS_CLICKHOUSE_HTTP", "http://127.0.0.1:8123")
    client = clickhouse_connect.get_client(dsn=address, database="journeys")

    def ask(sql, **parameters):
        """Rows of the answer, as dictionaries; {name:Type} in the question takes a parameter."""
        return list(client.query(sql, parameters=parameters).named_results())

    return (ask,)


@app.cell
def _(ask, mo):
    (size,) = ask("""
        SELECT count() AS journeys, uniqExact(person_key) AS persons,
            min(opened_at) AS first, max(last_event_at) AS last
        FROM v_journeys
    """)
    mo.md(
        f"{size['journeys']:,} journeys of {size['persons']:,} persons,"
        f" from {size['first']:%Y-%m-%d} to {size['last']:%Y-%m-%d}."
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## What costs customers most

    `v_friction_ranking` is a ready-made answer: frictions by team, place and cause, ranked by the customer minutes in
    the effort ledger. Every minute counts once, so they add up.
    """)
    return


@app.cell
def _(ask, mo):
    ranking = ask("""
        SELECT place, if(team = '', 'unknown', toString(team)) AS team, channel, cause, frictions, persons, minutes
        FROM v_friction_ranking
        ORDER BY place
        LIMIT 10
    """)
    mo.ui.table(ranking, selection=None)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Who has to come again

    The share of first contacts after which the customer had to come again about the same matter within seven days.
    """)
    return


@app.cell
def _(ask, mo):
    (again,) = ask("""
        SELECT sum(first_contacts) AS contacts, sum(repeated) AS came_again, came_again / contacts AS rate
        FROM v_repeat_contact_rate
        WHERE NOT is_provisional
    """)
    mo.md(f"{again['came_again']:,} of {again['contacts']:,} first contacts: **{again['rate']:.0%}**.")
    return (again,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Who sends customers where

    `v_redirect_matrix`, channel by channel. *Arrived* is within 48 hours; *lost* is neither arrived nor solved within
    72.
    """)
    return


@app.cell
def _(ask, mo):
    redirects = ask("""
        SELECT from_channel, to_channel, sum(redirects) AS times, sum(persons) AS persons, sum(arrived) AS arrived,
            sum(lost) AS lost, sum(solved) AS solved, sum(minutes) AS minutes
        FROM v_redirect_matrix
        GROUP BY from_channel, to_channel
        ORDER BY minutes DESC, times DESC, from_channel, to_channel
    """)
    mo.ui.table(redirects, selection=None)
    return (redirects,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## One customer's story

    Of the redirect that costs most, the customer whom it cost most. Persons are keyed hashes: the tables do not tell
    who somebody is.
    """)
    return


@app.cell
def _(ask, mo, redirects):
    mo.stop(not redirects, mo.md("Nobody was sent anywhere."))
    worst = redirects[0]
    (customer,) = ask(
        """
        SELECT person_key, sum(minutes) AS minutes
        FROM v_frictions
        WHERE rule_id = 'channel_redirect' AND from_channel = {from_channel:String} AND to_channel = {to_channel:String}
        GROUP BY person_key
        ORDER BY minutes DESC, person_key
        LIMIT 1
        """,
        from_channel=worst["from_channel"],
        to_channel=worst["to_channel"],
    )
    story = ask(
        """
        SELECT at, what, channel, name, detail, actor, team, minutes
        FROM v_person_timeline(person_key = {person:String})
        """,
        person=customer["person_key"],
    )
    mo.ui.table(story, selection=None, page_size=20)
    return story, worst


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## What follows
    """)
    return


@app.cell
def _(again, mo, story, worst):
    told = next(line for line in story if line["what"] == "friction" and line["name"] == "channel_redirect")
    ways = f"from {worst['from_channel']} to {worst['to_channel']}"
    came_by = f"those who come by way of {worst['from_channel']} the way to {worst['to_channel']}"
    sentences = [
        f"The redirect that costs customers most leads {ways}: {worst['times']} times, {worst['minutes']:.0f} minutes.",
        f"Of these, {worst['arrived']} arrived, {worst['lost']} were lost, {worst['solved']} were solved in the end.",
        f"One of them: {told['detail']}",
        f"After {again['rate']:.0%} of first contacts customers come again; an answer where they ask spares {came_by}.",
    ]
    finding = "\n".join(sentences)
    print(finding)
    mo.md(finding.replace("\n", "\n\n"))
    return


if __name__ == "__main__":
    app.run()
