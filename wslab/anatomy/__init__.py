"""What can be looked at: ``Field`` and ``Record``, and how they are laid out on a sheet. Knows no protocol.

``field`` and ``record`` hold the two currencies. ``view`` decides what may be shown of some explained bytes, ``layout``
and ``explanation`` put it on a sheet; ``records`` does so for runs of records.
"""
