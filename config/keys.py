"""What is asked of keys that links are signed with. Pure: settings are read before anything else."""

from config.env import DEVELOPMENT_SECRET_KEY

SHORTEST = 32
FEWEST_SIGNS = 10  # different ones


def keys_of(text: str) -> list[str]:
    """The keys in a comma-separated list; an empty place between two commas stays one, to be refused."""
    text = text.strip()
    return [key.strip() for key in text.split(",")] if text else []


def weakness(key: str, *, present: str = "") -> str:
    """What makes a key unfit to sign with, and what to do; empty where nothing does."""
    if not key:
        return "it is empty. Take the comma out, or the variable."
    if key == DEVELOPMENT_SECRET_KEY:
        return "it is the development key, which anybody can read. Take it out."
    if key == present:
        return "it is the present SECRET_KEY. Take it out."
    if len(key) < SHORTEST or len(set(key)) < FEWEST_SIGNS:
        return (
            f"it is weak: at least {SHORTEST} characters, {FEWEST_SIGNS} of them different. Links signed under it "
            "could be forged; take it out."
        )
    return ""
