"""The network, its bundle, and how a view, a breast and a patient are judged. Pure."""
