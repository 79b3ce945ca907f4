"""Reading mailnode.toml and mailboxes.toml, and holding them against all rules.

`load` gives the values or raises ConfigurationError with everything that is wrong; `examine` gives both.
"""

import os
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from mailnode import config_messages
from mailnode.config import Certificate, Config, Loaded, MailboxEntry, Mailboxes
from mailnode.config_checks import check_config, check_mode
from mailnode.config_lists import check_lists
from mailnode.config_names import as_written, check_names, check_targets
from mailnode.config_rules import split_address
from mailnode.config_sending import FILES, Relay
from mailnode.fs import FileSystem
from mailnode.tomlfile import ConfigurationError, Mistake, TomlFile
from mailnode.values import frozen, replace
from mailnode.wire.scram import HASHES

_NAMED = 10  # mailboxes that one warning names


@frozen
class Examination:
    """What a configuration says, as far as it can be read, and all that is wrong with it."""

    loaded: Loaded
    mistakes: tuple[Mistake, ...]


def load(path: str, files: FileSystem) -> Loaded:
    """The configuration in the file at `path`; raises ConfigurationError with every mistake in it."""
    found = examine(path, files)
    if found.mistakes:
        raise ConfigurationError(found.mistakes)
    return found.loaded


def examine(path: str, files: FileSystem) -> Examination:
    """Read the configuration and look for everything that is wrong, in both files and around them."""
    path = os.path.abspath(path)
    main = read_toml(path, files)
    written = main.structure(Config)
    config = _resolve(written, os.path.dirname(path))
    boxes = _mailboxes_file(main, config, files)
    mailboxes = Mailboxes()
    if main.readable:
        check_config(main, config, files)
        if boxes.readable:
            mailboxes = check_mailboxes(boxes, config)
            _check_postmaster(main, config, mailboxes, warn=not boxes.mistakes)
            config_messages.check(main, config.on_demand, config.domains, mailboxes.mailboxes)
    warnings, mistakes = (
        tuple(sorted(one, key=attrgetter("line")) + sorted(two, key=attrgetter("line")))
        for one, two in ((main.warnings, boxes.warnings), (main.mistakes, boxes.mistakes))
    )
    return Examination(Loaded(config, mailboxes, warnings), mistakes)


def read_toml(path: str, files: FileSystem) -> TomlFile:
    """The file, parsed; that it cannot be read, or others may write it, is its first mistake."""
    real = os.path.realpath(
        path
    )  # symlinks that the administrator made are followed; FileSystem follows none
    try:
        data = files.read(real)
    except OSError as error:
        file = TomlFile(path, b"")
        file.readable = False
        file.mistake((), f"cannot be read: {error.strerror}", "Check the path and who may read the file.")
        return file
    file = TomlFile(path, data)
    check_mode(file, (), path, 0o022, files)
    return file


def check_mailboxes(file: TomlFile, config: Config) -> Mailboxes:
    """The mailboxes, aliases and lists in a file; what is wrong with them is added to the file's mistakes."""
    mailboxes = file.structure(Mailboxes)
    check_names(file, config.domains, config.subaddress)
    lists = {name: entry.members for name, entry in mailboxes.lists.items()}
    check_targets(file, {"aliases": mailboxes.aliases, "lists": lists}, config.domains)
    check_lists(file, mailboxes.lists, config.domains)
    _check_verifiers(file, mailboxes, config)
    _check_ways_in(file, mailboxes, config)
    _check_senders(file, mailboxes.mailboxes, config)
    if not file.content.get("mailboxes") and not file.mistakes:
        file.warning((), "no mailbox yet", "Make one with: mailnode mailbox add ADDRESS")
    return mailboxes


def _resolve(config: Config, base: str) -> Config:
    """The same with every path absolute."""

    def absolute(path: str) -> str:
        return os.path.normpath(os.path.join(base, path)) if path else ""

    def relay(one: Relay) -> Relay:
        files: Any = {key: absolute(getattr(one, key)) for key in FILES}
        return replace(one, **files)

    state, tls = absolute(config.state), config.tls
    return replace(
        config,
        state=state,
        mailboxes=absolute(config.mailboxes),
        tls=replace(
            tls,
            certificate=absolute(tls.certificate),
            key=absolute(tls.key),
            client_ca=absolute(tls.client_ca),
            further=tuple(Certificate(absolute(one.certificate), absolute(one.key)) for one in tls.further),
        ),
        auth=replace(config.auth, oauth=replace(config.auth.oauth, keys=absolute(config.auth.oauth.keys))),
        store=replace(config.store, mail=absolute(config.store.mail.replace("{state}", state))),
        routes={name: relay(one) for name, one in config.routes.items()},
        sender_routes={name: relay(one) for name, one in config.sender_routes.items()},
    )


