"""TLS beside a lab: its records explained, noted as they cross, and what an eavesdropper sees of them."""
