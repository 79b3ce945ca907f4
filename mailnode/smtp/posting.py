"""Who may send to a list of ours, and whose message its moderators have to see first."""

from mailnode.config_lists import MailingList, list_moderators, list_owner
from mailnode.smtp.outcome import Refused
from mailnode.smtp.session import Session
from mailnode.wire.address import Address, parse_address
from mailnode.wire.smtp import Reply

NOT_A_MEMBER = Reply(550, "5.7.2", "Only members may send to this list")
NO_SENDER = Reply(550, "5.7.2", "This list takes no message without reverse-path")


def check_posting(session: Session, sender: Address | None, name: str) -> None:
    """Refuse a message for a list that is not open, by its reverse-path (RFC 3463 section 3.8, X.7.2).

    An address of ours counts only for who has logged in, or comes from a trusted network.
    """
    entry = session.shared.live.mailboxes.lists[name]
    if entry.posting == "open":
        return
    if sender is None:
        raise Refused(NO_SENDER)
    if entry.posting == "members" and not _is_member(session, sender, name, entry):
        raise Refused(NOT_A_MEMBER)


def needs_approval(session: Session, name: str) -> bool:
    """Whether a moderator has to approve a message from this session: not one of a moderator's own."""
    entry = session.shared.live.mailboxes.lists.get(name)
    if entry is None or entry.posting != "moderated":
        return False
    moderators = (parse_address(one, utf8=True) for one in list_moderators(name, entry))
    return not any(map(session.is_own, moderators))


def _is_member(session: Session, sender: Address, name: str, entry: MailingList) -> bool:
    if sender.domain_key in session.config.domains and not session.known:
        return False
    router = session.router
    people = [router.members(name)]
    people += [
        router.everybody(parse_address(one, utf8=True))
        for one in (list_owner(name, entry), *entry.moderators)
    ]
    accounts = {account for route in people for account in route.accounts}
    elsewhere = {address.key for route in people for address in route.elsewhere}
    found = router.everybody(sender)
    return not accounts.isdisjoint(found.accounts) or sender.key in elsewhere
