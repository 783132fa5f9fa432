"""Who looks at the page, and what they may see: what their token is good for."""

from __future__ import annotations

from fastapi import Request

from steer.server.access import Caller, caller_of
from steer.server.errors import Fault
from steer.ui.history import Facts, History
from steer.users.ids import check_id


def visitor(request: Request) -> Caller:
    """Who asks. Raises Fault for the token of a proxy, which speaks for others and has no page."""
    caller = caller_of(request)
    if caller.token.proxy:
        raise Fault(403, f"the token '{caller.token.name}' is a proxy's; the page is not for it", "forbidden_user")
    return caller


def owner(request: Request) -> Caller:
    """The holder of a token for everybody. Raises Fault for all others."""
    caller = visitor(request)
    if caller.token.users is not None:
        raise Fault(
            403, f"the token '{caller.token.name}' is for some users alone; this needs one for all", "forbidden"
        )
    return caller


def sees(caller: Caller, facts: Facts) -> bool:
    """Whether a stored run is theirs to see: everything for a token for everybody; else runs for its users alone, of
    which "average" is none.
    """
    own = caller.token.users
    return own is None or (caller.token.allows(facts.users) and not own.isdisjoint(facts.users))


def run_of(request: Request, history: History, name: str) -> Facts:
    """A stored run that the caller may see. Raises Fault, the same for another's run and for none."""
    facts = history.facts(name) if "/" not in name else None
    if facts is None or not sees(visitor(request), facts):
        raise Fault(404, "there is no such run", "not_found")
    history.folder(name)
    return facts


def person_of(request: Request, user: str) -> str:
    """An id that the caller may ask about and teach. Raises Fault, and UsageError for what is no id."""
    caller = visitor(request)
    if caller.token.users is not None and user not in caller.token.users:
        raise Fault(403, f"the token '{caller.token.name}' is not for this user", "forbidden_user", "user")
    return check_id(user)
