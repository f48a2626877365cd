"""``Composer``: messages, frames and raw bytes that a client of a lab sends."""
