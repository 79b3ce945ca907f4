"""German."""

from mailnode.delivery.words.shape import Case, Kind, Words
from mailnode.queue.entry import Fate

GERMAN = Words(
    tag="de",
    months=(
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ),
    first_day="1",
    date="{day}. {month} {year} um {time} Uhr (UTC)",
    subjects={
        Fate.FAILED: "Ihre Nachricht konnte nicht zugestellt werden",
        Fate.WAITING: "Ihre Nachricht verspätet sich",
        Fate.DELIVERED: "Ihre Nachricht wurde zugestellt",
        Fate.EXPANDED: "Ihre Nachricht wurde allen Mitgliedern zugestellt",
        Fate.RELAYED: "Ihre Nachricht wurde weitergeleitet",
    },
    opening="Hier ist der Mailserver {host}. Sie haben eine Nachricht gesendet, die am {date} hier "
    "angekommen ist.",
    about="Ihr Betreff: {subject}",
    headings={
        Fate.FAILED: "Sie konnte nicht zugestellt werden an:",
        Fate.WAITING: "Sie ist noch nicht zugestellt; wir versuchen es weiter bei:",
        Fate.DELIVERED: "Sie liegt im Postfach von:",
        Fate.EXPANDED: "Sie wurde allen Mitgliedern zugestellt von:",
        Fate.RELAYED: "Sie ging weiter an einen Server, der nicht melden wird, was aus ihr wird, für:",
    },
    said="Der andere Server sagte: {reply}",
    said_by="Der Server {host} sagte: {reply}",
    details="Technische Einzelheiten: {reason}",
    to_do="Was Sie tun können:",
    goes_on="Sie müssen nichts tun: Wir versuchen es noch bis zum {date}. Wenn es eilt, erreichen Sie die "
    "Person auf anderem Weg.",
    given_up="Es wird kein weiterer Versuch unternommen.",
    ask="Wenn das nicht hilft, fragen Sie {postmaster}, und schicken Sie diesen Bericht vollständig mit.",
    cases={
        Kind.NO_MAILBOX: Case(
            "Ein Postfach mit diesem Namen gibt es nicht.",
            "Prüfen Sie die Adresse auf Tippfehler. Wenn sie richtig aussieht, fragen Sie die Person auf "
            "anderem Weg, ob sie sich geändert hat.",
        ),
        Kind.NO_DOMAIN: Case(
            "Die Domain, also den Teil hinter dem @, gibt es nicht, oder zu ihr ist kein Mailserver zu "
            "finden.",
            "Prüfen Sie die Schreibweise hinter dem @. Wenn sie stimmt, fragen Sie die Person nach einer "
            "anderen Adresse.",
        ),
        Kind.TAKES_NO_MAIL: Case(
            "Die Domain, also der Teil hinter dem @, nimmt überhaupt keine E-Mail an.",
            "Prüfen Sie den Teil hinter dem @, oder fragen Sie die Person nach einer anderen Adresse.",
        ),
        Kind.BAD_ADDRESS: Case(
            "Die Adresse ist nicht so geschrieben, wie es E-Mail-Adressen sind.",
            "Tippen Sie die Adresse neu ein: Beim Kopieren kommt oft etwas mit, was nicht dazugehört.",
        ),
        Kind.CLOSED: Case(
            "Das Postfach gibt es, aber es nimmt zurzeit keine E-Mail an.",
            "Erreichen Sie die Person auf anderem Weg, und fragen Sie nach einer anderen Adresse.",
        ),
        Kind.FULL: Case(
            "Das Postfach ist voll.",
            "Sagen Sie es der Person auf anderem Weg. Wenn wieder Platz ist, senden Sie die Nachricht noch "
            "einmal.",
        ),
        Kind.TOO_LARGE: Case(
            "Die Nachricht ist zu groß für das Postfach oder für den Server.",
            "Verkleinern Sie die Anhänge, verteilen Sie sie auf mehrere Nachrichten, oder senden Sie "
            "stattdessen einen Link zu den Dateien.",
        ),
        Kind.TOO_MANY: Case(
            "Die Nachricht hat mehr Empfänger, als der Server annimmt.",
            "Senden Sie sie an weniger Leute auf einmal.",
        ),
        Kind.UNFIT: Case(
            "Die Nachricht oder eine Adresse darin hat eine Form, die der Server nicht annehmen kann.",
            "Senden Sie sie als einfachen Text mit üblichen Anhängen, und verwenden Sie nur Adressen ohne "
            "Umlaute und andere Sonderzeichen.",
        ),
        Kind.REFUSED: Case(
            "Die Regeln des Servers lassen die Nachricht nicht herein.",
            "Lesen Sie, was der Server gesagt hat: Oft nennt er den Grund oder eine Seite, die ihn erklärt. "
            "Erreichen Sie die Person solange auf anderem Weg.",
        ),
        Kind.DOUBTED: Case(
            "Der Server glaubt nicht, dass die Nachricht von Ihnen kommt (SPF, DKIM oder DMARC).",
            "Geben Sie diesen Bericht an die Leute weiter, die Ihre Mail-Domain betreuen: Dort muss es in "
            "Ordnung gebracht werden.",
        ),
        Kind.NOT_SAFE: Case(
            "Zu dem Server gibt es keine Verbindung, die so gut verschlüsselt ist, wie sie sein muss (TLS).",
            "Wenn Sie Verschlüsselung verlangt haben und darauf verzichten können, senden Sie die Nachricht "
            "noch einmal ohne. Sonst müssen die Betreiber des anderen Servers etwas tun: Erreichen Sie die "
            "Person auf anderem Weg.",
        ),
        Kind.LOOP: Case(
            "Die Nachricht würde im Kreis laufen: Die Server führen sie dorthin zurück, woher sie kam.",
            "Sagen Sie der Person, dass dort eine Weiterleitung oder ein Eintrag im DNS nicht stimmt.",
        ),
        Kind.TOO_OLD: Case(
            "Die Zustellung wurde {days} Tage lang immer wieder versucht, vergeblich.",
            "Der andere Server ist vielleicht länger außer Betrieb. Erreichen Sie die Person auf anderem "
            "Weg, oder senden Sie die Nachricht später noch einmal.",
        ),
        Kind.TOO_LATE: Case(
            "Die Zeit, in der sie zugestellt werden sollte, ist abgelaufen.",
            "Wenn sie noch von Nutzen ist, senden Sie sie noch einmal, mit mehr Zeit oder ohne Frist.",
        ),
        Kind.UNREACHABLE: Case(
            "Der andere Mailserver antwortet nicht, oder die Verbindung zu ihm bricht ab.",
            "Senden Sie die Nachricht morgen noch einmal. Wenn es eilt, erreichen Sie die Person auf anderem "
            "Weg.",
        ),
        Kind.DNS_SILENT: Case(
            "Zurzeit kann niemand sagen, wohin E-Mail für diese Domain geht: Das DNS gibt keine Antwort.",
            "Das geht meistens von selbst vorbei. Senden Sie die Nachricht in ein paar Stunden noch einmal.",
        ),
        Kind.BUSY: Case(
            "Der Server hat zurzeit zu viel zu tun, oder es wird an ihm gearbeitet.",
            "Senden Sie die Nachricht in ein paar Stunden noch einmal.",
        ),
        Kind.TROUBLE: Case(
            "Ein Mailserver hat selbst eine Störung; an Ihrer Nachricht liegt es nicht.",
            "Senden Sie die Nachricht später noch einmal. Wenn wieder dasselbe geschieht, sagen Sie es dem "
            "Postmaster.",
        ),
        Kind.NOT_NOW: Case(
            "Der Server hat die Nachricht zu dieser Zeit nicht angenommen.",
            "Senden Sie die Nachricht später noch einmal.",
        ),
        Kind.NEVER: Case(
            "Die Nachricht kann an diese Adresse nicht zugestellt werden.",
            "Prüfen Sie die Adresse, und lesen Sie, was der Server gesagt hat.",
        ),
    },
)