# Checks of mailboxes.toml


def _mailboxes_file(main: TomlFile, config: Config, files: FileSystem) -> TomlFile:
    """mailboxes.toml; it may be absent only where nobody named it.

    A server that lost its list would refuse the mail of everybody it does not know any more.
    """
    path = config.mailboxes
    if files.stat(os.path.realpath(path)) is None:
        if "mailboxes" in main.content:
            main.mistake(("mailboxes",), f"there is no file {path}", "Correct the path, or create the file.")
        return TomlFile(path, b"")
    file = read_toml(path, files)
    if file.content.get("mailboxes"):
        check_mode(file, (), path, 0o044, files)
    return file


def _check_verifiers(file: TomlFile, mailboxes: Mailboxes, config: Config) -> None:
    """A mechanism that some cannot use is offered to nobody: a client that prefers it would be shut out."""
    for scheme in HASHES:
        lacking = [name for name, entry in mailboxes.mailboxes.items() if entry.verifier(scheme) is None]
        offered = {scheme, f"{scheme}-PLUS"} & set(config.auth.mechanisms)
        if offered and 0 < len(lacking) < len(mailboxes.mailboxes):
            names = ", ".join(lacking[:_NAMED]) + (", ..." if len(lacking) > _NAMED else "")
            path = ("mailboxes", as_written(file, "mailboxes")[lacking[0]])
            text = f"is offered to nobody, as there is no verifier for it of {names}"
            remedy = "Set their passwords anew: mailnode mailbox passwd ADDRESS"
            file.warning(path, f"{scheme} {text}", remedy)


def _check_ways_in(file: TomlFile, mailboxes: Mailboxes, config: Config) -> None:
    """Of the mechanisms that need something of the mailboxes, what they need is there for one at least."""
    entries = mailboxes.mailboxes.values()
    works = {scheme: all(entry.verifier(scheme) for entry in entries) for scheme in HASHES}
    works |= dict.fromkeys(("CRAM-MD5", "APOP"), any(entry.secret for entry in entries))
    if entries and not any(works.get(name.removesuffix("-PLUS"), True) for name in config.auth.mechanisms):
        text = "nobody can log in: no mechanism in auth.mechanisms works with what the mailboxes have"
        remedy = (
            "Set passwords with mailnode mailbox passwd (CRAM-MD5 and APOP: --plain-secret), or add PLAIN."
        )
        file.warning(("mailboxes",), text, remedy)


def _check_senders(file: TomlFile, mailboxes: Mapping[str, MailboxEntry], config: Config) -> None:
    """Nobody is given an address of another host to send from."""
    written = as_written(file, "mailboxes")
    for name, entry in mailboxes.items():
        for index, allowed in enumerate(entry.send_as):
            domain = split_address(allowed)[1]
            if config.domains and domain not in config.domains:
                path = ("mailboxes", written[name], "send_as", index)
                remedy = f"Add {domain} to domains, or use one of: {', '.join(config.domains)}."
                file.mistake(path, f"{allowed} is in no domain of this server", remedy)


def _check_postmaster(file: TomlFile, config: Config, boxes: Mailboxes, *, warn: bool) -> None:
    """RFC 5321 section 4.5.1: mail for postmaster must reach somebody."""
    known = boxes.mailboxes.keys() | boxes.aliases.keys() | boxes.lists.keys()
    if config.postmaster:
        if config.postmaster not in known and warn:
            text = f"{config.postmaster} is no mailbox, alias or list"
            file.mistake(("postmaster",), text, "Correct the address, or add the mailbox.")
        return
    missing = [one for one in config.domains if not known & {f"postmaster@{one}", f"@{one}"}]
    if missing and known and warn:
        text = f"nobody reads mail for postmaster@{missing[0]} (RFC 5321 section 4.5.1)"
        file.warning(("postmaster",), text, 'Name a mailbox: postmaster = "anna@' + missing[0] + '"')
