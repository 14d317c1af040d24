"""The standard's rules for agents and groups."""

from typing import Any

from signals.xapi.faults import Faults
from signals.xapi.primitives import is_iri, is_mailto, is_sha1

AGENT = frozenset({"objectType", "name", "mbox", "mbox_sha1sum", "openid", "account"})
GROUP = AGENT | {"member"}
ACCOUNT = frozenset({"homePage", "name"})
IDENTIFIERS = ("account", "mbox", "mbox_sha1sum", "openid")
ONE_IDENTIFIER = "Send exactly one of mbox, mbox_sha1sum, openid and account."


def check_actor(value: Any, path: str, faults: Faults) -> None:
    """Adds what is wrong with an agent or a group."""
    if type(value) is dict and value.get("objectType") == "Group":
        check_group(value, path, faults)
    else:
        check_agent(value, path, faults)


def check_agent(value: Any, path: str, faults: Faults) -> None:
    """Adds what is wrong with an agent."""
    if type(value) is not dict:
        faults.wrong_type(path, value, "an agent (an object)")
        return
    if not value.keys() <= AGENT:
        faults.unknown(path, set(value) - AGENT, AGENT)
    if "objectType" in value and value["objectType"] != "Agent":
        faults.add(f"{path}.objectType", "is not Agent", 'Send "Agent", or leave it out.')
    found = _check_identifiers(value, path, faults)
    if found != 1:
        faults.add(
            path,
            "names nobody" if found == 0 else "has more than one identifier",
            ONE_IDENTIFIER,
            "missing" if found == 0 else "value",
        )


def check_group(value: dict[str, Any], path: str, faults: Faults) -> None:
    """Adds what is wrong with a group, identified or anonymous."""
    if not value.keys() <= GROUP:
        faults.unknown(path, set(value) - GROUP, GROUP)
    found = _check_identifiers(value, path, faults)
    if found > 1:
        faults.add(
            path, "has more than one identifier", "Send at most one of mbox, mbox_sha1sum, openid, account."
        )
    if "member" in value:
        members = value["member"]
        if type(members) is not list:
            faults.wrong_type(f"{path}.member", members, "an array of agents")
        else:
            if not members and not found:
                faults.add(f"{path}.member", "is empty", "An anonymous group needs at least one member.")
            for number, member in enumerate(members):
                where = f"{path}.member[{number}]"
                if type(member) is dict and member.get("objectType") == "Group":
                    faults.add(
                        where, "is a group", "Members of a group are agents; list the people themselves."
                    )
                else:
                    check_agent(member, where, faults)
    elif not found:
        faults.missing(path, "member", "A group without an identifier must list its members.")


def check_authority(value: Any, path: str, faults: Faults) -> None:
    """Adds what is wrong with an authority: an agent, or the pair of agents that three-legged OAuth makes."""
    check_actor(value, path, faults)
    if type(value) is dict and value.get("objectType") == "Group":
        members = value.get("member")
        if type(members) is not list or len(members) != 2 or any(name in value for name in IDENTIFIERS):
            faults.add(
                path,
                "is a group other than a pair",
                "An authority is an agent, or an anonymous group of two.",
            )


def _check_identifiers(value: dict[str, Any], path: str, faults: Faults) -> int:
    found = 0
    if "name" in value and type(value["name"]) is not str:
        faults.wrong_type(f"{path}.name", value["name"], "text")
    if "account" in value:
        found += 1
        _check_account(value["account"], f"{path}.account", faults)
    if "mbox" in value:
        found += 1
        mbox = value["mbox"]
        if type(mbox) is not str:
            faults.wrong_type(f"{path}.mbox", mbox, "text")
        elif not is_mailto(mbox):
            faults.add(f"{path}.mbox", "is not a mailto address", 'Write it as "mailto:name@example.com".')
    if "mbox_sha1sum" in value:
        found += 1
        sha1 = value["mbox_sha1sum"]
        if type(sha1) is not str:
            faults.wrong_type(f"{path}.mbox_sha1sum", sha1, "text")
        elif not is_sha1(sha1):
            faults.add(f"{path}.mbox_sha1sum", "is not a SHA-1 sum", "Send 40 hexadecimal digits.")
    if "openid" in value:
        found += 1
        openid = value["openid"]
        if type(openid) is not str:
            faults.wrong_type(f"{path}.openid", openid, "text")
        elif not is_iri(openid):
            faults.add(
                f"{path}.openid", "is not a URI", "Send the whole OpenID address, beginning with its scheme."
            )
    return found


def _check_account(account: Any, path: str, faults: Faults) -> None:
    if type(account) is not dict:
        faults.wrong_type(path, account, "an account (an object)")
        return
    if not account.keys() <= ACCOUNT:
        faults.unknown(path, set(account) - ACCOUNT, ACCOUNT)
    home_page = account.get("homePage")
    if "homePage" not in account:
        faults.missing(path, "homePage", "Send the address of the system the account is in.")
    elif type(home_page) is not str:
        faults.wrong_type(f"{path}.homePage", home_page, "text")
    elif not is_iri(home_page):
        faults.add(f"{path}.homePage", "is not an IRI", 'Begin it with its scheme, as in "https://…".')
    name = account.get("name")
    if "name" not in account:
        faults.missing(path, "name", "Send the account's name in that system.")
    elif type(name) is not str:
        faults.wrong_type(f"{path}.name", name, "text")
