"""What both stores are filled with: copies of one key that the gateway made and charged.

Each copy has an account, a secret and windows of its own, and was used on two days; how often, so that
the days of all keys sum up to the generations. The installation has the sums. The columns of the tables
are read out of the store, so that this knows only what it changes.
"""

DAY = 86_400_000_000
# Days on which some of the keys were used, counted back from the template's.
DAYS = 365
# Tables whose rows grow in number with keys or their use.
GROWING = {
    "account",
    "api_key",
    "key_secret",
    "account_window",
    "usage_day",
    "generation",
    "idempotency",
    "lease",
    "change_log",
}
# Read in the order of creation, and ended by the first row: the first key manages.
ENDS_AT_ONCE = {"SELECT EXISTS (SELECT 1 FROM api_key WHERE kind = 'management')"}


def changes(digest, requests):
    """By table: which rows of the template's are copied, and what is changed in the copy numbered n."""
    copy = [
        ("account", "id = {account}", {"id": "n"}),
        ("account_window", "account_id = {account}", {"account_id": "n"}),
        (
            "api_key",
            "id = {key}",
            {
                "id": "n",
                "account_id": "n",
                "hash": digest.format("'key ' || n"),
                "name": "'Key number ' || n",
            },
        ),
        (
            "key_secret",
            "key_id = {key}",
            {
                "key_id": "n",
                "hash": digest.format("'key ' || n"),
                "tag": digest.format("'tag ' || n"),
            },
        ),
    ]
    for half in (0, DAYS // 2):
        day = f"template.day - ((n + {half}) % {DAYS} + 1) * {DAY}"
        used = {"account_id": "n", "day": day, "requests": str(requests)}
        copy.append(("usage_day", "account_id = {account}", used))
    return copy


# The installation's use by day is the sum of its keys'.
SUMS = """
    INSERT INTO usage_day (account_id, day, model, provider, requests, prompt_tokens,
                           completion_tokens, spent_nanos, byok_nanos)
    SELECT 0, day, model, provider, sum(requests), sum(prompt_tokens), sum(completion_tokens),
           sum(spent_nanos), sum(byok_nanos)
    FROM usage_day WHERE account_id > 0 AND day < (SELECT max(day) FROM usage_day)
    GROUP BY day, model, provider"""
SUMMED = "SELECT sum(requests) FROM usage_day WHERE account_id = 0"
