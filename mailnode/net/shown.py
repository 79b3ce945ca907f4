"""What the server's certificates say: whose names they are for, and until when."""

from cryptography import x509


def expiry(pem: bytes) -> float:
    """When the first certificate of a chain runs out, in seconds since the epoch. Raises ValueError."""
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
