"""The figures as metrics. Names of people are in none of them."""

import platform
from collections.abc import Iterable, Mapping

from mailnode.events.tally import Key
from mailnode.upkeep.figures import Figures
from mailnode.web.exposition import Family, Sample

# By what the tally calls it: the name of the metric, its help, the names of its labels.
COUNTERS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "accepted": ("mailnode_accepted_messages_total", "Messages taken from SMTP and LMTP clients.", ()),
    "accepted_recipients": ("mailnode_accepted_recipients_total", "Recipients of these messages.", ()),
    "accepted_octets": ("mailnode_accepted_bytes_total", "Octets of these messages.", ()),
    "refused": (
        "mailnode_refusals_total",
        "Commands of mail transactions that were refused.",
        ("command", "kind", "reason"),
    ),
    "logins": ("mailnode_logins_total", "Logins.", ("protocol", "outcome")),
    "guessed_at": ("mailnode_guessed_accounts_total", "Accounts whose password somebody tries to guess.", ()),
    "allowances_used_up": ("mailnode_allowances_used_up_total", "Accounts that had sent all they may.", ()),
    "delivered": ("mailnode_delivered_total", "Messages that reached a mailbox, for each mailbox.", ()),
    "held": ("mailnode_held_total", "Messages that are to be sent later.", ()),
    "postponed": ("mailnode_postponed_total", "Messages of the queue that were tried and wait again.", ()),
    "expanded": ("mailnode_expanded_total", "Messages for lists that went to their members.", ()),
    "relayed": ("mailnode_relayed_total", "Recipients whose message another host has taken.", ()),
    "put_off": (
        "mailnode_put_off_total",
        "Recipients whose message another host has not taken yet.",
        ("reason",),
    ),
    "maybe_twice": ("mailnode_maybe_twice_total", "Messages of which a host may get a second copy.", ()),
    "failed": ("mailnode_failed_total", "Recipients who do not get a message, for good.", ()),
    "ended": ("mailnode_ended_total", "Messages that have left the queue.", ()),
    "dropped": ("mailnode_dropped_total", "Messages that an administrator has removed from the queue.", ()),
    "reported": ("mailnode_reports_total", "Reports to senders.", ()),
    "not_told": ("mailnode_reports_withheld_total", "Reports that were not sent, as nobody is proved.", ()),
    "shown": ("mailnode_shown_total", "Messages that were shown to somebody who was there.", ()),
    "expunged": ("mailnode_expunged_total", "Messages that were removed for good.", ()),
}


def families(figures: Figures) -> Iterable[Family]:
    """All metrics."""
    version = (("version", figures.version), ("python", platform.python_version()))
    yield Family("mailnode_build_info", "gauge", "What is running.", (Sample(1, version),))
    yield _gauge("mailnode_start_time_seconds", "When the server started.", figures.started)
    for name, (metric, help_, labels) in COUNTERS.items():
        yield Family(metric, "counter", help_, _counted(figures.totals, name, labels))
    yield from _sessions(figures)
    yield from _queue(figures)
    yield from _store(figures)
    yield from _process(figures)


def _counted(totals: Mapping[Key, int], name: str, labels: tuple[str, ...]) -> tuple[Sample, ...]:
    """The samples of a counter; one without labels is there from the beginning."""
    found = {key.labels: number for key, number in totals.items() if key.name == name}
    if not labels:
        found.setdefault((), 0)
    return tuple(
        Sample(number, tuple(zip(labels, values, strict=True))) for values, number in sorted(found.items())
    )


def _gauge(name: str, help_: str, value: float) -> Family:
    return Family(name, "gauge", help_, (Sample(value),))


def _labelled(name: str, help_: str, label: str, values: Iterable[tuple[str, float]]) -> Family:
    return Family(name, "gauge", help_, tuple(Sample(value, ((label, one),)) for one, value in values))


def _sessions(figures: Figures) -> Iterable[Family]:
    open_, refused = [], []
    for one in figures.sessions:
        for state, count in (("logged_in", one.total - one.others), ("other", one.others)):
            open_.append(Sample(count, (("protocol", one.protocol), ("state", state))))
        for reason, count in sorted(one.refused.items()):
            refused.append(Sample(count, (("protocol", one.protocol), ("reason", reason))))
    yield Family("mailnode_sessions", "gauge", "Sessions that are open.", tuple(open_))
    text = "Connections that found no place."
    yield Family("mailnode_connections_refused_total", "counter", text, tuple(refused))


def _queue(figures: Figures) -> Iterable[Family]:
    queue = figures.queue
    states = (("due", queue.due), ("waiting", queue.waiting), ("held", queue.held), ("active", queue.active))
    yield _labelled("mailnode_queue_messages", "Messages in the queue.", "state", states)
    age = 0.0 if queue.oldest is None else max(0.0, figures.now - queue.oldest)
    yield _gauge("mailnode_queue_oldest_seconds", "Age of the oldest message in the queue.", age)


def _store(figures: Figures) -> Iterable[Family]:
    store = figures.store
    yield _gauge("mailnode_mailboxes", "Mailboxes of this server.", store.mailboxes)
    yield _gauge("mailnode_open_stores", "Accounts whose caches are open.", store.open)
    text = "Caches and text indexes that were broken and made anew."
    yield Family("mailnode_caches_discarded_total", "counter", text, (Sample(store.discarded),))
    if store.free is not None:
        yield _gauge("mailnode_disk_free_bytes", "Free space where the mail lies.", store.free)
    yield _gauge("mailnode_lanes_busy", "Accounts for which a job is running.", store.busy)
    yield _gauge("mailnode_lane_jobs_waiting", "Jobs that wait for one of the same account.", store.waiting)
    threads = figures.threads
    text = "Threads that are working."
    yield _labelled("mailnode_threads_busy", text, "pool", [(one.name, one.busy) for one in threads])
    text = "Jobs that wait for a thread."
    yield _labelled("mailnode_jobs_waiting", text, "pool", [(one.name, one.waiting) for one in threads])


def _process(figures: Figures) -> Iterable[Family]:
    delay = figures.delay
    quantiles = (("0.5", delay.median), ("0.99", delay.p99), ("1", delay.worst))
    text = "How late the event loop was in the last five minutes."
    yield _labelled("mailnode_loop_delay_seconds", text, "quantile", quantiles)
    yield _gauge("process_resident_memory_bytes", "Resident memory.", figures.process.memory)
    yield _gauge("process_open_fds", "Open file descriptors.", figures.process.descriptors)
    yield _gauge("mailnode_workers", "Processes beside the main one.", figures.process.workers)
    text = "When a certificate runs out."
    ends = sorted(figures.certificates.items())
    yield _labelled("mailnode_certificate_expiry_timestamp_seconds", text, "file", ends)
