"""What can be looked at: ``Field`` and ``Record``, and how they are laid out on a sheet. Knows no protocol."""
