"""Who a command draws for when ``--user`` is not given."""

from __future__ import annotations

import os

from steer.errors import UsageError

VARIABLE = "STEER_USER"


def default_users() -> tuple[list[str], str]:
    """The users to draw for and where they come from, in words: $STEER_USER, else the only user of the database.

    Raises UsageError that says what to do where there is no such user.
    """
    if named := os.environ.get(VARIABLE, "").split():
        return named, f"${VARIABLE}"
    from steer.users.store import UserStore

    own = [user.id for user in UserStore().users() if not user.source]
    if len(own) == 1:
        return own, "your only user"
    if own:
        shown = ", ".join(own[:6]) + (", ..." if len(own) > 6 else "")
        raise UsageError(f"who is it for? Add --user NAME, or set ${VARIABLE}; your users: {shown}")
    raise UsageError(
        "who is it for? Add --user u17 (one of the miniature's people, u1 to u200) or --user average (nobody in "
        "particular); 'steer user rate me' creates a user with your own taste"
    )
