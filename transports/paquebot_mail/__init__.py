"""Mail: parcels in an ordinary mailbox, which may be a person's own.

An at-least-once pipe: what lies in the mailbox is sealed and signed by others. This package finds what is meant for
us, keeps it until it was applied, and touches no other mail.
"""
