"""What forms ask of an address that somebody types in and that is never shown again."""

from django import forms

from interventions import outgoing


def address_to_reach(typed: str, *, stored: str) -> str:
    """The address from now on: the one typed, else the one stored. Raises ValidationError where nothing would go."""
    address = typed or stored
    fault = "an address is needed" if not address else outgoing.faults_of(address)
    if fault:
        raise forms.ValidationError(f"Nothing would be sent there: {fault}.")
    return address
