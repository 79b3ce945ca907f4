"""Allowances of a whole server: over a restart, at a reload, and in its log."""

import os
import smtplib

from tests.interop.harness import _EXTRA, ANNA, BEN, HOST, PASSWORD, InteropTestCase, sample

LIMIT = "submission_recipients_hour = {}\n"


class Allowance(InteropTestCase):
    """What a person sent is not forgotten."""

    def send(self, *recipients: str) -> list[int]:
        """One message; the codes of the recipients that were refused."""
        with smtplib.SMTP(HOST, self.server.ports["submission"]) as client:
            client.starttls(context=self.server.tls())
            client.login(ANNA, PASSWORD)
            try:
                refused = client.sendmail(ANNA, recipients, sample("a", b"x\r\n").octets)
            except smtplib.SMTPRecipientsRefused as error:
                refused = error.recipients
        return [code for code, _ in refused.values()]

    def test_restart_and_reload(self) -> None:
        """The count goes on behind a restart; a reload changes the limit at once; the log has one line."""
        self.server.write_config(_EXTRA + LIMIT.format(2))
        self.server.reload()
        self.assertEqual(self.send(BEN), [])
        self.server.restart()
        folder = os.path.join(self.server.config().state, "senders")
        self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)
        self.assertEqual(self.send(ANNA, BEN), [450])
        self.assertEqual(self.send(BEN), [450])
        lines = [line for line in self.server.log().splitlines() if "AllowanceUsedUp" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(f"address={ANNA} limit=submission_recipients_hour allowed=2", lines[0])
        self.server.write_config(_EXTRA + LIMIT.format(0))
        self.server.reload()
        self.assertEqual(self.send(ANNA, BEN), [])
