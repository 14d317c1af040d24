"""A real PostgreSQL and Valkey from Python wheels, for machines that have neither.

Commands take a *lease* (``leases.py``). The first one starts a *keeper* (``keeper.py``), a small process
that runs both servers on unix sockets, restarts them when they die, and stops them when no lease is left:
also when the last command was killed and could not say goodbye. Nothing here knows Django.
"""

from config.embedded.leases import Lease, ServicesFailed, is_needed
from config.embedded.places import PlaceRefused, Places

__all__ = ["Lease", "PlaceRefused", "Places", "ServicesFailed", "is_needed"]
