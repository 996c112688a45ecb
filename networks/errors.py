"""The one exception of this package."""


class NetworkError(ValueError):
    """A network, size or weight file that cannot be used. The message says which, and the way out."""
