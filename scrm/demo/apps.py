from django.apps import AppConfig


class DemoConfig(AppConfig):
    """A made-up customer, so that a newcomer finds something to look at."""

    name = "scrm.demo"
